# SPDX-License-Identifier: BSD-3-Clause
r"""Numbers to and from text, to the letter as Redis reads and prints them.

How a double becomes text (Grisu2: integer arithmetic alone, no big numbers)

    lower          value          upper       the reals that read back as value
    --|--------------|--------------|--
              digits are cut off upper until what remains would leave the
              interval, then the last digit steps down towards value

The text is nearly always the shortest. In about 0.4 % of the doubles of all
magnitudes it has a digit too many, or ends in a neighbour of the best digit (1e23 is
99999999999999990000000). Redis and Valkey print these too, and a replica or a test
that compares replies sees every digit, so nothing is corrected here.

How text becomes a double: up to 19 digits are gathered in an integer. Where it and
the power of ten are both exact doubles, one multiplication or division rounds
correctly (Clinger's fast path). All else goes to strtod in the C locale; text longer
than TEXT_MAX is first cut to the digits that can decide the rounding.

Invariants: an output is written only on success; no function reads s[nbytes].
Cost: integers a few ns; doubles tens of ns; O(n) in the text.  Threads: any.
Source: Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with
Integers", 2010; Clinger, "How to Read Floating Point Numbers Accurately", 1990;
choice of notation and limits compared with redis-server 7.0 and valkey-server 9.1.
"""
from libc.stdint cimport INT64_MAX, UINT64_MAX, int64_t, uint32_t, uint64_t
from libc.math cimport INFINITY
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memmove, memset

from fastredis.core.status cimport C_ERR, C_OK, status_t


cdef enum:
    U64_SAFE_DIGITS = 19  # any 19 digits fit in 64 bits
    TEXT_MAX = 1024  # longer text of a double is condensed before strtod
    # A double needs 767 digits at most to decide its rounding, and one more that
    # says whether anything but zeros follows.
    DIGITS_MAX = 800
    LD_TEXT_MAX = 5119  # Redis refuses longer text of a long double
    LD_DECIMALS = 17  # of the human format

