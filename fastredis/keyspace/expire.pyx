# SPDX-License-Identifier: BSD-3-Clause
r"""Hierarchical timing wheel.

    level 3   256 slots of 74 h     |........|x|.............|
    level 2   256 slots of 17 min   |....|x|.................|   cascade down when
    level 1   256 slots of 4.1 s    |.|x|....................|   the hand gets there
    level 0   256 slots of 16 ms    |...hand->x..............|   fire

    slot --> chunk (62 entries) --> chunk --> ...
    entry:   | low 24 bits of its tick | payload, 40 bits |

A time is a tick of 16 ms, rounded up and counted from the wheel's making. The level of
an entry is the highest byte in which its tick differs from the hand's, its slot that
byte: so the place depends on both alone, and an entry moves down at most three times.
The 24 bits kept in the entry, with the slot's own byte, give its tick back: a cascade
looks at nothing else. The entries of each level are counted, so that the hand steps
over stretches in which nothing can happen, however long the clock stood still.

Four levels reach 2.2 years far. A time beyond waits in the last slot, to which the
hand never comes: after half of the way wheel_advance asks for a new wheel, counted
from then. It does so too when the clock has gone back by more than a second.

An entry cannot be removed. Who owns the payloads recognises those that are stale when
they fire, and rebuilds the wheel (wheel_drain into a new one) when too many wait.

Cost: add O(1); 8.3 bytes an entry. Threads: main thread only.
Source: G. Varghese, A. Lauck, Hashed and hierarchical timing wheels (SOSP 1987).
"""
from fastredis.core.mem cimport zcalloc, zfree, zmalloc, zsize
from fastredis.core.status cimport fr_assert

cdef enum:
    TICK_SHIFT = 4
    LEVELS = 4
    LEVEL_BITS = 8
    SLOTS = 1 << LEVEL_BITS
    CHUNK_ENTRIES = 62      # makes a chunk 512 bytes
    SPARE_CHUNKS = 64       # kept for reuse
    CLOCK_BACK_TICKS = 64   # one second: smaller corrections are waited out
    PAYLOAD_BITS = 40

cdef extern from *:
    """
    #define PAYLOAD_MASK ((((uint64_t)1) << 40) - 1)
    #define REST_MASK ((uint64_t)0xFFFFFF)      /* bits of the tick in an entry */
    #define FARTHEST ((uint64_t)0xFFFFFFFF)     /* the last tick of four levels */
    #define HALF_WAY ((uint64_t)0x80000000)     /* the hand comes no farther */
    """
    const uint64_t PAYLOAD_MASK, REST_MASK, FARTHEST, HALF_WAY

cdef struct chunk_t:
    chunk_t *next
    size_t used
    uint64_t[CHUNK_ENTRIES] entries

cdef struct wheel_t:
    uint64_t base                       # the tick of the clock that is this wheel's 0
    uint64_t hand                       # the tick handed out next
    size_t len
    size_t[LEVELS] nlevel               # entries of each level
    int[LEVELS] drained                 # the slot where wheel_drain goes on
    size_t nchunks                      # spare ones included
    size_t nspare
    chunk_t *spare
    chunk_t *slots[LEVELS][SLOTS]


# --- Create and free --------------------------------------------------------------


cdef inline uint64_t _clock_tick(int64_t when_ms) noexcept nogil:
    """Return the first tick of the clock at which a time has passed."""
    if when_ms <= 0:
        return 0
    return (<uint64_t>when_ms + WHEEL_TICK_MS - 1) >> TICK_SHIFT


cdef inline uint64_t _now_tick(int64_t now_ms) noexcept nogil:
    """Return the clock's latest tick."""
    return 0 if now_ms <= 0 else <uint64_t>now_ms >> TICK_SHIFT


cdef void _start(wheel_t *w, uint64_t now) noexcept nogil:
    """Count an empty wheel's ticks from now on."""
    w.base = now
    w.hand = 1


cdef wheel_t *wheel_new(int64_t now_ms) noexcept nogil:
    """Return an empty wheel whose hand is at now."""
    cdef wheel_t *w = <wheel_t *>zcalloc(sizeof(wheel_t))
    _start(w, _now_tick(now_ms))
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


cdef inline chunk_t **_slot(wheel_t *w, int level, uint64_t tick) noexcept nogil:
    return &w.slots[level][(tick >> (LEVEL_BITS * level)) & (SLOTS - 1)]


cdef void _push(wheel_t *w, int level, chunk_t **slot, uint64_t entry) noexcept nogil:
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
    w.nlevel[level] += 1


cdef uint64_t _pop(wheel_t *w, int level, chunk_t **slot) noexcept nogil:
    """Take an entry out of a slot that is not empty."""
    cdef chunk_t *c = slot[0]
    cdef uint64_t entry
    c.used -= 1
    entry = c.entries[c.used]
    w.nlevel[level] -= 1
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
    elif tick > FARTHEST:
        tick = FARTHEST
    differ = tick ^ w.hand
    level = 0 if differ < 0x100 else 1 if differ < 0x10000 else \
        2 if differ < 0x1000000 else 3
    _push(w, level, _slot(w, level, tick), (tick & REST_MASK) << PAYLOAD_BITS | payload)


