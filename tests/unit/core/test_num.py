# SPDX-License-Identifier: BSD-3-Clause
"""core.num against Python's exact arithmetic and against genuine servers."""

from __future__ import annotations

import math
import os
import random
import re
import struct
import subprocess
import sys
from fractions import Fraction

import pytest
import redis
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastredis._testing import core

I64_MIN, I64_MAX, U64_MAX = -(2**63), 2**63 - 1, 2**64 - 1

NOT_INTEGERS = [
    b"",
    b"-",
    b"+",
    b"+1",
    b"-0",
    b"00",
    b"01",
    b"-01",
    b"0x1",
    b" 1",
    b"1 ",
    b"\t1",
    b"1\n",
    b"1\x00",
    b"\x001",
    b"1.0",
    b"1e3",
    b"--1",
    b"1-",
    b"1_0",
    b"\xb2",
    b"12345678901234567890123",
    b"9" * 20,
    b"9" * 21,
    b"-" + b"9" * 20,
    b"1" * 1000,
]


def borders(*powers: int) -> list[int]:
    return [p + d for p in powers for d in (-1, 0, 1)]


# --- Integers ----------------------------------------------------------------


@given(st.integers(I64_MIN, I64_MAX))
def test_i64_there_and_back(value: int) -> None:
    text = core.format_i64(value)
    assert text == b"%d" % value
    assert core.parse_i64(text) == value


@given(st.integers(0, U64_MAX))
def test_u64_there_and_back(value: int) -> None:
    text = core.format_u64(value)
    assert text == b"%d" % value
    assert core.parse_u64(text) == value
    assert core.digits_u64(value) == len(text)


def test_integers_around_powers() -> None:
    values = {v for n in range(20) for v in borders(10**n)}
    values |= {v for n in range(65) for v in borders(2**n)}
    for value in values:
        if 0 <= value <= U64_MAX:
            test_u64_there_and_back.hypothesis.inner_test(value)
        for signed in (value, -value):
            if I64_MIN <= signed <= I64_MAX:
                test_i64_there_and_back.hypothesis.inner_test(signed)


@pytest.mark.parametrize("text", NOT_INTEGERS)
def test_not_integers(text: bytes) -> None:
    assert core.parse_i64(text) is None
    assert core.parse_u64(text) is None


def test_integer_limits() -> None:
    assert core.parse_i64(b"%d" % I64_MIN) == I64_MIN
    assert core.parse_i64(b"%d" % I64_MAX) == I64_MAX
    assert core.parse_i64(b"%d" % (I64_MIN - 1)) is None
    assert core.parse_i64(b"%d" % (I64_MAX + 1)) is None
    assert core.parse_i64(b"%d" % U64_MAX) is None
    assert core.parse_u64(b"%d" % U64_MAX) == U64_MAX
    assert core.parse_u64(b"%d" % (U64_MAX + 1)) is None
    assert core.parse_u64(b"-1") is None


@settings(max_examples=500)
@given(st.lists(st.sampled_from(b"0123456789-+ .\x00"), max_size=22).map(bytes))
def test_integers_equal_the_model(text: bytes) -> None:
    value = int(text) if re.fullmatch(rb"0|-?[1-9][0-9]*", text) else None
    is_i64 = value is not None and I64_MIN <= value <= I64_MAX
    is_u64 = value is not None and 0 <= value <= U64_MAX
    assert core.parse_i64(text) == (value if is_i64 else None)
    assert core.parse_u64(text) == (value if is_u64 else None)


# --- Doubles from text -------------------------------------------------------


def expected_double(text: bytes) -> float | None:
    """Read decimal text as a server does, by way of Python's exact reading."""
    if re.fullmatch(rb"[-+]?(inf|infinity)", text, re.IGNORECASE):
        return -math.inf if text.startswith(b"-") else math.inf
    if not re.fullmatch(rb"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?", text, re.I):
        return None
    value = float(text)
    is_zero = not re.search(rb"[1-9]", re.split(rb"[eE]", text)[0])
    if math.isinf(value) or (value == 0 and not is_zero):
        return None
    return value