cdef extern from *:
    """
    #include <errno.h>
    #include <float.h>
    #include <locale.h>
    #include <math.h>
    #include <stdlib.h>
    #if defined(__APPLE__) || defined(__FreeBSD__)
    #include <xlocale.h>
    #endif
    #ifndef __SIZEOF_INT128__
    #error "fastredis needs a compiler with 128-bit integers"
    #endif

    typedef unsigned __int128 num_u128;

    /* Beyond any exponent that the length of a text can offset. */
    #define NUM_EXP_LIMIT ((int64_t)1 << 40)

    /* Excess precision would round twice; the fast paths are then left out. */
    #define NUM_EXACT_ARITHMETIC (FLT_EVAL_METHOD == 0)
    #define NUM_LD_FITS_64 (LDBL_MANT_DIG <= 64)

    static const char NUM_PAIRS[201] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
        "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
        "8081828384858687888990919293949596979899";

    static const double NUM_POW10[23] = {
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13,
        1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

    /* 10^27 < 2^63 * 2^27, hence exact with a significand of 64 bits. */
    static const long double NUM_LD_POW10[28] = {
        1e0L, 1e1L, 1e2L, 1e3L, 1e4L, 1e5L, 1e6L, 1e7L, 1e8L, 1e9L, 1e10L, 1e11L,
        1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L, 1e21L, 1e22L,
        1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
    #define NUM_LD_POW10_MAX (LDBL_MANT_DIG >= 64 ? 27 : 22)
    #define NUM_LD_MANTISSA_MAX (LDBL_MANT_DIG >= 64 ? UINT64_MAX : 1ULL << 53)

    static const uint64_t NUM_U64_POW10[20] = {
        1ULL, 10ULL, 100ULL, 1000ULL, 10000ULL, 100000ULL, 1000000ULL, 10000000ULL,
        100000000ULL, 1000000000ULL, 10000000000ULL, 100000000000ULL,
        1000000000000ULL, 10000000000000ULL, 100000000000000ULL,
        1000000000000000ULL, 10000000000000000ULL, 100000000000000000ULL,
        1000000000000000000ULL, 10000000000000000000ULL};

    /* 10^k for k = -348, -340, ... 340 as 64-bit significands, rounded to nearest. */
    static const uint64_t NUM_GRISU_POW10[87] = {
        0xfa8fd5a0081c0288ULL, 0xbaaee17fa23ebf76ULL, 0x8b16fb203055ac76ULL,
        0xcf42894a5dce35eaULL, 0x9a6bb0aa55653b2dULL, 0xe61acf033d1a45dfULL,
        0xab70fe17c79ac6caULL, 0xff77b1fcbebcdc4fULL, 0xbe5691ef416bd60cULL,
        0x8dd01fad907ffc3cULL, 0xd3515c2831559a83ULL, 0x9d71ac8fada6c9b5ULL,
        0xea9c227723ee8bcbULL, 0xaecc49914078536dULL, 0x823c12795db6ce57ULL,
        0xc21094364dfb5637ULL, 0x9096ea6f3848984fULL, 0xd77485cb25823ac7ULL,
        0xa086cfcd97bf97f4ULL, 0xef340a98172aace5ULL, 0xb23867fb2a35b28eULL,
        0x84c8d4dfd2c63f3bULL, 0xc5dd44271ad3cdbaULL, 0x936b9fcebb25c996ULL,
        0xdbac6c247d62a584ULL, 0xa3ab66580d5fdaf6ULL, 0xf3e2f893dec3f126ULL,
        0xb5b5ada8aaff80b8ULL, 0x87625f056c7c4a8bULL, 0xc9bcff6034c13053ULL,
        0x964e858c91ba2655ULL, 0xdff9772470297ebdULL, 0xa6dfbd9fb8e5b88fULL,
        0xf8a95fcf88747d94ULL, 0xb94470938fa89bcfULL, 0x8a08f0f8bf0f156bULL,
        0xcdb02555653131b6ULL, 0x993fe2c6d07b7facULL, 0xe45c10c42a2b3b06ULL,
        0xaa242499697392d3ULL, 0xfd87b5f28300ca0eULL, 0xbce5086492111aebULL,
        0x8cbccc096f5088ccULL, 0xd1b71758e219652cULL, 0x9c40000000000000ULL,
        0xe8d4a51000000000ULL, 0xad78ebc5ac620000ULL, 0x813f3978f8940984ULL,
        0xc097ce7bc90715b3ULL, 0x8f7e32ce7bea5c70ULL, 0xd5d238a4abe98068ULL,
        0x9f4f2726179a2245ULL, 0xed63a231d4c4fb27ULL, 0xb0de65388cc8ada8ULL,
        0x83c7088e1aab65dbULL, 0xc45d1df942711d9aULL, 0x924d692ca61be758ULL,
        0xda01ee641a708deaULL, 0xa26da3999aef774aULL, 0xf209787bb47d6b85ULL,
        0xb454e4a179dd1877ULL, 0x865b86925b9bc5c2ULL, 0xc83553c5c8965d3dULL,
        0x952ab45cfa97a0b3ULL, 0xde469fbd99a05fe3ULL, 0xa59bc234db398c25ULL,
        0xf6c69a72a3989f5cULL, 0xb7dcbf5354e9beceULL, 0x88fcf317f22241e2ULL,
        0xcc20ce9bd35c78a5ULL, 0x98165af37b2153dfULL, 0xe2a0b5dc971f303aULL,
        0xa8d9d1535ce3b396ULL, 0xfb9b7cd9a4a7443cULL, 0xbb764c4ca7a44410ULL,
        0x8bab8eefb6409c1aULL, 0xd01fef10a657842cULL, 0x9b10a4e5e9913129ULL,
        0xe7109bfba19c0c9dULL, 0xac2820d9623bf429ULL, 0x80444b5e7aa7cf85ULL,
        0xbf21e44003acdd2dULL, 0x8e679c2f5e44ff8fULL, 0xd433179d9c8cb841ULL,
        0x9e19db92b4e31ba9ULL, 0xeb96bf6ebadf77d9ULL, 0xaf87023b9bf0ee6bULL,
    };

    static locale_t num_c_locale(void) {
        return newlocale(LC_ALL_MASK, "C", (locale_t)0);
    }

    /* Read all of s, of n bytes and a NUL. 0 on garbage, on overflow, and where a
       number other than zero becomes zero; a subnormal that loses bits is taken. */
    #define NUM_DEFINE_READ(name, type, read)                                     \
        static int name(const char *s, size_t n, locale_t locale, type *out) {    \
            char *end;                                                            \
            type value;                                                           \
            errno = 0;                                                            \
            value = read(s, &end, locale);                                        \
            if (end != s + n || isinf(value) || isnan(value)) return 0;           \
            if (value == 0 && errno == ERANGE) return 0;                          \
            *out = value;                                                         \
            return 1;                                                             \
        }
    NUM_DEFINE_READ(num_read_double, double, strtod_l)
    NUM_DEFINE_READ(num_read_ld, long double, strtold_l)
    """
    ctypedef unsigned long long uint128_t "num_u128"
    ctypedef void *locale_t
    int64_t NUM_EXP_LIMIT
    bint NUM_EXACT_ARITHMETIC
    bint NUM_LD_FITS_64
    int NUM_LD_POW10_MAX
    uint64_t NUM_LD_MANTISSA_MAX
    const char *NUM_PAIRS
    const double *NUM_POW10
    const ld_t *NUM_LD_POW10
    const uint64_t *NUM_U64_POW10
    const uint64_t *NUM_GRISU_POW10
    int __builtin_clzll(unsigned long long value) noexcept nogil
    locale_t num_c_locale() noexcept nogil
    bint num_read_double(
        const char *s, size_t n, locale_t locale, double *out) noexcept nogil
    bint num_read_ld(
        const char *s, size_t n, locale_t locale, ld_t *out) noexcept nogil
    ld_t frexpl(ld_t value, int *exponent) noexcept nogil
    ld_t ldexpl(ld_t value, int exponent) noexcept nogil
    ld_t fabsl(ld_t value) noexcept nogil
    bint isinf(ld_t value) noexcept nogil
    bint isnan(ld_t value) noexcept nogil
    bint signbit(ld_t value) noexcept nogil

