# SPDX-License-Identifier: BSD-3-Clause
r"""HyperLogLog in a string, byte for byte as Redis keeps it.

An element's 64-bit hash names one of 16384 registers (14 bits); the rest, 50 bits,
ends in some number of zeros, and a register keeps the longest such end that it met,
plus one.
From how many registers hold which value follows about how many distinct elements there
were: 0.81 % standard error, whatever their number.

     0      4       5         8                 16
    +------+-------+---------+-----------------+----------------------------------+
    | HYLL | dense | not     | estimate, 64-bit| registers                        |
    |      | 0/1   | used    | little-endian   |                                  |
    +------+-------+---------+-----------------+----------------------------------+
                              its highest bit: out of date

    dense   16384 registers of 6 bits, the lowest bits first: 12288 bytes
    sparse  instructions, each for a run of registers:
            00xxxxxx             1 to 64 zeros
            01xxxxxx xxxxxxxx    1 to 16384 zeros
            1vvvvvrr             1 to 4 registers with a value of 1 to 32

An empty one is sparse and has one instruction. Raising a register splits the
instruction that covers it in up to three; then neighbours of the same value are joined,
in a window of five instructions, as Redis does: the bytes depend on it. A value over
32, or a string that would be longer than hll-sparse-max-bytes, makes it dense for good.

Strings come from clients: header and length are looked at by hll_is_valid, and the
instructions are followed only as far as the string and the registers go. Redis accepts
the two bytes of many zeros without the second, at the end of the string; here that is
corrupt.

Cost: add O(1) dense, O(length) sparse; merge and count O(16384), eight registers at a
time, or 32 where the processor has AVX2. Threads: main thread only.

Source: Flajolet et al., "HyperLogLog" (2007); Heule et al., "HyperLogLog in Practice"
(2013); estimator of Ertl, arXiv:1702.01284; the format is that of Redis's hyperloglog.
"""
from fastredis.core.blob cimport (
    blob_new,
    blob_release,
    blob_reserve,
    blob_try_new,
)
from fastredis.core.rand cimport rand_next, rand_t
from fastredis.core.status cimport C_ERR, C_OK, debug_assert, fr_assert, fr_unlikely
from fastredis.datatypes.t_string cimport STR_INT_MAX, str_bytes
from fastredis.keyspace.db cimport DB_KEEP_TTL, DB_NO_TTL, db_set_blob
from fastredis.keyspace.obj cimport (
    OBJ_ENC_BLOB,
    OBJ_F_RAW,
    obj_enc,
    obj_pointer,
    obj_set_pointer,
)
from libc.math cimport INFINITY, ceil, llround, sqrt
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcmp, memcpy, memmove, memset