def same(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return struct.pack("d", a) == struct.pack("d", b)


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"",
            b".",
            b"+",
            b"-",
            b"e5",
            b".e5",
            b"1e",
            b"1e+",
            b"1e-",
            b"1e5.5",
            b"1d5",
        ),
        *(b" 1", b"1 ", b"\t1", b"\x0b1", b"1\n", b"1\x00", b"\x00", b"1\x002", b"1,5"),
        *(b"nan", b"-NaN", b"nan(1)", b"infi", b"in", b"infinityy", b"inf ", b"++1"),
        *(
            b"+-1",
            b"--1",
            b"1_000",
            b"1..2",
            b"1.2.3",
            b"0x",
            b"0x1p",
            b"0x.p1",
            b"0xg",
        ),
        *(b"1e400", b"-1e400", b"1e-400", b"-1e-400", b"2e-324", b"1" + b"0" * 400),
        *(b"1.7976931348623159e308", b"1e99999999999999999999999", b"1f", b"\xb9"),
        *(b"1e-99999999999999999999999", b"0." + b"0" * 5000 + b"1", b"9" * 5000),
        *(b"1" + b"0" * 5000 + b"x", b"x" * 5000, b"0x1p99999", b"0x1p-99999"),
    ],
)
def test_not_doubles(text: bytes) -> None:
    assert core.parse_double(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0", 0.0),
        (b"-0", -0.0),
        (b"-0e999999999999999999999", -0.0),
        (b"0e-99999", 0.0),
        (b".5", 0.5),
        (b"5.", 5.0),
        (b"+1", 1.0),
        (b"1E5", 1e5),
        (b"1e+05", 1e5),
        (b"3.0e-4", 3e-4),
        (b"5e-324", 5e-324),
        (b"1e-320", 1e-320),
        (b"1.7976931348623158e308", sys.float_info.max),
        (b"INF", math.inf),
        (b"-Infinity", -math.inf),
        (b"+inf", math.inf),
        (b"0x10", 16.0),
        (b"-0X1.8p1", -3.0),
        (b"0x.8", 0.5),
        (b"0x0", 0.0),
        (b"0x1.fffffffffffff8p0", 2.0),
        (b"0" * 6000 + b"1", 1.0),
        (b"1." + b"0" * 6000, 1.0),
        (b"1e" + b"0" * 6000 + b"1", 10.0),
        (b"0." + b"0" * 6000 + b"1e6001", 1.0),
        (b"-1" + b"0" * 6000 + b"e-6000", -1.0),
        (b"1" + b"0" * 6000 + b"e-6310", 1e-310),
        (b"9007199254740993", 9007199254740992.0),
        (b"9007199254740993." + b"0" * 2000 + b"1", 9007199254740994.0),
        (b"1" * 19 + b"e-18", 1.111111111111111111),
    ],
)
def test_doubles(text: bytes, value: float) -> None:
    parsed = core.parse_double(text)
    assert same(parsed, value), (parsed, value)


@settings(max_examples=1000)
@given(
    st.from_regex(
        rb"[-+]?[0-9]{0,25}\.?[0-9]{0,25}([eE][-+]?[0-9]{1,4})?", fullmatch=True
    )
)
@example(b"9007199254740993e22")
@example(b"9007199254740992e22")
@example(b"9007199254740992e-22")
@example(b"1e23")
def test_decimal_text(text: bytes) -> None:
    assert same(core.parse_double(text), expected_double(text))


@settings(max_examples=1000)
@given(st.lists(st.sampled_from(b"0159.eE+-inf atyINF\x00"), max_size=9).map(bytes))
def test_near_numbers(text: bytes) -> None:
    assert same(core.parse_double(text), expected_double(text))


def exact_text(value: Fraction) -> bytes:
    """Return all decimals of a fraction whose denominator is a power of two."""
    places = value.denominator.bit_length() - 1
    digits = f"{value.numerator * 5**places:0{places + 1}d}"
    return f"{digits[: len(digits) - places]}.{digits[len(digits) - places :]}".encode()


def test_halfway_between_doubles() -> None:
    """The midpoint goes to the even neighbour, anything past it to the upper one."""
    rng = random.Random(1)
    lows = [5e-324, 2.0**-1022, 1.0, 2.0**53, 1e22, 1.5e300, 2.2250738585072011e-308]
    lows += [math.ldexp(rng.randrange(2**52, 2**53), -n) for n in range(53, 1100, 30)]
    for low in lows:
        high = math.nextafter(low, math.inf)
        middle = exact_text((Fraction(low) + Fraction(high)) / 2)
        even = low if struct.pack("<d", low)[0] % 2 == 0 else high
        for zeros in (b"", b"0" * 100, b"0" * 1200, b"0" * 7000):
            assert core.parse_double(middle + zeros) == even
            assert core.parse_double(middle + zeros + b"1") == high
            assert core.parse_double(b"-" + middle + zeros + b"1e0") == -high
            assert core.parse_double(b"00" + middle + zeros + b"1e-0") == high