# Resolved once, while the import lock is held; read-only from then on.
cdef locale_t C_LOCALE = num_c_locale()
if C_LOCALE == NULL:
    raise MemoryError("cannot create the C locale")


# --- Integers from text ------------------------------------------------------

cdef status_t _parse_magnitude(
    const char *s, size_t nbytes, uint64_t *value_out
) noexcept nogil:
    """Read digits without a leading zero; C_ERR past UINT64_MAX."""
    cdef size_t i
    cdef size_t nsafe = nbytes
    cdef uint64_t value
    cdef uint32_t digit = <uint32_t><unsigned char>s[0] - c"0" if nbytes else 10

    if digit > 9 or nbytes > NUM_U64_MAX_CHARS or (digit == 0 and nbytes > 1):
        return C_ERR
    if nsafe > U64_SAFE_DIGITS:
        nsafe = U64_SAFE_DIGITS
    value = digit
    for i in range(1, nsafe):
        digit = <uint32_t><unsigned char>s[i] - c"0"
        if digit > 9:
            return C_ERR
        value = value * 10 + digit
    if nsafe < nbytes:
        digit = <uint32_t><unsigned char>s[nsafe] - c"0"
        if digit > 9 or value > (UINT64_MAX - digit) // 10:
            return C_ERR
        value = value * 10 + digit
    value_out[0] = value
    return C_OK


cdef status_t num_parse_i64(
    const char *s, size_t nbytes, int64_t *value_out
) noexcept nogil:
    cdef uint64_t magnitude

    if nbytes and s[0] == c"-":
        # also refuses "-0", which is not how any integer prints
        if _parse_magnitude(s + 1, nbytes - 1, &magnitude) != C_OK or magnitude == 0:
            return C_ERR
        if magnitude > <uint64_t>INT64_MAX + 1:
            return C_ERR
        value_out[0] = <int64_t>(0 - magnitude)
        return C_OK
    if _parse_magnitude(s, nbytes, &magnitude) != C_OK:
        return C_ERR
    if magnitude > <uint64_t>INT64_MAX:
        return C_ERR
    value_out[0] = <int64_t>magnitude
    return C_OK


cdef status_t num_parse_u64(
    const char *s, size_t nbytes, uint64_t *value_out
) noexcept nogil:
    return _parse_magnitude(s, nbytes, value_out)


# --- Integers to text --------------------------------------------------------