cdef enum:
    HEADER = 16
    ENCODING_AT = 4
    CACHE_AT = 8
    STALE_AT = 15               # the byte of the estimate with the highest bit
    STALE_BIT = 0x80
    INDEX_BITS = 14
    RANK_BITS = 64 - INDEX_BITS
    PACKED_NBYTES = 12288       # 16384 * 6 bits
    DENSE_NBYTES = HEADER + PACKED_NBYTES
    VALUES = 64                 # that six bits can hold; the greatest in use is 51

    ZEROS_LONG = 0x40           # of an instruction's first byte
    VALUE = 0x80
    VALUE_MAX = 32              # that the sparse form can hold
    RUN_MAX = 4                 # registers of one instruction with a value
    ZEROS_MAX = 64              # registers of a short instruction of zeros
    SPLIT_NBYTES = 5            # the most that one becomes: zeros, value, zeros
    JOIN_WINDOW = 5             # instructions looked at after a change

    EMPTY_NBYTES = HEADER + 2
    ROOM_FIRST = 64             # bytes of a new one: about ten elements
    ROOM_MORE = 300             # beyond what is needed, at most

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    /* Eight registers of 6 bits from 6 bytes, one in each byte of the result. */
    static inline uint64_t hll_spread(const uint8_t *p) {
        uint64_t x = 0;
        memcpy(&x, p, 6);
        x = (x & 0x0000000000FFFFFF) | (x & 0x0000FFFFFF000000) << 8;
        x = (x & 0x00000FFF00000FFF) | (x & 0x00FFF00000FFF000) << 4;
        return (x & 0x003F003F003F003F) | (x & 0x0FC00FC00FC00FC0) << 2;
    }
    /* And back. */
    static inline void hll_gather(uint8_t *p, uint64_t x) {
        x = (x & 0x003F003F003F003F) | (x & 0x3F003F003F003F00) >> 2;
        x = (x & 0x00000FFF00000FFF) | (x & 0x0FFF00000FFF0000) >> 4;
        x = (x & 0x0000000000FFFFFF) | (x & 0x00FFFFFF00000000) >> 8;
        memcpy(p, &x, 6);
    }

    /* max[i] = greater of max[i] and register i, for n registers, n a multiple of 8.
       The inner loop is one that compilers turn into vector instructions. */
    static void hll_max_words(uint8_t *restrict max, const uint8_t *dense, int n) {
        for (int i = 0; i < n; i += 8, dense += 6) {
            uint64_t x = hll_spread(dense);
            uint8_t v[8];
            memcpy(v, &x, 8);
            for (int k = 0; k < 8; k++)
                max[i + k] = max[i + k] > v[k] ? max[i + k] : v[k];
        }
    }

    #if defined(__x86_64__) && defined(__GNUC__)
    #include <immintrin.h>
    /* The same, 32 registers (24 bytes) at a time. Both halves of a vector take 12
       bytes and read 16, so the last 32 registers are left to the other function. */
    __attribute__((target("avx2")))
    static void hll_max_avx2(uint8_t *max, const uint8_t *dense, int n) {
        /* three bytes, which are four registers, to the low end of each 32-bit lane */
        const __m256i lanes = _mm256_setr_epi8(
            0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1,
            0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
        int i = 0;
        for (; i + 32 < n; i += 32, dense += 24) {
            __m256i x = _mm256_inserti128_si256(
                _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)dense)),
                _mm_loadu_si128((const __m128i *)(dense + 12)), 1);
            x = _mm256_shuffle_epi8(x, lanes);
            __m256i r = _mm256_and_si256(x, _mm256_set1_epi32(0x3F));
            r = _mm256_or_si256(r, _mm256_slli_epi32(
                _mm256_and_si256(x, _mm256_set1_epi32(0x3F << 6)), 2));
            r = _mm256_or_si256(r, _mm256_slli_epi32(
                _mm256_and_si256(x, _mm256_set1_epi32(0x3F << 12)), 4));
            r = _mm256_or_si256(r, _mm256_slli_epi32(
                _mm256_and_si256(x, _mm256_set1_epi32(0x3F << 18)), 6));
            __m256i *m = (__m256i *)(max + i);
            _mm256_storeu_si256(m, _mm256_max_epu8(_mm256_loadu_si256(m), r));
        }
        hll_max_words(max + i, dense, n - i);
    }
    static inline int hll_cpu_has_avx2(void) { return __builtin_cpu_supports("avx2"); }
    #else
    #define hll_max_avx2 hll_max_words
    static inline int hll_cpu_has_avx2(void) { return 0; }
    #endif
    """
    void hll_gather(uint8_t *p, uint64_t x) noexcept nogil
    void hll_max_words(uint8_t *max, const uint8_t *dense, int n) noexcept nogil
    void hll_max_avx2(uint8_t *max, const uint8_t *dense, int n) noexcept nogil
    bint hll_cpu_has_avx2() noexcept nogil
    int ctz64 "__builtin_ctzll"(uint64_t x) noexcept nogil


# --- Hash of an element -----------------------------------------------------------


cdef uint64_t _hash(const char *s, size_t nbytes) noexcept nogil:
    """MurmurHash64A (Appleby, public domain) with the seed that Redis gives it."""
    cdef uint64_t m = 0xC6A4A7935BD1E995u
    cdef uint64_t h = <uint64_t>0xADC83B19u ^ (nbytes * m)
    cdef uint64_t k
    while nbytes >= 8:
        memcpy(&k, s, 8)
        k *= m
        k ^= k >> 47
        h = (h ^ (k * m)) * m
        s += 8
        nbytes -= 8
    if nbytes:
        k = 0
        memcpy(&k, s, nbytes)
        h = (h ^ k) * m
    h = (h ^ (h >> 47)) * m
    return h ^ (h >> 47)


cdef inline int _rank(const char *s, size_t nbytes, int *index_out) noexcept nogil:
    """Return what an element makes of its register, 1 to 51."""
    cdef uint64_t h = _hash(s, nbytes)
    index_out[0] = <int>(h & (HLL_REGISTERS - 1))
    return 1 + ctz64(h >> INDEX_BITS | <uint64_t>1 << RANK_BITS)


# --- Dense form -------------------------------------------------------------------


cdef inline int _dense_get(const uint8_t *dense, int index) noexcept nogil:
    cdef const uint8_t *p = dense + (index * 6 >> 3)
    cdef int shift = index * 6 & 7
    if shift <= 2:          # within one byte; so is the last register
        return p[0] >> shift & 63
    return (p[0] >> shift | p[1] << (8 - shift)) & 63


cdef inline void _dense_set(uint8_t *dense, int index, int value) noexcept nogil:
    cdef uint8_t *p = dense + (index * 6 >> 3)
    cdef int shift = index * 6 & 7
    p[0] = <uint8_t>((p[0] & ~(63 << shift)) | value << shift)
    if shift > 2:
        p[1] = <uint8_t>((p[1] & ~(63 >> (8 - shift))) | value >> (8 - shift))


cdef inline int _dense_raise(uint8_t *dense, int index, int value) noexcept nogil:
    """Return 1 if the register was less."""
    if _dense_get(dense, index) >= value:
        return 0
    _dense_set(dense, index, value)
    return 1


cdef void _dense_pack(uint8_t *dense, const uint8_t *registers) noexcept nogil:
    """Write all registers."""
    cdef uint64_t x
    cdef int i
    for i in range(HLL_REGISTERS // 8):
        memcpy(&x, registers + 8 * i, 8)
        hll_gather(dense + 6 * i, x)


cdef inline void _dense_merge(
    uint8_t *registers, const uint8_t *dense, bint is_simd
) noexcept nogil:
    if is_simd and hll_cpu_has_avx2():
        hll_max_avx2(registers, dense, HLL_REGISTERS)
    else:
        hll_max_words(registers, dense, HLL_REGISTERS)


cdef bint hll_has_simd() noexcept nogil:
    return hll_cpu_has_avx2()


# --- Sparse form: one instruction -------------------------------------------------


cdef inline bint _op_read(
    const uint8_t *p, const uint8_t *end, hll_op_t *op_out
) noexcept nogil:
    """Read the instruction at p, which is before end; False: end cuts it off."""
    cdef int b = p[0]
    if b & VALUE:
        op_out.value = (b >> 2 & 31) + 1
        op_out.run = (b & 3) + 1
        op_out.nbytes = 1
        return True
    op_out.value = 0
    op_out.run = (b & 63) + 1
    op_out.nbytes = 1
    if b & ZEROS_LONG:
        if end - p < 2:
            return False
        op_out.run = ((b & 63) << 8 | p[1]) + 1
        op_out.nbytes = 2
    return True


cdef inline uint8_t *_op_write(uint8_t *p, int value, int run) noexcept nogil:
    """Write the instruction for a run, none if it is empty; return its end."""
    if run == 0:
        return p
    if value:
        p[0] = <uint8_t>(VALUE | (value - 1) << 2 | (run - 1))
        return p + 1
    if run <= ZEROS_MAX:
        p[0] = <uint8_t>(run - 1)
        return p + 1
    p[0] = <uint8_t>(ZEROS_LONG | (run - 1) >> 8)
    p[1] = <uint8_t>((run - 1) & 255)
    return p + 2


cdef int hll_next(
    const char *s, size_t nbytes, size_t *pos, hll_op_t *op_out
) noexcept nogil:
    """Read an instruction; *pos is at first 0."""
    cdef size_t at = pos[0] + HEADER
    if at >= nbytes:
        return 0
    if not _op_read(<const uint8_t *>s + at, <const uint8_t *>s + nbytes, op_out):
        return HLL_CORRUPT
    pos[0] += op_out.nbytes
    return 1


cdef status_t _sparse_merge(
    uint8_t *registers, const uint8_t *p, const uint8_t *end
) noexcept nogil:
    """Raise registers to the runs of a string's instructions."""
    cdef hll_op_t op
    cdef int i = 0, k
    while p < end:
        if not _op_read(p, end, &op) or op.run > HLL_REGISTERS - i:
            return C_ERR
        if op.value:
            for k in range(i, i + op.run):
                if registers[k] < op.value:
                    registers[k] = <uint8_t>op.value
        i += op.run
        p += op.nbytes
    return C_OK if i == HLL_REGISTERS else C_ERR


