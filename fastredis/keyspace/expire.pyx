# SPDX-License-Identifier: BSD-3-Clause
r"""Hierarchical timing wheel.

    level 3   256 slots of 74 h     |........|x|.............|
    level 2   256 slots of 17 min   |....|x|.................|   cascade down when
    level 1   256 slots of 4.1 s    |.|x|....................|   the hand gets there
    level 0   256 slots of 16 ms    |...hand->x..............|   fire

    slot --> chunk (62 entries) --> chunk --> ...
    entry:   | low 24 bits of its tick | payload, 40 bits |

A time is a tick of 16 ms, rounded up. The level of an entry is the highest byte in
which its tick differs from the hand's, its slot that byte: so the place depends on
both alone, and an entry moves down at most three times. The 24 bits kept in the entry,
with the slot's own byte, give its tick back: a cascade looks at nothing else.
Times beyond the last level (2.2 years) wait in its last slot; who gets the payload
early adds it again.

An entry cannot be removed. Who owns the payloads recognises those that are stale when
they fire, and rebuilds the wheel (wheel_drain into a new one) when too many wait.

Cost: add O(1); 8.3 bytes an entry. Threads: main thread only.
Source: G. Varghese, A. Lauck, Hashed and hierarchical timing wheels (SOSP 1987).
"""
from fastredis.core.mem cimport zcalloc, zfree, zmalloc, zsize
from libc.string cimport memset

cdef enum:
    TICK_SHIFT = 4
    LEVELS = 4
    SLOTS = 256
    CHUNK_ENTRIES = 62      # makes a chunk 512 bytes
    SPARE_CHUNKS = 64       # kept for reuse
    CLOCK_BACK_TICKS = 64   # one second: smaller corrections are waited out
    PAYLOAD_BITS = 40

cdef extern from *:
    """
    #define PAYLOAD_MASK ((((uint64_t)1) << 40) - 1)
    #define REST_MASK ((uint64_t)0xFFFFFF)      /* bits of the tick in an entry */
    #define FARTHEST ((uint64_t)0xFFFFFFFF)     /* ticks that four levels span */
    """
    const uint64_t PAYLOAD_MASK, REST_MASK, FARTHEST

cdef struct chunk_t:
    chunk_t *next
    size_t used
    uint64_t[CHUNK_ENTRIES] entries

cdef struct wheel_t:
    uint64_t hand                       # the tick handed out next
    size_t len
    size_t nchunks
    size_t nspare
    chunk_t *spare
    chunk_t *slots[LEVELS][SLOTS]


# --- Create and free --------------------------------------------------------------


cdef inline uint64_t _tick(int64_t when_ms) noexcept nogil:
    """Return the tick at which a time has passed."""
    if when_ms <= 0:
        return 0
    return (<uint64_t>when_ms + WHEEL_TICK_MS - 1) >> TICK_SHIFT


cdef wheel_t *wheel_new(int64_t now_ms) noexcept nogil:
    """Return an empty wheel whose hand is at now."""
    cdef wheel_t *w = <wheel_t *>zcalloc(sizeof(wheel_t))
    w.hand = (<uint64_t>now_ms >> TICK_SHIFT) + 1
    return w


cdef void _free_chunks(chunk_t *c) noexcept nogil:
    cdef chunk_t *following
    while c != NULL:
        following = c.next
        zfree(c)
        c = following


cdef void wheel_free(wheel_t *w) noexcept nogil:
    """Free the wheel; NULL is allowed."""
    cdef int level, i
    if w == NULL:
        return
    for level in range(LEVELS):
        for i in range(SLOTS):
            _free_chunks(w.slots[level][i])
    _free_chunks(w.spare)
    zfree(w)


# --- Entries ----------------------------------------------------------------------


cdef void _push(wheel_t *w, chunk_t **slot, uint64_t entry) noexcept nogil:
    cdef chunk_t *c = slot[0]
    if c == NULL or c.used == CHUNK_ENTRIES:
        if w.spare != NULL:
            c = w.spare
            w.spare = c.next
            w.nspare -= 1
        else:
            c = <chunk_t *>zmalloc(sizeof(chunk_t))
            w.nchunks += 1
        c.used = 0
        c.next = slot[0]
        slot[0] = c
    c.entries[c.used] = entry
    c.used += 1