cdef inline void _write_digits(char *end, uint64_t value, int ndigits) noexcept nogil:
    """Write the last ndigits digits of value before end, zeros in front."""
    cdef uint64_t rest

    while ndigits >= 2:
        rest = value // 100
        end -= 2
        memcpy(end, NUM_PAIRS + 2 * (value - rest * 100), 2)
        value = rest
        ndigits -= 2
    if ndigits:
        (end - 1)[0] = <char>(c"0" + value % 10)


cdef int num_format_u64(char *buf, uint64_t value) noexcept nogil:
    cdef int n

    if value < 10:
        buf[0] = <char>(c"0" + value)
        return 1
    n = num_digits_u64(value)
    _write_digits(buf + n, value, n)
    return n


cdef int num_format_i64(char *buf, int64_t value) noexcept nogil:
    if value >= 0:
        return num_format_u64(buf, <uint64_t>value)
    buf[0] = c"-"
    return 1 + num_format_u64(buf + 1, 0 - <uint64_t>value)


# --- Floating point from text ------------------------------------------------

cdef enum number_kind_t:
    NUMBER_BAD  # not a number, or NaN
    NUMBER_INF
    NUMBER_HEX  # begins as a hexadecimal number; the rest is not examined
    NUMBER_DECIMAL

cdef struct number_t:
    bint is_negative
    bint is_truncated  # digits other than zero did not fit in `digits`
    uint64_t digits  # the first 19 digits after the leading zeros
    int64_t exp10  # the value is digits * 10**exp10, if not truncated
    const char *first  # the first digit other than zero; end of text if there is none
    const char *mantissa_end  # what follows the last digit or dot


cdef inline int _fold(char c) noexcept nogil:
    """ASCII lower case of a letter; other bytes never become one."""
    return c | 0x20


cdef bint _is_word(
    const char *s, size_t nbytes, const char *word, size_t word_nbytes
) noexcept nogil:
    """Whether s is the word, in either case."""
    cdef size_t i

    if nbytes != word_nbytes:
        return False
    for i in range(nbytes):
        if _fold(s[i]) != word[i]:
            return False
    return True


cdef bint _scan_exponent(
    const char *s, const char *end, int64_t *exponent_out
) noexcept nogil:
    """Read what follows the letter e, all of it; saturates past NUM_EXP_LIMIT."""
    cdef bint is_negative = False
    cdef int64_t value = 0
    cdef uint32_t digit

    if s < end and (s[0] == c"-" or s[0] == c"+"):
        is_negative = s[0] == c"-"
        s += 1
    if s == end:
        return False
    while s < end:
        digit = <uint32_t><unsigned char>s[0] - c"0"
        if digit > 9:
            return False
        if value < NUM_EXP_LIMIT:
            value = value * 10 + digit
        s += 1
    exponent_out[0] = -value if is_negative else value
    return True


cdef number_kind_t _scan(const char *s, size_t nbytes, number_t *n) noexcept nogil:
    """Take a number apart; n is complete only for NUMBER_DECIMAL."""
    cdef const char *end = s + nbytes
    cdef bint has_digits = False
    cdef bint is_fraction = False
    cdef int ntaken = 0
    cdef int64_t exponent = 0
    cdef uint32_t digit

    n.is_negative = nbytes > 0 and s[0] == c"-"
    if nbytes and (s[0] == c"-" or s[0] == c"+"):
        s += 1
    nbytes = end - s
    if nbytes >= 3 and s[0] == c"0" and _fold(s[1]) == c"x":
        return NUMBER_HEX
    if _is_word(s, nbytes, b"inf", 3) or _is_word(s, nbytes, b"infinity", 8):
        return NUMBER_INF

    n.is_truncated = False
    n.digits = 0
    n.exp10 = 0
    n.first = NULL
    while s < end:
        digit = <uint32_t><unsigned char>s[0] - c"0"
        if digit <= 9:
            has_digits = True
            if digit and n.first == NULL:
                n.first = s
            if n.first != NULL and ntaken < U64_SAFE_DIGITS:
                n.digits = n.digits * 10 + digit
                ntaken += 1
                n.exp10 -= is_fraction
            else:
                if digit:
                    n.is_truncated = True
                # a zero before the first digit, or a digit that was left out
                n.exp10 += (n.first != NULL) - is_fraction
        elif s[0] == c"." and not is_fraction:
            is_fraction = True
        else:
            break
        s += 1
    n.mantissa_end = s
    if n.first == NULL:
        n.first = end
    if not has_digits:
        return NUMBER_BAD
    if s < end:
        if _fold(s[0]) != c"e" or not _scan_exponent(s + 1, end, &exponent):
            return NUMBER_BAD
    n.exp10 += exponent
    return NUMBER_DECIMAL


