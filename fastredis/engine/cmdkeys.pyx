# SPDX-License-Identifier: BSD-3-Clause
r"""Which arguments of a request are keys, as its declaration says.

    first_key .. last_key     GET key, MGET key [key ...]
    count_at                  SINTERCARD numkeys key [key ...]
    key_word                  XREAD ... STREAMS key [key ...] id [id ...]

Every command that reads finds all its keys in one of these ways. Of those that write,
some have more keys (ZUNIONSTORE: a key, and counted ones): they are not asked here.

Cost: O(1); with a key_word O(arguments before it).
"""
from fastredis.core.num cimport num_parse_i64
from fastredis.core.status cimport C_OK
from libc.stdint cimport int64_t
from libc.string cimport strlen


cdef bint _is_word(const slice_t *a, const char *word) noexcept nogil:
    """Compare an argument with a word of lower-case letters."""
    cdef size_t i
    if a.len != strlen(word):
        return False
    for i in range(a.len):
        if (a.ptr[i] | 32) != word[i]:
            return False
    return True


cdef key_places_t cmd_keys(
    const cmd_t *cmd, const slice_t *argv, int argc
) noexcept nogil:
    """Return the keys of a request."""
    cdef key_places_t places
    cdef int last, i
    cdef int64_t n = 0
    places.first = cmd.first_key
    places.step = cmd.key_step
    places.n = 0
    if cmd.first_key:
        last = cmd.last_key if cmd.last_key >= 0 else argc + cmd.last_key
        if last >= argc:
            last = argc - 1
        if last >= cmd.first_key:
            places.n = (last - cmd.first_key) // cmd.key_step + 1
    elif cmd.count_at:
        places.first = cmd.count_at + 1
        places.step = cmd.count_step
        if cmd.count_at < argc and num_parse_i64(
                argv[cmd.count_at].ptr, argv[cmd.count_at].len, &n) == C_OK \
                and 0 < n <= (argc - places.first) // places.step:
            places.n = <int>n
    elif cmd.key_word[0]:
        places.step = 1
        for i in range(1, argc):
            if _is_word(argv + i, cmd.key_word):
                places.first = i + 1
                places.n = (argc - places.first) // 2
                break
    return places