# --- Read -------------------------------------------------------------------------


cdef bint hll_is_valid(const char *s, size_t nbytes) noexcept nogil:
    """Return whether the header is right; the rest may be corrupt."""
    if nbytes < HEADER or memcmp(s, b"HYLL", 4) != 0:
        return False
    if s[ENCODING_AT] == HLL_DENSE:
        return nbytes == DENSE_NBYTES
    return s[ENCODING_AT] == HLL_SPARSE


cdef int hll_encoding(const char *s) noexcept nogil:
    return s[ENCODING_AT]


cdef status_t hll_merge(
    uint8_t *registers, const char *s, size_t nbytes, bint is_simd
) noexcept nogil:
    """Raise registers to those of a string."""
    cdef const uint8_t *p = <const uint8_t *>s + HEADER
    if hll_encoding(s) == HLL_DENSE:
        _dense_merge(registers, p, is_simd)
        return C_OK
    return _sparse_merge(registers, p, <const uint8_t *>s + nbytes)


cdef void _histogram(const uint8_t *registers, uint32_t *counts) noexcept nogil:
    """Count the registers that hold each value.

    In four tables in turn: two neighbours with the same value would otherwise wait
    for each other.
    """
    cdef uint32_t[4 * VALUES] part
    cdef int i
    memset(part, 0, sizeof(part))
    for i in range(0, HLL_REGISTERS, 4):
        part[(registers[i] & 63)] += 1
        part[VALUES + (registers[i + 1] & 63)] += 1
        part[2 * VALUES + (registers[i + 2] & 63)] += 1
        part[3 * VALUES + (registers[i + 3] & 63)] += 1
    for i in range(VALUES):
        counts[i] = part[i] + part[VALUES + i]
        counts[i] += part[2 * VALUES + i] + part[3 * VALUES + i]