cdef size_t _condense(const number_t *n, char *buf) noexcept nogil:
    """Write the number's size in less than TEXT_MAX bytes, rounding as before."""
    cdef const char *s = n.first
    cdef size_t ndigits = 0
    cdef int64_t exp10 = n.exp10
    cdef bint has_more = False

    # n.exp10 belongs to the digits in n.digits; each digit beyond lowers it by one
    while s < n.mantissa_end:
        if s[0] != c".":
            if ndigits < DIGITS_MAX:
                buf[ndigits] = s[0]
                ndigits += 1
            else:
                has_more |= s[0] != c"0"
        s += 1
    if ndigits > U64_SAFE_DIGITS:
        exp10 -= <int64_t>(ndigits - U64_SAFE_DIGITS)
    if has_more:
        buf[ndigits] = c"1"
        ndigits += 1
        exp10 -= 1
    buf[ndigits] = c"e"
    return ndigits + 1 + num_format_i64(buf + ndigits + 1, exp10)


cdef status_t num_parse_double(
    const char *s, size_t nbytes, double *value_out
) noexcept nogil:
    """Hexadecimal text is limited to TEXT_MAX bytes; decimal text is not limited.

    Fails on overflow and where a number other than zero becomes zero, not where
    it loses bits as a subnormal.
    """
    cdef number_t n
    cdef number_kind_t kind = _scan(s, nbytes, &n)
    cdef char buf[TEXT_MAX + 1]
    cdef double value

    if kind == NUMBER_BAD:
        return C_ERR
    if kind == NUMBER_INF:
        value = INFINITY
        value_out[0] = -value if n.is_negative else value
        return C_OK
    if kind == NUMBER_DECIMAL:
        if n.digits == 0:
            value_out[0] = -0.0 if n.is_negative else 0.0
            return C_OK
        if (
            NUM_EXACT_ARITHMETIC and not n.is_truncated
            and n.digits <= <uint64_t>1 << 53 and -22 <= n.exp10 <= 22
        ):
            value = <double>n.digits
            if n.exp10 < 0:
                value /= NUM_POW10[-n.exp10]
            else:
                value *= NUM_POW10[n.exp10]
            value_out[0] = -value if n.is_negative else value
            return C_OK

    if nbytes <= TEXT_MAX:
        memcpy(buf, s, nbytes)
    elif kind == NUMBER_DECIMAL:
        buf[0] = c"-" if n.is_negative else c"+"
        nbytes = 1 + _condense(&n, buf + 1)
    else:
        return C_ERR
    buf[nbytes] = 0
    return C_OK if num_read_double(buf, nbytes, C_LOCALE, value_out) else C_ERR


cdef status_t num_parse_ld(
    const char *s, size_t nbytes, ld_t *value_out
) noexcept nogil:
    """As num_parse_double, but the text is limited to LD_TEXT_MAX bytes."""
    cdef number_t n
    cdef number_kind_t kind
    cdef char buf[LD_TEXT_MAX + 1]
    cdef ld_t value

    if nbytes > LD_TEXT_MAX:
        return C_ERR
    kind = _scan(s, nbytes, &n)
    if kind == NUMBER_BAD:
        return C_ERR
    if kind == NUMBER_INF:
        value = INFINITY
        value_out[0] = -value if n.is_negative else value
        return C_OK
    if kind == NUMBER_DECIMAL:
        if n.digits == 0:
            value = 0
            value_out[0] = -value if n.is_negative else value
            return C_OK
        if (
            NUM_EXACT_ARITHMETIC and not n.is_truncated
            and n.digits <= NUM_LD_MANTISSA_MAX
            and -NUM_LD_POW10_MAX <= n.exp10 <= NUM_LD_POW10_MAX
        ):
            value = <ld_t>n.digits
            if n.exp10 < 0:
                value /= NUM_LD_POW10[-n.exp10]
            else:
                value *= NUM_LD_POW10[n.exp10]
            value_out[0] = -value if n.is_negative else value
            return C_OK

    memcpy(buf, s, nbytes)
    buf[nbytes] = 0
    return C_OK if num_read_ld(buf, nbytes, C_LOCALE, value_out) else C_ERR


