# SPDX-License-Identifier: BSD-3-Clause
r"""The command table: built from the declarations at start, read for each request.

    name "GeT" --> hash of its letters, case folded --> slots[1024] --> cmd_t

Slots are four times as many as commands, so that nearly every look-up ends at the
first.
The table is per server: it holds the statistics of its commands, and the commands that
users add.
"""
from cython cimport final
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_GetName, PyCapsule_GetPointer
from fastredis.core.clock cimport clock_rate
from fastredis.core.mem cimport zcalloc, zfree
from fastredis.engine.client cimport (
    CMD_NAME_MAX,
    CMD_PYTHON,
    KEY_WORD_MAX,
    LATENCY_BUCKETS,
    SECRETS_AUTH,
    SECRETS_CONFIG,
    SECRETS_FROM_1,
    SECRETS_FROM_2,
    SECRETS_NONE,
    cmd_fn,
)
from fastredis.engine.pycall cimport cmd_call_python
from fastredis.engine.stats cimport latency_bucket_ticks, latency_percentile
from fastredis.keyspace.obj cimport (
    LOOKUP_BORDER,
    LOOKUP_MEMBER,
    LOOKUP_RANK,
    LOOKUP_SCORE,
)
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset

cdef enum:
    SLOTS = 1024                # a power of two

# Commands with arguments that logs must not show; a command keeps this if renamed.
_SECRETS = {
    b"auth": SECRETS_FROM_1,
    b"hello": SECRETS_AUTH,
    b"migrate": SECRETS_AUTH,
    b"config|set": SECRETS_CONFIG,
    b"acl|deluser": SECRETS_FROM_2,
    b"acl|getuser": SECRETS_FROM_2,
    b"acl|setuser": SECRETS_FROM_2,
}

cdef struct cmd_table_t:
    size_t used
    cmd_t *slots[SLOTS]


# --- Find -------------------------------------------------------------------------