cdef double _sigma(double x) noexcept nogil:
    """Ertl's sigma: what the registers that are still zero contribute."""
    cdef double before, factor = 1, sum = x
    if x == 1:
        return INFINITY
    while True:
        x *= x
        before = sum
        sum += x * factor
        factor += factor
        if sum == before:
            return sum


cdef double _tau(double x) noexcept nogil:
    """Ertl's tau: what the registers that can rise no more contribute."""
    cdef double before, factor = 1, sum = 1 - x
    if x == 0 or x == 1:
        return 0
    while True:
        x = sqrt(x)
        before = sum
        factor *= 0.5
        sum -= (1 - x) * (1 - x) * factor
        if sum == before:
            return sum / 3


cdef uint64_t _estimate(const uint32_t *counts) noexcept nogil:
    """Return how many elements give so many registers of each value.

    The order of the operations is Redis's, so that the last digit is, too.
    """
    cdef double m = HLL_REGISTERS
    cdef double half_per_ln2 = 0.721347520444481703680
    cdef double z = m * _tau((m - <int>counts[RANK_BITS + 1]) / m)
    cdef int value
    for value in range(RANK_BITS, 0, -1):
        z = (z + <int>counts[value]) * 0.5
    z += m * _sigma(<int>counts[0] / m)
    return <uint64_t>llround(half_per_ln2 * m * m / z)


cdef uint64_t hll_count(const uint8_t *registers) noexcept nogil:
    """Return about how many distinct elements the registers have met."""
    cdef uint32_t[VALUES] counts
    _histogram(registers, counts)
    return _estimate(counts)


cdef status_t hll_count_one(
    const char *s, size_t nbytes, bint is_simd, uint64_t *count_out
) noexcept nogil:
    """Estimate for one string; a sparse one is not unpacked."""
    cdef uint8_t[HLL_REGISTERS] registers
    cdef uint32_t[VALUES] counts
    cdef const uint8_t *p = <const uint8_t *>s + HEADER
    cdef const uint8_t *end = <const uint8_t *>s + nbytes
    cdef hll_op_t op
    cdef int i = 0
    if hll_encoding(s) == HLL_DENSE:
        memset(registers, 0, HLL_REGISTERS)
        _dense_merge(registers, p, is_simd)
        count_out[0] = hll_count(registers)
        return C_OK
    memset(counts, 0, sizeof(counts))
    while p < end:
        if not _op_read(p, end, &op) or op.run > HLL_REGISTERS - i:
            return C_ERR
        counts[op.value] += op.run
        i += op.run
        p += op.nbytes
    if i != HLL_REGISTERS:
        return C_ERR
    count_out[0] = _estimate(counts)
    return C_OK