# --- Doubles to text ---------------------------------------------------------

cdef enum:
    SIGNIFICAND_BITS = 52  # stored; one more is implied
    EXPONENT_BIAS = 1075  # of the significand read as an integer
    GRISU_FIRST_POW10 = -348
    GRISU_STEP = 8
    # Bounds of the scaled exponent: at least 32 fraction bits keep the integer part
    # in 32 bits, and 4 spare bits let the fraction be multiplied by ten.
    GRISU_EXP_MIN = -60
    GRISU_EXP_MAX = -32
    GRISU_DIGITS_MAX = 17

cdef struct fp_t:  # significand * 2**exponent
    uint64_t significand
    int exponent


cdef inline fp_t _fp_normalize(uint64_t significand, int exponent) noexcept nogil:
    """Shift the highest bit to the top; significand is not 0."""
    cdef fp_t fp
    cdef int shift = __builtin_clzll(significand)

    fp.significand = significand << shift
    fp.exponent = exponent - shift
    return fp


cdef inline uint64_t _mul_high(uint64_t a, uint64_t b) noexcept nogil:
    """The upper half of a product, rounded to nearest."""
    cdef uint128_t product = <uint128_t>a * <uint128_t>b

    product += <uint128_t>(<uint64_t>1 << 63)
    return <uint64_t>(product >> 64)


cdef inline int _pow10_exponent(int k) noexcept nogil:
    """Binary exponent of the 64-bit significand of 10**k; exact for the table's k."""
    return ((k * 217706) >> 16) - 63  # 217706 / 2**16 is log2(10)


cdef int _grisu_pow10(int exponent) noexcept nogil:
    """Index of the power of ten that brings 2**exponent within the bounds.

    Two may do. Which one is taken changes the digits now and then, so the first
    guess is the one that Redis makes.
    """
    cdef int guess = <int>(-(exponent + 87) * 0.30102999566398114)
    cdef int i = (guess - GRISU_FIRST_POW10) // GRISU_STEP
    cdef int scaled

    while True:
        scaled = exponent + 64 + _pow10_exponent(GRISU_FIRST_POW10 + i * GRISU_STEP)
        if scaled < GRISU_EXP_MIN:
            i += 1
        elif scaled > GRISU_EXP_MAX:
            i -= 1
        else:
            return i


cdef inline void _round_last_digit(
    char *last, uint64_t interval, uint64_t rest, uint64_t unit, uint64_t distance
) noexcept nogil:
    """Step the last digit down while that comes nearer to the value.

    All in one scale, measured down from the upper bound: rest is where the digits
    stand, distance where the value is, interval where the lower bound is.
    """
    while (
        rest < distance and interval - rest >= unit
        and (rest + unit < distance or distance - rest > rest + unit - distance)
    ):
        last[0] -= 1
        rest += unit


