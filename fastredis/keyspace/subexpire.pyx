# SPDX-License-Identifier: BSD-3-Clause
r"""When fields of hashes expire: one timing wheel for all hashes of a database.

    wheel --fires--> due: key, key, ..  --> fn(key) deletes its fields that are due,
      ^                                     some at a time
      +--- the key's next time, if it has one left

A hash knows the earliest time of its fields (next_ms); how it finds that is its own
affair. Here it has one entry at or before that time (wheel_ms): an earlier time adds
another entry and leaves the old one, which is stale, a later one changes nothing until
the entry fires. As in db.pyx, an entry is 40 bits of the key's hash; when most entries
are stale or the clock has jumped, a new wheel is made and the old one drained into it,
step by step.

A hash of a million fields may come due at once. So what the wheel hands out is only
noted (due), and done in steps between which the clock is looked at.

Cost: O(1) for each change; 8.3 bytes a key. Threads: main thread only.
"""
from fastredis.core.clock cimport clock_mono_ns
from fastredis.core.mem cimport zcalloc, zfree, zrealloc
from fastredis.core.status cimport fr_assert
from fastredis.ds.hashtable cimport ht_visit_hash40
from fastredis.keyspace.expire cimport (
    WHEEL_DONE,
    WHEEL_MORE,
    WHEEL_REBUILD,
    wheel_add,
    wheel_advance,
    wheel_check,
    wheel_drain,
    wheel_free,
    wheel_len,
    wheel_new,
    wheel_state_t,
    wheel_t,
)
from fastredis.keyspace.obj cimport OBJ_NO_EXPIRE, obj_key, obj_subexpire
from fastredis.core.keyhash cimport keyhash

cdef enum:
    STALE_FACTOR = 2        # entries a key before a rebuild ...
    STALE_MIN = 4096        # ... and always this many more
    DRAIN_PER_ADD = 4
    DRAIN_PER_TURN = 2048
    STEP = 256              # entries between looks at the clock
    DUE_MIN = 16

cdef struct subexpire_t:
    wheel_t *wheel
    wheel_t *draining       # the wheel being rebuilt into `wheel`, or NULL
    int gen                 # 0 or 1: wheel_gen of what has its entry in `wheel`
    size_t nkeys
    uint64_t *due           # 40 bits of the hashes of keys whose entry has fired
    size_t ndue
    size_t cap
    int64_t now_ms


# --- Create and free --------------------------------------------------------------


cdef subexpire_t *subexpire_new(int64_t now_ms) noexcept nogil:
    """Return an empty wheel."""
    cdef subexpire_t *s = <subexpire_t *>zcalloc(sizeof(subexpire_t))
    s.wheel = wheel_new(now_ms)
    return s


cdef void subexpire_free(subexpire_t *s) noexcept nogil:
    """Free the wheel."""
    if s == NULL:
        return
    wheel_free(s.wheel)
    wheel_free(s.draining)
    zfree(s.due)
    zfree(s)


cdef size_t subexpire_len(const subexpire_t *s) noexcept nogil:
    """Return the number of keys with such an expiry."""
    return 0 if s == NULL else s.nkeys


# --- Changes ----------------------------------------------------------------------


cdef inline void _enter(
    subexpire_t *s, uint64_t hash, obj_subexpire_t *sub, int64_t when_ms
) noexcept nogil:
    """Add the entry that matters from now on."""
    wheel_add(s.wheel, hash & 0xFFFFFFFFFFULL, when_ms)
    sub.wheel_ms = when_ms
    sub.wheel_gen = s.gen


cdef inline bint _is_stale(const subexpire_t *s) noexcept nogil:
    return wheel_len(s.wheel) > STALE_MIN + STALE_FACTOR * (s.nkeys + 1)


cdef void _rebuild(subexpire_t *s, int64_t now_ms) noexcept nogil:
    """Start a new wheel, while none is being drained."""
    s.draining = s.wheel
    s.wheel = wheel_new(now_ms)
    s.gen ^= 1


cdef struct drain_t:
    subexpire_t *s
    const ht_t *keys


cdef void _drain_visit(void *ctx, void *entry) noexcept nogil:
    """Give a key whose entry was in the old wheel one in the new wheel."""
    cdef subexpire_t *s = (<drain_t *>ctx).s
    cdef obj_subexpire_t *sub = obj_subexpire(<obj_t *>entry)
    cdef size_t n
    cdef const char *key
    if sub == NULL or sub.wheel_ms == OBJ_NO_EXPIRE or sub.wheel_gen == s.gen:
        return
    key = obj_key(<obj_t *>entry, &n)
    _enter(s, keyhash(key, n), sub, sub.next_ms)


cdef void _drain_fire(void *ctx, uint64_t payload) noexcept nogil:
    ht_visit_hash40((<drain_t *>ctx).keys, payload, _drain_visit, ctx)