def test_text_need_not_end() -> None:
    assert core.parse_double_part(b"123456", 3) == 123.0
    assert core.parse_double_part(b"1.5e55", 5) == 150000.0
    assert core.parse_double_part(b"0x1ff", 4) == 31.0
    assert core.parse_double_part(b"infinity", 3) == math.inf
    assert (
        core.parse_double_part(b"12345678901234567891.5", 21) == 12345678901234567891.0
    )
    assert core.parse_double_part(b"1" * 3000, 200) == float("1" * 200)


# --- Doubles to text ---------------------------------------------------------

# What valkey-server 9.1 answers to ZSCORE.
PRINTED = {
    0.0: b"0",
    1.0: b"1",
    -17.0: b"-17",
    3.1: b"3.1",
    0.1 + 0.2: b"0.30000000000000004",
    1e-6: b"0.000001",
    1e-7: b"1e-7",
    1.5e-5: b"0.000015",
    1.5e-6: b"1.5e-6",
    9.999e-4: b"9.999e-4",
    9.999e-3: b"0.009999",
    1.2345678901234567e-4: b"1.2345678901234567e-4",
    1.2345678901234567e-3: b"0.0012345678901234567",
    1234.5678901234567: b"1234.5678901234567",
    12345.678901234567: b"1.2345678901234567e+4",
    1234567890.1234567: b"1.2345678901234567e+9",
    12345678901.234567: b"12345678901.234568",
    1234567890123456.7: b"1234567890123456.7",
    2.0**53 + 2: b"9007199254740994",
    1e18: b"1000000000000000000",
    1.2345678901234566e17: b"123456789012345664",
    2.0**62: b"4611686018427387904",
    math.nextafter(2.0**62, math.inf): b"4611686018427389000",
    2.0**63: b"9223372036854776000",
    1e19: b"1e+19",
    1e22: b"1e+22",
    1e23: b"99999999999999990000000",  # not the shortest text
    -7.25e21: b"-7249999999999999000000",
    1.2345678901234567e23: b"123456789012345670000000",
    1.2345678901234567e24: b"1.2345678901234568e+24",
    -1.547182503134182e-78: b"-1.5471825031341819e-78",
    -1.651484200947297e116: b"-1.6514842009472968e+116",
    1e300: b"1e+300",
    sys.float_info.max: b"1.7976931348623157e+308",
    sys.float_info.min: b"2.2250738585072014e-308",
    5e-324: b"5e-324",
    math.inf: b"inf",
    -math.inf: b"-inf",
}


@pytest.mark.parametrize("value", PRINTED)
def test_format_double(value: float) -> None:
    assert core.format_double(value) == PRINTED[value]


def test_format_double_specials() -> None:
    assert core.format_double(-0.0) == b"-0"
    assert core.format_double(math.nan) == b"nan"
    assert core.format_double(-math.nan) == b"nan"


def significant(text: bytes) -> bytes:
    return re.split(rb"e", text)[0].replace(b".", b"").strip(b"-0")


@settings(max_examples=2000)
@given(st.floats(allow_nan=False))
def test_double_there_and_back(value: float) -> None:
    text = core.format_double(value)
    assert same(core.parse_double(text), value)
    if math.isfinite(value) and abs(value) > 2.0**62:
        shortest = len(significant(repr(value).encode()))
        assert shortest <= len(significant(text)) <= 17


def random_doubles(rng: random.Random, count: int) -> list[float]:
    """Return finite doubles of many shapes; uniform ones would all look alike."""
    values = [v for n in range(-1074, 1024, 7) for v in (2.0**n, -(2.0**n))]
    values += [math.nextafter(v, 0) for v in values]
    while len(values) < count:
        (any_bits,) = struct.unpack("d", rng.randbytes(8))
        values += [
            any_bits if math.isfinite(any_bits) else 0.0,
            round(rng.uniform(-1e6, 1e6), rng.randrange(8)),
            float(rng.randrange(I64_MIN, I64_MAX) >> rng.randrange(64)),
            rng.uniform(-1, 1) * 10.0 ** rng.randrange(-20, 25),
            rng.randrange(1, 2**53) * 2.0 ** rng.randrange(-1074, 971 - 53),
            5e-324 * rng.randrange(1, 100),
        ]
    return values


def test_digits_are_seldom_too_many() -> None:
    """Grisu2 misses the shortest text rarely; a mistake in it, nearly always."""
    values = random_doubles(random.Random(2), 30000)
    long = [
        v
        for v in values
        if len(significant(core.format_double(v))) > len(significant(b"%r" % v))
        and abs(v) < 2.0**53
    ]
    assert len(long) < len(values) // 100