cdef int _grisu(double value, char *digits, int *exp10_out) noexcept nogil:
    """Digits of a finite value above zero: value = digits * 10**exp10."""
    cdef uint64_t bits
    cdef uint64_t significand
    cdef int exponent
    cdef int i
    cdef int k
    cdef int ndigits = 0
    cdef uint64_t scale
    cdef fp_t low
    cdef fp_t mid
    cdef fp_t high
    cdef int shift
    cdef uint64_t mask
    cdef uint64_t interval
    cdef uint64_t distance
    cdef uint64_t whole
    cdef uint64_t part
    cdef uint64_t digit
    cdef uint64_t unit

    memcpy(&bits, &value, 8)
    significand = bits & ((<uint64_t>1 << SIGNIFICAND_BITS) - 1)
    exponent = <int>(bits >> SIGNIFICAND_BITS) & 0x7FF
    if exponent:
        significand |= <uint64_t>1 << SIGNIFICAND_BITS
        exponent -= EXPONENT_BIAS
    else:
        exponent = 1 - EXPONENT_BIAS

    # The halves of the gaps to the neighbours; below a power of two the gap is half
    # as wide.
    high = _fp_normalize((significand << 1) + 1, exponent - 1)
    mid = _fp_normalize(significand, exponent)
    shift = 2 if significand == <uint64_t>1 << SIGNIFICAND_BITS else 1
    low.significand = ((significand << shift) - 1) << (exponent - shift - high.exponent)

    i = _grisu_pow10(high.exponent)
    k = GRISU_FIRST_POW10 + i * GRISU_STEP
    scale = NUM_GRISU_POW10[i]
    # One unit inwards makes up for the products' rounding.
    high.significand = _mul_high(high.significand, scale) - 1
    low.significand = _mul_high(low.significand, scale) + 1
    mid.significand = _mul_high(mid.significand, scale)
    shift = -(high.exponent + _pow10_exponent(k) + 64)
    k = -k

    interval = high.significand - low.significand
    distance = high.significand - mid.significand
    mask = (<uint64_t>1 << shift) - 1
    whole = high.significand >> shift
    part = high.significand & mask

    # digits before the point
    for i in range(9, -1, -1):
        digit = whole // NUM_U64_POW10[i]
        whole -= digit * NUM_U64_POW10[i]
        if digit or ndigits:
            digits[ndigits] = <char>(c"0" + digit)
            ndigits += 1
        if (whole << shift) + part <= interval:
            exp10_out[0] = k + i
            _round_last_digit(
                digits + ndigits - 1, interval, (whole << shift) + part,
                NUM_U64_POW10[i] << shift, distance)
            return ndigits

    # digits behind it
    unit = 1
    while True:
        part *= 10
        interval *= 10
        unit *= 10
        k -= 1
        digit = part >> shift
        if digit or ndigits:
            digits[ndigits] = <char>(c"0" + digit)
            ndigits += 1
        part &= mask
        if part < interval:
            exp10_out[0] = k
            _round_last_digit(
                digits + ndigits - 1, interval, part, mask + 1, distance * unit)
            return ndigits


cdef int _lay_out(char *buf, const char *digits, int n, int exp10) noexcept nogil:
    """Write digits * 10**exp10 in the notation that Redis chooses for it."""
    cdef char *out = buf
    cdef int leading = exp10 + n - 1  # decimal exponent of the first digit
    cdef int magnitude = -leading if leading < 0 else leading

    if exp10 >= 0 and magnitude < n + 7:
        memcpy(out, digits, n)
        memset(out + n, c"0", exp10)
        return n + exp10
    if exp10 < 0 and (exp10 > -7 or magnitude < 4):
        if leading < 0:
            memcpy(out, b"0.", 2)
            memset(out + 2, c"0", magnitude - 1)
            out += 1 + magnitude
            memcpy(out, digits, n)
            return <int>(out - buf) + n
        memcpy(out, digits, leading + 1)
        out[leading + 1] = c"."
        memcpy(out + leading + 2, digits + leading + 1, n - leading - 1)
        return n + 1
    out[0] = digits[0]
    out += 1
    if n > 1:
        out[0] = c"."
        memcpy(out + 1, digits + 1, n - 1)
        out += n
    out[0] = c"e"
    out[1] = c"-" if leading < 0 else c"+"
    out += 2
    return <int>(out - buf) + num_format_u64(out, magnitude)


cdef int _format_double(char *buf, double value) noexcept nogil:
    """buf has NUM_DOUBLE_BUF bytes."""
    cdef char digits[GRISU_DIGITS_MAX + 3]
    cdef double integer_limit = <double>(<int64_t>1 << 62)
    cdef int exp10
    cdef int ndigits

    if isnan(value):
        memcpy(buf, b"nan", 3)
        return 3
    if isinf(value):
        memcpy(buf, b"-inf", 4)
        if value > 0:
            memmove(buf, buf + 1, 3)
            return 3
        return 4
    if (
        -integer_limit <= value <= integer_limit
        and value == <double><int64_t>value
    ):
        if value == 0 and signbit(value):
            memcpy(buf, b"-0", 2)
            return 2
        return num_format_i64(buf, <int64_t>value)
    if value > 0:
        ndigits = _grisu(value, digits, &exp10)
        return _lay_out(buf, digits, ndigits, exp10)
    buf[0] = c"-"
    ndigits = _grisu(-value, digits, &exp10)
    return 1 + _lay_out(buf + 1, digits, ndigits, exp10)