cdef void wheel_add(wheel_t *w, uint64_t payload, int64_t when_ms) noexcept nogil:
    """Hand payload out once when_ms has passed."""
    cdef uint64_t tick = _clock_tick(when_ms)
    tick = tick - w.base if tick > w.base else 0
    _place(w, payload & PAYLOAD_MASK, tick)
    w.len += 1


# --- Time passes ------------------------------------------------------------------


cdef bint _cascade(wheel_t *w, int level, size_t *budget) noexcept nogil:
    """Move the slot under the hand to lower levels; False: the budget ended."""
    cdef chunk_t **slot = _slot(w, level, w.hand)
    cdef uint64_t entry, tick
    while slot[0] != NULL:
        if budget[0] == 0:
            return False
        budget[0] -= 1
        entry = _pop(w, level, slot)
        tick = entry >> PAYLOAD_BITS
        # the bits above those kept are the hand's own
        tick |= w.hand & ~REST_MASK
        _place(w, entry & PAYLOAD_MASK, tick)
    return True


cdef inline uint64_t _next_event(const wheel_t *w) noexcept nogil:
    """Return the tick from the hand on at which a slot that has entries may begin."""
    cdef int level = 0
    cdef uint64_t below
    while level < LEVELS - 1 and w.nlevel[level] == 0:
        level += 1
    below = (<uint64_t>1 << (LEVEL_BITS * level)) - 1
    return (w.hand + below) & ~below


cdef wheel_state_t wheel_advance(
    wheel_t *w, int64_t now_ms, size_t *budget, wheel_fire_fn fire, void *ctx
) noexcept nogil:
    """Hand out what is due; budget is lowered by the entries that were touched."""
    cdef uint64_t now = _now_tick(now_ms)
    cdef uint64_t target
    cdef chunk_t **slot
    cdef uint64_t entry
    cdef int level
    if w.len == 0:
        _start(w, now)
        return WHEEL_DONE
    if now + CLOCK_BACK_TICKS < w.base + w.hand or now > w.base + HALF_WAY:
        return WHEEL_REBUILD
    if now < w.base:
        return WHEEL_DONE
    target = now - w.base
    while w.hand <= target:
        w.hand = _next_event(w)
        if w.hand > target:
            w.hand = target + 1     # what is added later may be due before the event
            break
        level = LEVELS - 1
        while level > 0:
            if (w.hand & ((<uint64_t>1 << (LEVEL_BITS * level)) - 1)) == 0:
                if not _cascade(w, level, budget):
                    return WHEEL_MORE
            level -= 1
        slot = _slot(w, 0, w.hand)
        while slot[0] != NULL:
            if budget[0] == 0:
                return WHEEL_MORE
            budget[0] -= 1
            entry = _pop(w, 0, slot)
            w.len -= 1
            fire(ctx, entry & PAYLOAD_MASK)
        w.hand += 1
    return WHEEL_DONE


cdef size_t wheel_drain(
    wheel_t *w, size_t n, wheel_fire_fn fn, void *ctx
) noexcept nogil:
    """Take payloads out, the soonest levels first; fn must not add to this wheel."""
    cdef int level
    cdef size_t taken = 0
    cdef chunk_t **slot
    cdef uint64_t entry
    for level in range(LEVELS):
        while w.nlevel[level]:
            slot = &w.slots[level][w.drained[level]]
            while slot[0] != NULL:
                if taken == n:
                    return taken
                entry = _pop(w, level, slot)
                w.len -= 1
                taken += 1
                fn(ctx, entry & PAYLOAD_MASK)
            # goes round, since a cascade may have filled a slot that was passed
            w.drained[level] = (w.drained[level] + 1) & (SLOTS - 1)
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
    return _clock_tick(a_ms) == _clock_tick(b_ms)


cdef void wheel_check(const wheel_t *w) noexcept nogil:
    """Walk every invariant."""
    cdef size_t len = 0, nchunks = 0, nspare = 0, nlevel, i
    cdef const chunk_t *c
    cdef uint64_t low
    cdef int level, n
    for level in range(LEVELS):
        nlevel = 0
        low = (<uint64_t>1 << (LEVEL_BITS * level)) - 1
        for n in range(SLOTS):
            c = w.slots[level][n]
            if c != NULL and level:
                # ahead of the hand, or under it and about to cascade
                i = (w.hand >> (LEVEL_BITS * level)) & (SLOTS - 1)
                fr_assert(<size_t>n > i or (<size_t>n == i and (w.hand & low) == 0))
            while c != NULL:
                fr_assert(0 < c.used <= CHUNK_ENTRIES)
                # only the first chunk of a slot has room
                fr_assert(c == w.slots[level][n] or c.used == CHUNK_ENTRIES)
                for i in range(c.used):
                    if level < LEVELS - 1:
                        fr_assert(((c.entries[i] >> (PAYLOAD_BITS + LEVEL_BITS * level))
                                   & (SLOTS - 1)) == <uint64_t>n)
                nlevel += c.used
                nchunks += 1
                c = c.next
        fr_assert(nlevel == w.nlevel[level])
        len += nlevel
    c = w.spare
    while c != NULL:
        nspare += 1
        c = c.next
    fr_assert(len == w.len)
    fr_assert(nspare == w.nspare and nspare <= SPARE_CHUNKS)
    fr_assert(nchunks + nspare == w.nchunks)
    fr_assert(w.len == 0 or w.hand <= HALF_WAY + 1)
