# SPDX-License-Identifier: BSD-3-Clause
"""Every pair of edge values to the commands that compute with them, side by side."""

from __future__ import annotations

from itertools import product

import pytest

from support.differential import Contest, Step

MAX = 2**63 - 1
INTEGERS = [0, 1, -1, 9999, 10**15, 10**17, MAX, MAX - 1, -MAX, -MAX - 1, MAX + 1]
INTEGERS += [-MAX - 2, 2**31, -(2**31), 2**32, 2**53 + 1, 2**64]
TEXTS = [b"%d" % n for n in INTEGERS]
TEXTS += [b"", b" ", b"1 ", b" 1", b"+1", b"-", b"--1", b"01", b"-0", b"0x1", b"1.0"]
TEXTS += [b"1e3", b"1\x00", b"abc", b"\xff", b"1\n", b"00", b"-01", b"9" * 30]
FLOATS = [b"0.1", b"0.2", b"-0.1", b"3.0", b"1e10", b"1e-10", b"5e-324", b"1e308"]
FLOATS += [b"1.7976931348623157e308", b"1e4932", b"1e-4950", b"inf", b"-inf", b"nan"]
FLOATS += [b"infinity", b"1e", b"e1", b".5", b"5.", b"-.5", b"0x1p4", b"1.5 ", b" 1.5"]
FLOATS += [b"3.141592653589793238462643383279", b"0.00000000000000001", b"-0", b"-0.0"]
FLOATS += [b"123456789012345678901234567890", b"17.17", b"9007199254740993", b"1E5"]


@pytest.mark.parametrize("name", [b"INCRBY", b"DECRBY"])
def test_integer_sums(with_both: Contest, name: bytes) -> None:
    steps: list[Step] = []
    for stored, amount in product(TEXTS, TEXTS):
        steps += [(b"SET", b"k", stored), (name, b"k", amount), (b"GET", b"k")]
    with_both.run(steps, 2)


@pytest.mark.parametrize("name", [b"INCR", b"DECR"])
def test_steps_of_one(with_both: Contest, name: bytes) -> None:
    steps: list[Step] = []
    for stored in TEXTS + FLOATS:
        steps += [(b"SET", b"k", stored), (name, b"k"), (b"GET", b"k")]
    with_both.run(steps, 3)


def test_float_sums(with_both: Contest) -> None:
    steps: list[Step] = []
    values = FLOATS + TEXTS[:12]
    for stored, amount in product(values, values):
        steps += [
            (b"SET", b"k", stored),
            (b"INCRBYFLOAT", b"k", amount),
            (b"GET", b"k"),
        ]
    with_both.run(steps, 2)


def test_float_sums_pile_up(with_both: Contest) -> None:
    steps: list[Step] = []
    for amount in (b"0.1", b"-0.3", b"1e-7", b"12345.6789", b"1e15", b"0.7"):
        steps += [(b"DEL", b"k"), *[(b"INCRBYFLOAT", b"k", amount)] * 60]
    with_both.run(steps, 2)


@pytest.mark.parametrize("value", [b"", b"x", b"hello world", b"12345", b"v" * 100])
def test_ranges(with_both: Contest, value: bytes) -> None:
    ends = [b"%d" % n for n in (*range(-13, 14), 99, 100, 101, -100, -101, MAX)]
    ends += [b"%d" % (-MAX - 1), b"%d" % (MAX + 1), b"", b"x", b"1.0"]
    steps: list[Step] = [(b"SET", b"k", value)]
    for start, end in product(ends, ends):
        steps.append((b"GETRANGE", b"k", start, end))
    steps += [(b"SUBSTR", b"k", start, b"-1") for start in ends]
    with_both.run(steps, 2)


@pytest.mark.parametrize("value", [None, b"", b"hello", b"12345", b"v" * 100])
def test_overwriting(with_both: Contest, value: bytes | None) -> None:
    offsets = [b"%d" % n for n in (0, 1, 4, 5, 6, 43, 44, 45, 99, 100, 1000)]
    offsets += [
        b"-1",
        b"",
        b"x",
        b"536870912",
        b"536870911",
        b"%d" % MAX,
        b"%d" % 2**63,
    ]
    steps: list[Step] = []
    # An empty text, or one of 512 MB and more: the offsets that matter at the limit.
    for offset, text in product(offsets, (b"", b"X", b"Y" * 50)):
        if offset == b"536870911" and text == b"X":
            continue  # right, and half a gigabyte long
        steps.append((b"DEL", b"k"))
        if value is not None:
            steps.append((b"SET", b"k", value))
        steps += [(b"SETRANGE", b"k", offset, text), (b"STRLEN", b"k"), (b"GET", b"k")]
        steps.append((b"OBJECT", b"ENCODING", b"k"))
    with_both.run(steps, 2)