cdef int num_format_double(char *buf, size_t cap, double value) noexcept nogil:
    """Integers up to 2**62 have all their digits; zero keeps its sign."""
    cdef char text[NUM_DOUBLE_BUF]
    cdef int n

    if cap >= NUM_DOUBLE_BUF:
        return _format_double(buf, value)
    n = _format_double(text, value)
    if <size_t>n > cap:
        return 0
    memcpy(buf, text, n)
    return n


# --- Long doubles to text ----------------------------------------------------

cdef int _trim_decimals(char *buf, int n) noexcept nogil:
    """Drop zeros at the end of the decimals, then a bare dot, then the sign of zero."""
    while buf[n - 1] == c"0":
        n -= 1
    if buf[n - 1] == c".":
        n -= 1
    if n == 2 and buf[0] == c"-" and buf[1] == c"0":
        buf[0] = c"0"
        n = 1
    return n


cdef int _format_ld_small(char *buf, ld_t value) noexcept nogil:
    """The text of |value| < 2**64 where the significand has at most 64 bits.

    The fraction is m / 2**shift with m < 2**64, so that m * 10**17 is exact in 128
    bits and can be rounded half to even, as printf does.
    """
    cdef int exponent
    cdef uint64_t significand
    cdef uint64_t whole = 0
    cdef uint128_t fraction
    cdef uint128_t scaled
    cdef uint128_t half
    cdef uint64_t decimals = 0
    cdef int shift
    cdef int n = 0

    significand = <uint64_t>ldexpl(frexpl(fabsl(value), &exponent), 64)
    shift = 64 - exponent
    if shift < 64:
        whole = significand >> shift
    # past 121 bits the fraction is less than half of the last decimal
    if 0 < shift <= 121:
        fraction = <uint128_t>significand
        if shift < 64:
            fraction = <uint128_t>(significand & ((<uint64_t>1 << shift) - 1))
        scaled = fraction * <uint128_t>NUM_U64_POW10[LD_DECIMALS]
        decimals = <uint64_t>(scaled >> shift)
        scaled -= (<uint128_t>decimals) << shift
        half = (<uint128_t>1) << (shift - 1)
        if scaled > half or (scaled == half and decimals & 1):
            decimals += 1
        if decimals == NUM_U64_POW10[LD_DECIMALS]:
            decimals = 0
            whole += 1
    if signbit(value):
        buf[0] = c"-"
        n = 1
    n += num_format_u64(buf + n, whole)
    buf[n] = c"."
    n += 1 + LD_DECIMALS
    _write_digits(buf + n, decimals, LD_DECIMALS)
    return _trim_decimals(buf, n)


cdef int num_format_ld_human(char *buf, size_t cap, ld_t value) noexcept nogil:
    """Of a large value cap must hold 17 decimals and a NUL, though they are cut off."""
    cdef char text[64]  # sign, 20 digits, dot, 17 decimals
    cdef int n
    cdef int ninteger = 0

    if isnan(value):
        memcpy(text, b"nan", 3)
        n = 3
    elif isinf(value):
        n = 4 if value < 0 else 3
        memcpy(text, b"-inf" if value < 0 else b"inf", n)
    elif NUM_LD_FITS_64 and fabsl(value) < 18446744073709551616.0:
        n = _format_ld_small(text, value)
    else:
        n = snprintf(buf, cap, "%.17Lf", value)
        if n <= 0 or <size_t>n >= cap:
            return 0
        # the locale may have a decimal point of another kind, or of several bytes
        while buf[ninteger] == c"-" or c"0" <= buf[ninteger] <= c"9":
            ninteger += 1
        buf[ninteger] = c"."
        memmove(buf + ninteger + 1, buf + n - LD_DECIMALS, LD_DECIMALS)
        return _trim_decimals(buf, ninteger + 1 + LD_DECIMALS)
    if <size_t>n > cap:
        return 0
    memcpy(buf, text, n)
    return n