def test_format_double_with_little_room() -> None:
    for value, text in PRINTED.items():
        for cap in range(core.DOUBLE_BUF):
            expected = text if len(text) <= cap else b""
            assert core.format_double(value, cap) == expected
    longest = max(len(core.format_double(v)) for v in PRINTED)
    assert longest <= core.DOUBLE_BUF


def test_doubles_print_as_valkey_prints_them(valkey_server: redis.Redis) -> None:
    # in a listpack -0 would become an integer
    valkey_server.execute_command("CONFIG", "SET", "zset-max-listpack-entries", 0)
    values = [*random_doubles(random.Random(3), 20000), -0.0, *PRINTED]
    pipe = valkey_server.pipeline(transaction=False)
    pipe.response_callbacks.clear()
    for value in values:
        pipe.execute_command("DEL", "z")  # or -0 would leave a score of 0 alone
        pipe.execute_command("ZADD", "z", repr(value), "m")
        pipe.execute_command("ZSCORE", "z", "m")
    for value, text in zip(values, pipe.execute()[2::3], strict=True):
        assert core.format_double(value) == text


def test_doubles_read_as_redis_reads_them(redis_server: redis.Redis) -> None:
    rng = random.Random(4)
    texts = [
        bytes(rng.choices(b"0123456789.e-", k=rng.randrange(1, 12)))
        for _ in range(5000)
    ]
    texts += [bytes(rng.choices(b"0x1fp+-.8", k=rng.randrange(8))) for _ in range(5000)]
    texts += [b"%de%d" % (rng.randrange(99), rng.randrange(-340, 320)) for _ in texts]
    texts += [
        b"inf",
        b"nan",
        b"+Infinity",
        b" 1",
        b"1 ",
        b"",
        b"1\x00",
        b"1" + b"0" * 309,
    ]
    pipe = redis_server.pipeline(transaction=False)
    pipe.response_callbacks.clear()
    redis_server.execute_command("CONFIG", "SET", "zset-max-listpack-entries", 0)
    for text in texts:
        pipe.execute_command("DEL", "z")
        pipe.execute_command("ZADD", "z", text, "m")
        pipe.execute_command("ZSCORE", "z", "m")
    read = 0
    for text, score in zip(
        texts, pipe.execute(raise_on_error=False)[2::3], strict=True
    ):
        value = None if score is None else float(score)
        assert same(core.parse_double(text), value), text
        read += value is not None
    assert read > 1000


# --- Long doubles ------------------------------------------------------------

X87_BITS = 64
needs_x87 = pytest.mark.skipif(
    core.LD_MANTISSA_BITS != X87_BITS, reason="another format of long double"
)


def model_ld(text: str) -> bytes:
    """Round to 64 bits, then to 17 decimals, each half to even."""
    value = Fraction(text)
    if value:
        size = abs(value)
        shift = X87_BITS - size.numerator.bit_length() + size.denominator.bit_length()
        if size * Fraction(2) ** shift >= 2**X87_BITS:
            shift -= 1
        if size * Fraction(2) ** shift >= 2**X87_BITS:
            shift -= 1
        value = Fraction(round(value * Fraction(2) ** shift)) / Fraction(2) ** shift
    scaled = round(abs(value) * 10**17)
    digits = f"{scaled // 10**17}.{scaled % 10**17:017d}".rstrip("0").rstrip(".")
    return (b"-" if value < 0 and digits != "0" else b"") + digits.encode()


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        (b"0", b"0"),
        (b"-0", b"0"),
        (b"-0.000000000000000000001", b"0"),
        (b"3.10", b"3.1"),
        (b"10.50", b"10.5"),
        (b"5.0e3", b"5000"),
        (b"1e20", b"100000000000000000000"),
        (b"-1e-5", b"-0.00001"),
        (b"0.99999999999999999999", b"1"),
        (b"0x10", b"16"),
        (b"100", b"100"),
        (b"1.5e3", b"1500"),
        (b"-18446744073709551615", b"-18446744073709551615"),
        (b"18446744073709551616", b"18446744073709551616"),
        (b"inf", b"inf"),
        (b"-infinity", b"-inf"),
        (b"0" * 5118 + b"1", b"1"),
    ],
)
def test_reformat_ld(text: bytes, printed: bytes) -> None:
    assert core.reformat_ld(text) == printed


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b" 1", b"1 ", b"nan", b"1\x00", b"1e", b"abc", b"1e99999", b"1e-99999"),
        *(b"0" * 5119 + b"1", b"--1", b"0xg", b"1,5"),
    ],
)
def test_not_long_doubles(text: bytes) -> None:
    assert core.reformat_ld(text) is None