cdef bint hll_cached(const char *s, uint64_t *count_out) noexcept nogil:
    """Return whether the header's estimate is of the registers as they are."""
    memcpy(count_out, s + CACHE_AT, 8)
    return (<uint8_t>s[STALE_AT] & STALE_BIT) == 0


# --- Change: a blob ---------------------------------------------------------------


cdef inline uint8_t *_registers(blob_t *b) noexcept nogil:
    return <uint8_t *>b.data + HEADER


cdef inline void _set_stale(blob_t *b) noexcept nogil:
    """Say that the header's estimate is out of date."""
    b.data[STALE_AT] = <char>(<uint8_t>b.data[STALE_AT] | STALE_BIT)


cdef blob_t *_new_empty() noexcept nogil:
    """Return an empty HyperLogLog, sparse."""
    cdef blob_t *b = blob_new(ROOM_FIRST)
    memset(b.data, 0, HEADER)
    memcpy(b.data, b"HYLL", 4)
    b.data[ENCODING_AT] = HLL_SPARSE
    _op_write(_registers(b), 0, HLL_REGISTERS)
    b.len = EMPTY_NBYTES
    return b


cdef status_t _blob_to_dense(blob_t **b) noexcept nogil:
    """Make it dense; fails (unchanged) if it is corrupt. The header's rest stays."""
    cdef uint8_t[HLL_REGISTERS] registers
    cdef uint8_t *end = <uint8_t *>b[0].data + b[0].len
    if hll_encoding(b[0].data) == HLL_DENSE:
        return C_OK
    memset(registers, 0, HLL_REGISTERS)
    if _sparse_merge(registers, _registers(b[0]), end) != C_OK:
        return C_ERR
    b[0] = blob_reserve(b[0], DENSE_NBYTES)
    _dense_pack(_registers(b[0]), registers)
    b[0].data[ENCODING_AT] = HLL_DENSE
    b[0].len = DENSE_NBYTES
    return C_OK


cdef int _promote(blob_t **b, int index, int value) noexcept nogil:
    """Make it dense, then raise a register."""
    if _blob_to_dense(b) != C_OK:
        return HLL_CORRUPT
    return _dense_raise(_registers(b[0]), index, value)


cdef void _join(blob_t *b, size_t at) noexcept nogil:
    """Join equal neighbours among the instructions from at on."""
    cdef uint8_t *p = <uint8_t *>b.data + at
    cdef uint8_t *end = <uint8_t *>b.data + b.len
    cdef int left = JOIN_WINDOW, run
    cdef hll_op_t op
    while p < end and left > 0:
        left -= 1
        if not _op_read(p, end, &op):
            return
        # the same value: the bytes are the same but for the run
        if op.value and p + 1 < end and p[1] >> 2 == p[0] >> 2:
            run = op.run + (p[1] & 3) + 1
            if run <= RUN_MAX:
                _op_write(p, op.value, run)
                memmove(p + 1, p + 2, end - p - 2)
                end -= 1
                b.len -= 1
                continue
        p += op.nbytes