cdef void _drain(subexpire_t *s, const ht_t *keys, size_t n) noexcept nogil:
    """Move up to n entries of the old wheel to the new one."""
    cdef drain_t drain
    drain.s = s
    drain.keys = keys
    if wheel_drain(s.draining, n, _drain_fire, &drain) < n:
        wheel_free(s.draining)
        s.draining = NULL


cdef void subexpire_changed(
    subexpire_t *s, const ht_t *keys, uint64_t hash, obj_subexpire_t *sub,
    int64_t now_ms
) noexcept nogil:
    """Keep count and wheel right after a key's next time may have changed."""
    if sub.next_ms == OBJ_NO_EXPIRE:
        subexpire_forget(s, sub)
        return
    if not sub.is_counted:
        sub.is_counted = True
        s.nkeys += 1
    if sub.wheel_ms != OBJ_NO_EXPIRE and sub.wheel_ms <= sub.next_ms:
        return
    _enter(s, hash, sub, sub.next_ms)
    if s.draining != NULL:
        _drain(s, keys, DRAIN_PER_ADD)
    elif _is_stale(s):
        _rebuild(s, now_ms)


cdef void subexpire_forget(subexpire_t *s, obj_subexpire_t *sub) noexcept nogil:
    """Leave a key out from now on; its entry is stale."""
    if sub.is_counted:
        sub.is_counted = False
        s.nkeys -= 1
    sub.wheel_ms = OBJ_NO_EXPIRE


# --- Time passes ------------------------------------------------------------------


cdef void _fire(void *ctx, uint64_t payload) noexcept nogil:
    """Note a key whose entry came due."""
    cdef subexpire_t *s = <subexpire_t *>ctx
    if s.ndue == s.cap:
        s.cap = 2 * s.cap if s.cap else DUE_MIN
        s.due = <uint64_t *>zrealloc(s.due, s.cap * sizeof(uint64_t))
    s.due[s.ndue] = payload
    s.ndue += 1


cdef struct turn_t:
    subexpire_t *s
    subexpire_fn fn
    void *ctx
    bint is_more


cdef void _due_visit(void *ctx, void *entry) noexcept nogil:
    """Have the parts of a key that are due deleted."""
    cdef turn_t *turn = <turn_t *>ctx
    cdef subexpire_t *s = turn.s
    cdef obj_subexpire_t *sub = obj_subexpire(<obj_t *>entry)
    if sub == NULL or sub.wheel_ms == OBJ_NO_EXPIRE or sub.wheel_ms > s.now_ms:
        return      # a stale entry
    # its entry has fired: if parts stay, fn adds another when it says what changed
    sub.wheel_ms = OBJ_NO_EXPIRE
    if turn.fn(turn.ctx, <obj_t *>entry):
        # the key is still there, and so are parts that are due
        sub = obj_subexpire(<obj_t *>entry)
        sub.wheel_ms = sub.next_ms      # which has passed: the entry is in due
        turn.is_more = True


cdef bint subexpire_turn(
    subexpire_t *s, const ht_t *keys, int64_t now_ms, uint64_t end_ns,
    subexpire_fn fn, void *ctx
) noexcept nogil:
    """Delete what is due; return whether the time was up before all was done."""
    cdef wheel_state_t state = WHEEL_DONE
    cdef size_t budget
    cdef turn_t turn
    cdef uint64_t payload
    turn.s = s
    turn.fn = fn
    turn.ctx = ctx
    s.now_ms = now_ms
    while True:
        if s.ndue:
            payload = s.due[s.ndue - 1]
            turn.is_more = False
            ht_visit_hash40(keys, payload, _due_visit, &turn)
            if not turn.is_more:
                s.ndue -= 1
        else:
            state = WHEEL_DONE
            budget = STEP
            if s.draining != NULL:
                state = wheel_advance(s.draining, now_ms, &budget, _fire, s)
            if state != WHEEL_MORE:
                budget = STEP
                state = wheel_advance(s.wheel, now_ms, &budget, _fire, s)
            if s.ndue == 0 and state != WHEEL_MORE:
                break
        if clock_mono_ns() >= end_ns:
            return True
    if s.cap > DUE_MIN:
        zfree(s.due)
        s.due = NULL
        s.cap = 0
    if s.draining != NULL:
        _drain(s, keys, DRAIN_PER_TURN)
    elif state == WHEEL_REBUILD or _is_stale(s):
        _rebuild(s, now_ms)
    return False


cdef bint subexpire_is_idle(const subexpire_t *s) noexcept nogil:
    """Return whether the wheel can be freed; its few entries are stale."""
    return s.nkeys == 0 and s.draining == NULL and not _is_stale(s)


cdef void subexpire_check(const subexpire_t *s, size_t nkeys) noexcept nogil:
    """Walk every invariant."""
    if s == NULL:
        fr_assert(nkeys == 0)
        return
    fr_assert(s.nkeys == nkeys)
    wheel_check(s.wheel)
    if s.draining != NULL:
        wheel_check(s.draining)
    fr_assert(wheel_len(s.wheel) + s.ndue + (
        wheel_len(s.draining) if s.draining != NULL else 0) >= nkeys)