@needs_x87
@settings(max_examples=1000)
@given(
    st.from_regex(r"-?[0-9]{1,22}(\.[0-9]{1,25})?(e[-+]?[0-9]{1,2})?", fullmatch=True)
)
@example("0.5e-17")
@example("1.5e-17")
@example("18446744073709551615.5")
@example("9223372036854775807.75")
@example("0.000000000000000005")
@example("1e27")
@example("123456789012345678.12345678901234567")
def test_reformat_ld_equals_the_model(text: str) -> None:
    assert core.reformat_ld(text.encode()) == model_ld(text)


@needs_x87
@given(st.integers(0, 2**64 - 1), st.integers(-130, 0))
def test_every_exponent_of_small_long_doubles(mantissa: int, shift: int) -> None:
    text = exact_text(mantissa * Fraction(2) ** shift)
    assert core.reformat_ld(text) == model_ld(text.decode())


@needs_x87
def test_halfway_decimals_go_to_even() -> None:
    # n / 2**18 ends in ...5 at the 18th decimal
    for n in range(1, 4000, 2):
        text = exact_text(Fraction(n, 2**18))
        assert core.reformat_ld(text) == model_ld(text.decode())


def test_large_long_doubles_need_room() -> None:
    whole = core.reformat_ld(b"1e300")
    assert whole is not None
    assert len(whole) == 301
    assert core.reformat_ld(b"1e300", len(whole) + 19) == whole
    assert core.reformat_ld(b"1e300", len(whole) + 18) == b""
    assert core.reformat_ld(b"1.25", 4) == b"1.25"
    assert core.reformat_ld(b"1.25", 3) == b""
    assert core.reformat_ld(b"-inf", 3) == b""
    if core.LD_MANTISSA_BITS >= X87_BITS:
        largest = core.reformat_ld(b"1.18e4932")
        assert largest is not None
        assert len(largest) == 4933


def test_incrbyfloat_of_redis(redis_server: redis.Redis) -> None:
    rng = random.Random(5)

    def number() -> bytes:
        exponent = rng.choice([b"", b"", b"e%d" % rng.randrange(-25, 30)])
        decimals = b".%d" % rng.randrange(10 ** rng.randrange(1, 20))
        sign = rng.choice([b"", b"-"])
        whole = rng.randrange(10 ** rng.randrange(1, 22))
        return sign + b"%d" % whole + rng.choice([b"", decimals]) + exponent

    pairs = [(number(), number()) for _ in range(5000)]
    pairs += [(b"3.0e3", b"200"), (b"1", b"abc"), (b" 1", b"1"), (b"0x10", b"1")]
    pairs += [(b"1e400", b"1"), (b"1e-4951", b"0"), (b"0", b"-1e-30"), (b"1 ", b"1")]
    pipe = redis_server.pipeline(transaction=False)
    pipe.response_callbacks.clear()
    for a, b in pairs:
        pipe.execute_command("SET", "s", a)
        pipe.execute_command("INCRBYFLOAT", "s", b)
    for (a, b), reply in zip(
        pairs, pipe.execute(raise_on_error=False)[1::2], strict=True
    ):
        expected = None if isinstance(reply, redis.ResponseError) else reply
        assert core.add_ld(a, b) == expected, (a, b)


# --- Locale ------------------------------------------------------------------

IN_A_LOCALE = """
import locale, sys
from fastredis._testing import core
locale.setlocale(locale.LC_ALL, sys.argv[1])
assert locale.localeconv()["decimal_point"] != "."
assert core.parse_double(b"1.2345678901234567891") == 1.2345678901234567891
assert core.parse_double(b"1,5") is None
assert core.parse_double(b"0x1.8p1") == 3.0
assert core.format_double(1.25e-30) == b"1.25e-30"
assert core.reformat_ld(b"1.2345678901234567890123456")[:12] == b"1.2345678901"
large = core.reformat_ld(b"1e25")
assert large.isdigit(), large
assert core.reformat_ld(b"1,5") is None
"""


def comma_locale() -> str | None:
    """Return an installed locale that writes a comma for the decimal point."""
    listed = subprocess.run(["locale", "-a"], capture_output=True, check=False).stdout
    wanted = re.compile(r"(de|fr|es|it|nl|ru)_[A-Z]{2}(\.utf-?8)?$", re.IGNORECASE)
    names = [n for n in listed.decode("ascii", "replace").split() if wanted.match(n)]
    return names[0] if names else None


def test_locale_does_not_matter() -> None:
    name = comma_locale()
    if name is None:
        pytest.skip("no locale with a decimal comma")
    subprocess.run(
        [sys.executable, "-c", IN_A_LOCALE, name],
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