cdef inline char _fold(char ch) noexcept nogil:
    return ch + 32 if 65 <= ch <= 90 else ch


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    /* eight bytes with the letters A to Z in lower case and nothing else changed */
    static inline uint64_t fold8(uint64_t w) {
        const uint64_t ones = 0x0101010101010101u;
        uint64_t low7 = w & (0x7f * ones);
        uint64_t from_a = low7 + (0x80 - 'A') * ones;
        uint64_t past_z = low7 + (0x7f - 'Z') * ones;
        return w | (((from_a ^ past_z) & ~w & (0x80 * ones)) >> 2);
    }
    /* The first and the last eight bytes of a name, folded; shorter names are read in
       pieces that overlap, never beyond their end. */
    static inline uint64_t name_head(const char *s, size_t n) {
        uint64_t w = 0;
        if (n >= 8) memcpy(&w, s, 8);
        else if (n >= 4) {
            uint32_t a, b;
            memcpy(&a, s, 4);
            memcpy(&b, s + n - 4, 4);
            w = a | (uint64_t)b << 32;
        } else if (n > 0) {
            w = (uint64_t)(unsigned char)s[0] | (uint64_t)(unsigned char)s[n >> 1] << 8
                | (uint64_t)(unsigned char)s[n - 1] << 16;
        }
        return fold8(w);
    }
    static inline uint64_t name_tail(const char *s, size_t n) {
        uint64_t w = 0;
        if (n >= 8) memcpy(&w, s + n - 8, 8);
        return fold8(w);
    }
    static inline size_t name_slot(uint64_t head, uint64_t tail, size_t n) {
        head = (head * 0x9E3779B97F4A7C15u) ^ (tail * 0xC2B2AE3D27D4EB4Fu) ^ n;
        return ((head ^ (head >> 29)) * 0xBF58476D1CE4E5B9u) >> 54;
    }
    """
    uint64_t name_head(const char *s, size_t n) noexcept nogil
    uint64_t name_tail(const char *s, size_t n) noexcept nogil
    size_t name_slot(uint64_t head, uint64_t tail, size_t n) noexcept nogil


cdef bint _same_middle(const cmd_t *cmd, const char *name, size_t n) noexcept nogil:
    """Compare the bytes of a name of over 16 that head and tail leave out."""
    cdef size_t i
    for i in range(8, n - 8):
        if _fold(name[i]) != cmd.name[i]:
            return False
    return True


cdef cmd_t *cmd_find(
    const cmd_table_t *t, const char *name, size_t nbytes
) noexcept nogil:
    """Return the command of this name."""
    cdef uint64_t head, tail
    cdef size_t i
    cdef cmd_t *cmd
    if nbytes >= CMD_NAME_MAX:
        return NULL
    head = name_head(name, nbytes)
    tail = name_tail(name, nbytes)
    i = name_slot(head, tail, nbytes)
    while True:
        cmd = t.slots[i]
        if cmd == NULL:
            return NULL
        if cmd.name_head == head and cmd.name_tail == tail \
                and <size_t>cmd.name_len == nbytes:
            if nbytes <= 16 or _same_middle(cmd, name, nbytes):
                return cmd
        i = (i + 1) & (SLOTS - 1)


cdef cmd_t *cmd_find_sub(
    const cmd_t *container, const char *name, size_t nbytes
) noexcept nogil:
    """Return the subcommand of this name; containers have few, so one by one."""
    cdef cmd_t **sub = container.subcommands
    cdef size_t skip = container.name_len + 1, i
    while sub[0] != NULL:
        if <size_t>sub[0].name_len == skip + nbytes:
            for i in range(nbytes):
                if _fold(name[i]) != sub[0].name[skip + i]:
                    break
            else:
                return sub[0]
        sub += 1
    return NULL


# --- Build ------------------------------------------------------------------------


@final
cdef class CommandTable:
    """The commands of one server, from the registry's list of bound declarations."""

    def __cinit__(self):
        self.table = <cmd_table_t *>zcalloc(sizeof(cmd_table_t))
        self.owned = []
        self.by_name = {}

    def __dealloc__(self):
        cdef size_t address
        for address in (self.by_name or {}).values():
            _free_command(<cmd_t *>address)
        zfree(self.table)

    def add(self, bound):
        """Add a command with its subcommands; a command of that name is replaced."""
        cdef cmd_t *cmd = self.add_one(bound, NULL)
        self._enter(<size_t>cmd)

    cdef cmd_t *add_one(self, object bound, cmd_t *parent) except NULL:
        """Make the cmd_t of a bound declaration."""
        cdef bytes name = bound.name
        cdef cmd_t *cmd
        cdef list subcommands = bound.subcommands
        cdef Py_ssize_t i
        if len(name) >= CMD_NAME_MAX:
            raise ValueError(f"command name too long: {name!r}")
        if <int>len(self.by_name) >= SLOTS // 2:
            raise ValueError("too many commands")
        cmd = <cmd_t *>zcalloc(sizeof(cmd_t))
        memcpy(cmd.name, <const char *>name, len(name))
        cmd.name_len = <int>len(name)
        cmd.arity = bound.arity
        cmd.flags = bound.flags
        cmd.first_key = bound.first_key
        cmd.last_key = bound.last_key
        cmd.key_step = bound.key_step
        cmd.member = bound.spec.member
        cmd.lookup = LOOKUP_MEMBER
        if bound.spec.border:
            cmd.member = bound.spec.border
            cmd.lookup = LOOKUP_BORDER
        elif bound.spec.scored:
            cmd.lookup = LOOKUP_SCORE
        elif bound.spec.ranked:
            cmd.lookup = LOOKUP_RANK
        cmd.count_at, cmd.count_step = bound.counted
        if len(bound.key_word) >= KEY_WORD_MAX:
            raise ValueError(f"word too long: {bound.key_word!r}")
        memcpy(cmd.key_word, <const char *>bound.key_word, len(bound.key_word))
        cmd.secrets = _SECRETS.get(name, SECRETS_NONE)
        if bound.handler is None:
            cmd.fn = NULL
        elif callable(bound.handler):
            self.owned.append(bound.handler)
            cmd.python = <PyObject *>bound.handler
            cmd.flags |= CMD_PYTHON
            cmd.fn = cmd_call_python
        else:
            cmd.fn = <cmd_fn>PyCapsule_GetPointer(
                bound.handler, PyCapsule_GetName(bound.handler))
        self.by_name[name] = <size_t>cmd
        if subcommands:
            cmd.subcommands = <cmd_t **>zcalloc(
                (len(subcommands) + 1) * sizeof(cmd_t *))
            for i in range(len(subcommands)):
                cmd.subcommands[i] = self.add_one(subcommands[i], cmd)
        return cmd

    def _enter(self, size_t address):
        """Put a command into the slots."""
        cdef cmd_t *cmd = <cmd_t *>address
        cdef size_t i
        cmd.name_head = name_head(cmd.name, cmd.name_len)
        cmd.name_tail = name_tail(cmd.name, cmd.name_len)
        i = name_slot(cmd.name_head, cmd.name_tail, cmd.name_len)
        while self.table.slots[i] != NULL:
            i = (i + 1) & (SLOTS - 1)
        self.table.slots[i] = cmd
        self.table.used += 1

    def rename(self, bytes old, bytes new):
        """Take a command out of the slots and, unless new is empty, give it a name.

        Raises: KeyError if there is no such command, ValueError if new is taken.
        """
        cdef size_t address = self.by_name[old.lower()]
        cdef cmd_t *cmd = <cmd_t *>address
        cdef cmd_t *every[SLOTS]
        cdef size_t n = 0, i
        cdef bytes lowered
        if new and cmd_find(self.table, new, len(new)) != NULL:
            raise ValueError(new)
        if len(new) >= CMD_NAME_MAX:
            raise ValueError(new)
        for i in range(SLOTS):
            if self.table.slots[i] != NULL and self.table.slots[i] != cmd:
                every[n] = self.table.slots[i]
                n += 1
        memset(self.table, 0, sizeof(cmd_table_t))
        for i in range(n):
            self._enter(<size_t>every[i])
        if new:
            memset(cmd.name, 0, CMD_NAME_MAX)
            lowered = new.lower()
            memcpy(cmd.name, <const char *>lowered, len(new))
            cmd.name_len = <int>len(new)
            self._enter(<size_t>cmd)

    # --- Statistics

    cdef void reset_stats(self) noexcept:
        """Set all counters to zero."""
        cdef size_t address
        cdef cmd_t *cmd
        for address in self.by_name.values():
            cmd = <cmd_t *>address
            cmd.calls = cmd.total_ticks = cmd.rejected_calls = cmd.failed_calls = 0
            zfree(cmd.latency)
            cmd.latency = NULL

    def total_calls(self):
        """Return how many commands have been executed."""
        cdef size_t address
        cdef uint64_t total = 0
        for address in self.by_name.values():
            total += (<cmd_t *>address).calls
        return total

    def total_us(self):
        """Return the time that commands took, in microseconds."""
        cdef size_t address
        cdef uint64_t total = 0
        for address in self.by_name.values():
            total += (<cmd_t *>address).total_ticks
        return <uint64_t>(total * clock_rate.ns_per_tick / 1000)

    def stats(self):
        """Return {name: (calls, microseconds, rejected, failed)} of commands used."""
        cdef size_t address
        cdef cmd_t *cmd
        cdef dict result = {}
        for address in self.by_name.values():
            cmd = <cmd_t *>address
            if cmd.calls or cmd.rejected_calls or cmd.failed_calls:
                result[cmd.name[:cmd.name_len]] = (
                    cmd.calls,
                    <uint64_t>(cmd.total_ticks * clock_rate.ns_per_tick / 1000),
                    cmd.rejected_calls, cmd.failed_calls)
        return result

    def latency_percentiles(self, percentiles):
        """Return {name: [microseconds at each percentile]} of commands called."""
        cdef size_t address
        cdef cmd_t *cmd
        cdef dict result = {}
        for address in self.by_name.values():
            cmd = <cmd_t *>address
            if cmd.latency != NULL:
                result[cmd.name[:cmd.name_len]] = [
                    latency_percentile(cmd.latency, p) * clock_rate.ns_per_tick / 1000
                    for p in percentiles]
        return result

    def latency_histogram(self, bytes name):
        """Return [(upper bound in microseconds, calls)] of a command's buckets."""
        cdef size_t address = self.by_name[name]
        cdef cmd_t *cmd = <cmd_t *>address
        cdef int i
        if cmd.latency == NULL:
            return []
        return [
            (latency_bucket_ticks(i + 1) * clock_rate.ns_per_tick / 1000,
             cmd.latency[i])
            for i in range(LATENCY_BUCKETS) if cmd.latency[i]]


cdef void _free_command(cmd_t *cmd) noexcept:
    zfree(cmd.subcommands)
    zfree(cmd.latency)
    zfree(cmd)