cdef int _sparse_raise(
    blob_t **b, int index, int value, size_t max_bytes
) noexcept nogil:
    """Raise a register; 1: it was less. May move *b, and make it dense."""
    cdef uint8_t[SPLIT_NBYTES + 1] parts
    cdef uint8_t *start = <uint8_t *>b[0].data
    cdef uint8_t *end = start + b[0].len
    cdef uint8_t *p = start + HEADER
    cdef uint8_t *before = p        # the instruction before p, or p
    cdef uint8_t *q
    cdef size_t at, join_at, total
    cdef int64_t first = 0          # the register where p's run starts
    cdef int nbytes, left
    cdef hll_op_t op
    if fr_unlikely(value > VALUE_MAX):
        return _promote(b, index, value)
    while True:
        if fr_unlikely(p >= end or not _op_read(p, end, &op)):
            return HLL_CORRUPT
        if index < first + op.run:
            break
        before = p
        p += op.nbytes
        first += op.run
    if op.value >= value:
        return 0
    left = <int>(index - first)
    q = _op_write(parts, op.value, left)
    q = _op_write(q, value, 1)
    q = _op_write(q, op.value, op.run - left - 1)
    nbytes = <int>(q - parts)
    debug_assert(nbytes <= SPLIT_NBYTES)
    total = b[0].len + nbytes - op.nbytes
    if nbytes > op.nbytes and total > max_bytes:
        return _promote(b, index, value)
    at = p - start
    join_at = before - start
    if total > b[0].cap:
        total += total if total < ROOM_MORE else ROOM_MORE
        b[0] = blob_reserve(b[0], total if total < max_bytes else max_bytes)
    start = <uint8_t *>b[0].data
    memmove(start + at + nbytes, start + at + op.nbytes, b[0].len - at - op.nbytes)
    memcpy(start + at, parts, nbytes)
    b[0].len += nbytes - op.nbytes
    _join(b[0], join_at)
    _set_stale(b[0])
    return 1


cdef int _raise(blob_t **b, int index, int value, size_t max_bytes) noexcept nogil:
    """Raise a register; 1: it was less. A dense one's cache is the caller's to mark."""
    if hll_encoding(b[0].data) == HLL_DENSE:
        return _dense_raise(_registers(b[0]), index, value)
    return _sparse_raise(b, index, value, max_bytes)


cdef status_t _raise_all(
    blob_t **b, const uint8_t *registers, bint is_dense, size_t max_bytes
) noexcept nogil:
    """Raise all registers to these, none of which is less."""
    cdef int i = 0
    if is_dense and _blob_to_dense(b) != C_OK:
        return C_ERR
    while i < HLL_REGISTERS and hll_encoding(b[0].data) != HLL_DENSE:
        if registers[i]:
            if _sparse_raise(b, i, registers[i], max_bytes) == HLL_CORRUPT:
                return C_ERR
        i += 1
    if hll_encoding(b[0].data) == HLL_DENSE:
        _dense_pack(_registers(b[0]), registers)
    return C_OK


# --- Change: a key's value --------------------------------------------------------


cdef inline void _put_back(hll_t *h, blob_t *b) noexcept nogil:
    """Tell the key where its blob is now."""
    if b != h.b:
        obj_set_pointer(h.o, b)
        h.b = b


cdef status_t hll_open(
    db_t *db, const dbkey_t *key, obj_t *o, hll_t *h_out
) noexcept nogil:
    """Have a blob that is only the key's; its string is copied if it is not."""
    cdef char[STR_INT_MAX] digits
    cdef const char *bytes
    cdef size_t nbytes
    cdef blob_t *b
    if o == NULL:
        b = _new_empty()
        _set_stale(b)               # although 0 is right: as Redis does
        h_out.o = db_set_blob(db, key, b, DB_NO_TTL)
        h_out.b = b
        return C_OK
    if obj_enc(o) == OBJ_ENC_BLOB:
        b = <blob_t *>obj_pointer(o)
        if b.refs == 1:
            o.flags |= OBJ_F_RAW
            h_out.o = o
            h_out.b = b
            return C_OK
    bytes = str_bytes(o, digits, &nbytes)
    b = blob_try_new(nbytes)
    if b == NULL:
        return C_ERR
    memcpy(b.data, bytes, nbytes)
    b.len = nbytes
    if obj_enc(o) == OBJ_ENC_BLOB:
        # a pending reply owns the other one, too
        blob_release(<blob_t *>obj_pointer(o))
        obj_set_pointer(o, b)
        o.flags |= OBJ_F_RAW
        h_out.o = o
    else:
        h_out.o = db_set_blob(db, key, b, DB_KEEP_TTL)
    h_out.b = b
    return C_OK


cdef int hll_add(
    hll_t *h, const char *element, size_t nbytes, size_t max_bytes
) noexcept nogil:
    """Add an element."""
    cdef blob_t *b = h.b
    cdef int index, changed
    cdef int value = _rank(element, nbytes, &index)
    changed = _raise(&b, index, value, max_bytes)
    _put_back(h, b)
    if changed == 1:
        _set_stale(b)
    return changed