cdef uint64_t _pop(wheel_t *w, chunk_t **slot) noexcept nogil:
    """Take an entry out of a slot that is not empty."""
    cdef chunk_t *c = slot[0]
    cdef uint64_t entry
    c.used -= 1
    entry = c.entries[c.used]
    if c.used == 0:
        slot[0] = c.next
        if w.nspare < SPARE_CHUNKS:
            c.next = w.spare
            w.spare = c
            w.nspare += 1
        else:
            zfree(c)
            w.nchunks -= 1
    return entry


cdef void _place(wheel_t *w, uint64_t payload, uint64_t tick) noexcept nogil:
    cdef uint64_t differ
    cdef int level
    if tick < w.hand:
        tick = w.hand
    elif tick - w.hand > FARTHEST - (w.hand & FARTHEST):
        tick = w.hand | FARTHEST        # the last tick of this turn of level 3
    differ = tick ^ w.hand
    level = 0 if differ < 0x100 else 1 if differ < 0x10000 else \
        2 if differ < 0x1000000 else 3
    _push(w, &w.slots[level][(tick >> (8 * level)) & 0xFF],
          (tick & REST_MASK) << PAYLOAD_BITS | payload)


cdef void wheel_add(wheel_t *w, uint64_t payload, int64_t when_ms) noexcept nogil:
    """Hand payload out once when_ms has passed."""
    _place(w, payload & PAYLOAD_MASK, _tick(when_ms))
    w.len += 1


# --- Time passes ------------------------------------------------------------------


cdef bint _cascade(wheel_t *w, int level, size_t *budget) noexcept nogil:
    """Move the slot under the hand to lower levels; False: the budget ended."""
    cdef chunk_t **slot = &w.slots[level][(w.hand >> (8 * level)) & 0xFF]
    cdef uint64_t entry, tick
    while slot[0] != NULL:
        if budget[0] == 0:
            return False
        budget[0] -= 1
        entry = _pop(w, slot)
        tick = entry >> PAYLOAD_BITS
        # the bits above those kept are the hand's own
        tick |= w.hand & ~REST_MASK
        _place(w, entry & PAYLOAD_MASK, tick)
    return True


cdef wheel_state_t wheel_advance(
    wheel_t *w, int64_t now_ms, size_t *budget, wheel_fire_fn fire, void *ctx
) noexcept nogil:
    """Hand out what is due; budget is lowered by the entries that were touched."""
    cdef uint64_t target = <uint64_t>now_ms >> TICK_SHIFT
    cdef chunk_t **slot
    cdef uint64_t entry
    cdef int level
    if target + CLOCK_BACK_TICKS < w.hand:
        return WHEEL_CLOCK_BACK
    while w.hand <= target:
        if w.len == 0:
            w.hand = target + 1
            break
        level = LEVELS - 1
        while level > 0:
            if (w.hand & ((<uint64_t>1 << (8 * level)) - 1)) == 0:
                if not _cascade(w, level, budget):
                    return WHEEL_MORE
            level -= 1
        slot = &w.slots[0][w.hand & 0xFF]
        while slot[0] != NULL:
            if budget[0] == 0:
                return WHEEL_MORE
            budget[0] -= 1
            entry = _pop(w, slot)
            w.len -= 1
            fire(ctx, entry & PAYLOAD_MASK)
        w.hand += 1
    return WHEEL_DONE


cdef size_t wheel_drain(
    wheel_t *w, size_t n, wheel_fire_fn fn, void *ctx
) noexcept nogil:
    """Take payloads out, the soonest levels first; fn must not add to this wheel."""
    cdef int level, i
    cdef size_t taken = 0
    cdef chunk_t **slot
    cdef uint64_t entry
    for level in range(LEVELS):
        for i in range(SLOTS):
            slot = &w.slots[level][i]
            while slot[0] != NULL:
                if taken == n:
                    return taken
                entry = _pop(w, slot)
                w.len -= 1
                taken += 1
                fn(ctx, entry & PAYLOAD_MASK)
    return taken


# --- Describe ---------------------------------------------------------------------


cdef size_t wheel_len(const wheel_t *w) noexcept nogil:
    """Return the number of entries, stale ones included."""
    return w.len


cdef size_t wheel_nbytes(const wheel_t *w) noexcept nogil:
    """Return the bytes of the wheel and its chunks."""
    return zsize(w) + w.nchunks * sizeof(chunk_t)


cdef bint wheel_same_tick(int64_t a_ms, int64_t b_ms) noexcept nogil:
    """Return whether two times are handed out together."""
    return _tick(a_ms) == _tick(b_ms)