def test_expiry_times(with_both: Contest) -> None:
    far = 4_102_444_807
    times = [b"%d" % n for n in (far, far * 1000, 0, -1, 1, MAX, MAX // 1000)]
    times += [b"%d" % n for n in (MAX // 1000 + 1, MAX + 1, -MAX - 1, 2**62, 10**15)]
    times += [b"", b"x", b"1.5", b" 1", b"+1"]
    conditions: list[Step] = [(), (b"NX",), (b"XX",), (b"GT",), (b"LT",)]
    conditions += [(b"NX", b"XX"), (b"GT", b"LT"), (b"XX", b"LT"), (b"nonsense",)]
    steps: list[Step] = []
    for name, unit in ((b"EXPIREAT", 1), (b"PEXPIREAT", 1000)):
        before = b"%d" % (far * unit - 10)
        for time, condition in product(times, conditions):
            for had in (False, True):
                steps.append((b"SET", b"k", b"v"))
                if had:
                    steps.append((name, b"k", before))
                steps += [(name, b"k", time, *condition), (b"PEXPIRETIME", b"k")]
    with_both.run(steps, 2)


def test_expiry_options(with_both: Contest) -> None:
    far = b"4102444807"
    options: list[Step] = [(b"EXAT", far), (b"PXAT", far + b"000"), (b"KEEPTTL",)]
    options += [(b"PERSIST",), (b"EX", b"0"), (b"PX", b"-1"), (b"EXAT", b"0")]
    options += [(b"EX",), (b"EX", b"x"), (b"EXAT", b"1"), (b"PXAT", b"1"), (b"GET",)]
    options += [(b"NX",), (b"XX",), (b"ex", b"9223372036854775807"), ()]
    options += [(b"PX", b"9223372036854775807"), (b"EXAT", b"9223372036854775807")]
    steps: list[Step] = []
    for first, second in product(options, options):
        for there in (False, True):
            steps.append((b"SET", b"k", b"v", b"EXAT", b"4102440000"))
            if not there:
                steps.append((b"DEL", b"k"))
            steps += [(b"SET", b"k", b"w", *first, *second), (b"PEXPIRETIME", b"k")]
            if there:  # Redis 7.0 looks at the options of GETEX only then
                steps.append((b"SET", b"k", b"v", b"EXAT", b"4102440000"))
                steps += [(b"GETEX", b"k", *first, *second), (b"PEXPIRETIME", b"k")]
    with_both.run(steps, 2)


def test_patterns(with_both: Contest) -> None:
    keys = [b"a", b"b", b"ab", b"abc", b"a*c", b"a?c", b"[a]", b"a\\c", b"", b"-", b"^"]
    keys += [b"\xff", b"a\x00c", b"A", b"]", b"aXbXc", b"aaaaaaaaaaaaaaaaaaaaab"]
    patterns = [b"*", b"?", b"??", b"a*", b"*c", b"a*c", b"a?c", b"a\\*c", b"a\\?c"]
    patterns += [
        b"[a]",
        b"[ab]",
        b"[^a]",
        b"[a-c]",
        b"[c-a]",
        b"[a-",
        b"[a",
        b"[",
        b"[]",
    ]
    patterns += [
        b"[]]",
        b"[^]",
        b"[\\]]",
        b"[\\a-c]",
        b"\\[a\\]",
        b"\\",
        b"a\\",
        b"[-a]",
    ]
    patterns += [
        b"[a-]",
        b"**",
        b"a**c",
        b"*a*b*",
        b"",
        b"?*",
        b"*?",
        b"\xff",
        b"[\xff]",
    ]
    patterns += [b"a\x00c", b"a[\x00]c", b"[!a]", b"[^-]", b"[--a]", b"a[^X]b", b"*\\"]
    patterns += [b"a*a*a*a*a*a*a*a*a*b", b"[a-z]*[a-z]", b"a[b]c", b"[[]a]", b"{a,b}"]
    steps: list[Step] = [(b"MSET", *(x for key in keys for x in (key, b"v")))]
    steps += [(b"KEYS", pattern) for pattern in patterns]
    steps += [(b"SCAN", b"0", b"MATCH", p, b"COUNT", b"1000") for p in patterns]
    with_both.run(steps, 2)


def test_longest_common_subsequences(with_both: Contest) -> None:
    texts = [b"", b"a", b"abc", b"xbz", b"ohmytext", b"mynewtext", b"\x00\xff\x00"]
    texts += [b"aaaa", b"aabbaabb", b"bbaabbaa", b"0123456789" * 10, b"13579" * 15]
    options: list[Step] = [(), (b"LEN",), (b"IDX",), (b"IDX", b"WITHMATCHLEN")]
    options += [(b"IDX", b"MINMATCHLEN", b"2"), (b"IDX", b"MINMATCHLEN", b"-1")]
    options += [(b"LEN", b"IDX"), (b"WITHMATCHLEN",), (b"MINMATCHLEN",)]
    options += [(b"MINMATCHLEN", b"x"), (b"nonsense",), (b"LEN", b"WITHMATCHLEN")]
    steps: list[Step] = []
    for one, other in product(texts, texts):
        steps.append((b"MSET", b"a", one, b"b", other))
        steps += [(b"LCS", b"a", b"b", *option) for option in options]
    steps += [(b"LCS", b"a", b"absent", *option) for option in options]
    for resp in (2, 3):
        with_both.run(steps, resp)