cdef status_t hll_raise(
    hll_t *h, const uint8_t *registers, bint is_dense, size_t max_bytes
) noexcept nogil:
    """Raise registers, as adding elements would; fails if the string is corrupt."""
    cdef blob_t *b = h.b
    cdef status_t status = _raise_all(&b, registers, is_dense, max_bytes)
    _put_back(h, b)
    _set_stale(b)
    return status


cdef status_t hll_to_dense(hll_t *h) noexcept nogil:
    """Make it dense; fails (unchanged) if it is corrupt."""
    cdef blob_t *b = h.b
    cdef status_t status = _blob_to_dense(&b)
    _put_back(h, b)
    return status


cdef void hll_set_cached(hll_t *h, uint64_t count) noexcept nogil:
    """Keep an estimate, less than 2 ** 63, in the header."""
    memcpy(h.b.data + CACHE_AT, &count, 8)


# --- Test -------------------------------------------------------------------------


cdef const char *_test_registers(rand_t *random) noexcept nogil:
    """Set random registers; each has to keep its value, by every way to read it."""
    cdef uint8_t[HLL_REGISTERS] values, read
    cdef uint8_t[PACKED_NBYTES] dense, packed
    cdef int _cycle, i
    memset(dense, 0, PACKED_NBYTES)
    for _cycle in range(1000):
        for i in range(HLL_REGISTERS):
            values[i] = <uint8_t>(rand_next(random) & 63)
            _dense_set(dense, i, values[i])
        for i in range(HLL_REGISTERS):
            if _dense_get(dense, i) != values[i]:
                return b"ERR TESTFAILED A register lost its value"
        _dense_pack(packed, values)
        if memcmp(packed, dense, PACKED_NBYTES) != 0:
            return b"ERR TESTFAILED Packed registers differ from registers set"
        for i in range(2):
            memset(read, 0, HLL_REGISTERS)
            _dense_merge(read, dense, i)
            if memcmp(read, values, HLL_REGISTERS) != 0:
                return b"ERR TESTFAILED Merging into zeros gives other registers"
    return NULL


cdef const char *_test_counts(
    blob_t **dense, blob_t **sparse, uint64_t seed, size_t max_bytes
) noexcept nogil:
    """Add ten million elements to a dense and an, at first, sparse one."""
    cdef uint64_t element, count, other
    cdef int64_t n, error, most, checkpoint = 1
    cdef int index, value
    for n in range(1, 10_000_001):
        element = <uint64_t>n ^ seed
        value = _rank(<const char *>&element, 8, &index)
        _raise(dense, index, value, 0)
        _raise(sparse, index, value, max_bytes)
        if n != checkpoint:
            continue
        if <uint64_t>n < max_bytes / 2 and hll_encoding(sparse[0].data) != HLL_SPARSE:
            return b"ERR TESTFAILED Dense although it is small"
        if hll_count_one(dense[0].data, dense[0].len, True, &count) != C_OK:
            return b"ERR TESTFAILED The dense form is corrupt"
        if hll_count_one(sparse[0].data, sparse[0].len, False, &other) != C_OK:
            return b"ERR TESTFAILED The sparse form is corrupt"
        if count != other:
            return b"ERR TESTFAILED Dense and sparse form disagree"
        # six standard errors; two of ten elements may well share a register
        most = 1 if n == 10 else <int64_t>ceil(1.04 / sqrt(HLL_REGISTERS) * 6 * n)
        error = n - <int64_t>count
        if error > most or error < -most:
            return b"ERR TESTFAILED The estimate is too far off"
        checkpoint *= 10
    return NULL


cdef const char *hll_selftest(rand_t *random, size_t max_bytes) noexcept nogil:
    """Test registers and estimates with random data; takes about a second."""
    cdef const char *wrong = _test_registers(random)
    cdef blob_t *dense
    cdef blob_t *sparse
    if wrong != NULL:
        return wrong
    dense = _new_empty()
    sparse = _new_empty()
    fr_assert(_blob_to_dense(&dense) == C_OK)
    wrong = _test_counts(&dense, &sparse, rand_next(random), max_bytes)
    blob_release(dense)
    blob_release(sparse)
    return wrong
