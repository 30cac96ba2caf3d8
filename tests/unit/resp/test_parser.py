# SPDX-License-Identifier: BSD-3-Clause
"""resp.parser: however a stream of requests is cut, it gives the same requests."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastredis._testing import memory
from fastredis._testing.parser import Parser, parse, words

LINE_MAX = 64 * 1024
PARTIAL_MIN = 64  # arguments from which a cut-off request is not parsed from its start
I64_MAX = 2**63 - 1


def request(*args: bytes) -> bytes:
    """Return a request as clients send it."""
    parts = [b"*%d\r\n" % len(args)]
    parts += [b"$%d\r\n%s\r\n" % (len(arg), arg) for arg in args]
    return b"".join(parts)


def feed_in_pieces(parser: Parser, pieces: list[bytes]) -> list[list[bytes]]:
    found: list[list[bytes]] = []
    for piece in pieces:
        if parser.error is None:
            found += parser.feed(piece)
    return found


def cut(data: bytes, *places: int) -> list[bytes]:
    borders = [0, *sorted(places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(borders)]


# --- Whole requests ----------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        [b"PING"],
        [b""],
        [b"SET", b"key", b"value"],
        [b"SET", b"\r\n", b"$3\r\nfoo\r\n"],
        [b"\x00\xff" * 50, b""],
        [b"x"] * 63,
        [b"x"] * 64,
        [b"x" * 10] * 1000,
        [b"SET", b"k", b"v" * 100_000],
    ],
)
def test_array_of_bulk_strings(args: list[bytes]) -> None:
    assert parse(request(*args)) == ([args], None, b"")
    assert parse(request(*args) * 3) == ([args] * 3, None, b"")


@pytest.mark.parametrize(
    "head", [b"*0\r\n", b"*-1\r\n", b"*-10\r\n", b"\r\n", b"\n", b" \n"]
)
def test_request_without_arguments(head: bytes) -> None:
    """Nothing to execute: an empty request, which the engine steps over."""
    assert parse(head) == ([[]], None, b"")
    assert parse(head + request(b"PING")) == ([[], [b"PING"]], None, b"")


def test_line_ends_are_stepped_over_unseen() -> None:
    """Two bytes end a length and a string; as in Redis they are not looked at."""
    assert parse(b"*1\r\n$4\r\nPINGxx") == ([[b"PING"]], None, b"")
    assert parse(b"*1\rx$4\rxPING\r\n") == ([[b"PING"]], None, b"")


# --- Inline commands ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"PING", [b"PING"]),
        (b"  set  key\tvalue ", [b"set", b"key", b"value"]),
        (b"\x0b\x0c a \x0b\x0c", [b"a"]),
        (b"a\x0bb c\x0c", [b"a\x0bb", b"c\x0c"]),
        (b"'a'\x0bb", [b"a", b"b"]),
        (b'"a b" c', [b"a b", b"c"]),
        (b"'a b' c", [b"a b", b"c"]),
        (b'a"b c"', [b"ab c"]),
        (b'""', [b""]),
        (b"'' ''", [b"", b""]),
        (rb'"\x41\x0a\xFf\n\r\t\b\a\\\"\z"', [b'A\n\xff\n\r\t\x08\x07\\"z']),
        (rb'"\x4g\x4"', [b"x4gx4"]),
        (rb"'\x41\n\\ '", [rb"\x41\n\\ "]),
        (rb"'\\''", [rb"\'"]),
        (rb"'it\'s'", [b"it's"]),
        (b"'a\"b'", [b'a"b']),
        (b'"a\'b"', [b"a'b"]),
        (rb"a\ b \x41", [b"a\\", b"b", rb"\x41"]),
        (b"abc\x00def ghi", [b"abc"]),
        (b"abc \x00def", [b"abc"]),
        (b"\xff\x80", [b"\xff\x80"]),
        (b"$4", [b"$4"]),
        (b"", []),
    ],
)
def test_words(line: bytes, expected: list[bytes]) -> None:
    assert words(line) == expected
    if b"*" not in line:
        assert parse(line + b"\r\n") == ([expected], None, b"")
        assert parse(line + b"\n") == ([expected], None, b"")


@pytest.mark.parametrize(
    "line",
    [
        b'"',
        b"'",
        b'"abc',
        b"'abc",
        b'"a"b',
        b"'a'b",
        b'"a""b"',
        b'"abc\\',
        b'"abc\\"',
        b"'abc\\'",
        b'"abc\x00"',
        b'"abc\\\x00"',
        b"a b 'c",
    ],
)
def test_unbalanced_quotes(line: bytes) -> None:
    assert words(line) is None
    error = "unbalanced quotes in request"
    assert parse(line + b"\r\n") == ([], error, line + b"\r\n")
    assert parse(b"PING\n" + line + b"\n")[:2] == ([[b"PING"]], error)


def test_inline_and_array_requests_follow_each_other() -> None:
    data = b"PING\r\n" + request(b"GET", b"k") + b"\n" + b'ECHO "a b"\n' + request(b"X")
    expected = [[b"PING"], [b"GET", b"k"], [], [b"ECHO", b"a b"], [b"X"]]
    assert parse(data) == (expected, None, b"")


# --- Errors ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"*x\r\n", "invalid multibulk length"),
        (b"*\r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"* 1\r\n", "invalid multibulk length"),
        (b"*1 \r\n", "invalid multibulk length"),
        (b"*--1\r\n", "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*9223372036854775808\r\n", "invalid multibulk length"),
        (b"*99999999999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$01\r\n", "invalid bulk length"),
        (b"*1\r\n$-0\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$9223372036854775807\r\n", "invalid bulk length"),
        (b"*1\r\n$18446744073709551616\r\n", "invalid bulk length"),
        (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
        (b"*1\r\n\r\n", "expected '$', got '\r'"),
        (b"*1\r\n*1\r\n", "expected '$', got '*'"),
        (b"*2\r\n$1\r\na\r\n:5\r\n", "expected '$', got ':'"),
        (b"*" + b"1" * LINE_MAX, "too big mbulk count string"),
        (b"*1\r\n$" + b"1" * LINE_MAX, "too big bulk count string"),
        (b"*1\r\n" + b"x" * (LINE_MAX + 1), "too big bulk count string"),
        (b"x" * (LINE_MAX + 1), "too big inline request"),
    ],
)
def test_error(data: bytes, error: str) -> None:
    before = request(b"SET", b"k", b"v") + b"PING\r\n"
    assert parse(data)[:2] == ([], error)
    requests, found, _ = parse(before + data)
    assert (requests, found) == ([[b"SET", b"k", b"v"], [b"PING"]], error)
    # in a request with more arguments than are parsed again
    if data.startswith(b"*1\r\n"):
        many = b"*101\r\n" + b"$1\r\nx\r\n" * 100
        parser = Parser()
        assert parser.feed(many) == []
        assert parser.has_partial
        assert parser.feed(data[4:]) == []
        assert parser.error == error


@pytest.mark.parametrize(
    "data", [b"*" + b"1" * 9, b"*1\r\n$" + b"1" * 100, b"x" * LINE_MAX]
)
def test_line_that_may_still_end_is_waited_for(data: bytes) -> None:
    assert parse(data) == ([], None, data)


def test_limits_of_lengths() -> None:
    """The largest that is allowed waits for its bytes, one more is refused."""
    assert parse(b"*2147483647\r\n")[1] is None
    parser = Parser(max_bulk_nbytes=1000)
    assert parser.feed(b"*1\r\n$1000\r\n") == []
    assert parser.bulk_nbytes == 1000
    assert parser.need == 4 + 7 + 1000 + 2
    assert parser.feed(b"x" * 1002) == [[b"x" * 1000]]
    assert parser.bulk_nbytes == 0
    assert parse(b"*1\r\n$1001\r\n", max_bulk_nbytes=1000)[1] == "invalid bulk length"
    # the greatest limit that can be set: nothing overflows
    parser = Parser(max_bulk_nbytes=I64_MAX)
    assert parser.feed(b"*1\r\n$%d\r\nabc" % I64_MAX) == []
    assert parser.need == 4 + 22 + I64_MAX + 2


def test_limits_before_authentication() -> None:
    def limited(data: bytes) -> str | None:
        return parse(data, is_limited=True)[1]

    assert limited(request(*[b"x"] * 10)) is None
    assert limited(b"*11\r\n") == "unauthenticated multibulk length"
    assert limited(request(b"x" * 16384)) is None
    assert limited(b"*1\r\n$16385\r\n") == "unauthenticated bulk length"
    assert limited(b" ".join([b"x"] * 20) + b"\r\n") is None


# --- Cut streams -------------------------------------------------------------------

MANY = [b"MSET", *(b"%d" % i for i in range(PARTIAL_MIN + 40))]
STREAM = b"".join(
    [
        request(b"SET", b"key", b"value"),
        b"PING\r\n",
        request(*MANY),
        b'set "a b" \'c\\\'d\' "\\x41"\r\n',
        b"*0\r\n",
        request(b"", b"\r\n", b"$5\r\n"),
        b"\r\n",
        request(b"APPEND", b"k", b"v" * 150),
        b"*-1\r\n",
        b"quit\n",
    ]
)
EXPECTED = [
    [b"SET", b"key", b"value"],
    [b"PING"],
    MANY,
    [b"set", b"a b", b"c'd", b"A"],
    [],
    [b"", b"\r\n", b"$5\r\n"],
    [],
    [b"APPEND", b"k", b"v" * 150],
    [],
    [b"quit"],
]


@pytest.mark.parametrize("is_patient", [True, False])
def test_cut_at_every_byte(is_patient: bool) -> None:
    assert parse(STREAM) == (EXPECTED, None, b"")
    for place in range(len(STREAM) + 1):
        parser = Parser(is_patient=is_patient)
        assert feed_in_pieces(parser, cut(STREAM, place)) == EXPECTED
        assert (parser.error, parser.pending) == (None, b"")


@pytest.mark.parametrize("is_patient", [True, False])
def test_fed_byte_by_byte(is_patient: bool) -> None:
    parser = Parser(is_patient=is_patient)
    assert feed_in_pieces(parser, [bytes([b]) for b in STREAM]) == EXPECTED


def test_need_says_when_it_is_of_use_to_parse_again() -> None:
    """Neither too early (in vain) nor too late (a request complete, but not seen)."""
    data = request(b"SET", b"key", b"v" * 1000)
    for place in range(1, len(data)):
        parser = Parser()
        assert parser.feed(data[:place]) == []
        assert place < parser.need <= len(data)
        value_at = data.index(b"v")
        if place >= value_at:
            assert (parser.need, parser.bulk_nbytes) == (len(data), 1000)


@pytest.mark.parametrize("nargs", [PARTIAL_MIN - 1, PARTIAL_MIN, PARTIAL_MIN + 1, 5000])
def test_many_arguments_in_random_pieces(nargs: int) -> None:
    rng = random.Random(nargs)
    args = [rng.randbytes(rng.choice([0, 1, 5, 40])) for _ in range(nargs)]
    data = request(*args) + request(b"PING")
    for _ in range(10):
        pieces, rest = [], data
        while rest:
            n = rng.randrange(1, max(2, len(data) // rng.choice([2, 10, 50])))
            pieces.append(rest[:n])
            rest = rest[n:]
        parser = Parser(is_patient=rng.random() < 0.5)
        assert feed_in_pieces(parser, pieces) == [args, [b"PING"]]
        assert not parser.has_partial


def test_keeps_what_it_found_of_a_long_request() -> None:
    args = [b"%d" % i for i in range(1000)]
    data = request(*args)
    parser = Parser()
    for place in range(0, len(data) - 100, 100):
        assert parser.feed(data[place : place + 100]) == []
    assert parser.has_partial
    assert parser.feed(data[len(data) // 100 * 100 :]) in ([args], [])
    used = memory.used_memory()
    del parser
    assert memory.used_memory() < used


# --- Random bytes ------------------------------------------------------------------

PIECES = [b"*", b"$", b"\r\n", b"\n", b"\r", b"0", b"1", b"2", b"10", b"-1", b"+", b" ",
          b'"', b"'", b"\\", b"\\x4", b"\x00", b"\xff", b"a", b"PING", b"$1\r\na\r\n",
          b"*1\r\n", b"*2\r\n", b"*70\r\n", b"$1\r\na\r\n" * 65]  # fmt: skip

streams = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8))).map(
    b"".join
)


@settings(max_examples=400)
@given(data=streams, places=st.lists(st.integers(0, 300), max_size=6))
@example(data=b"*2\r\n" + b"$1\r\na\r\n" + b"PING\r\n", places=[5, 6, 7])
def test_random_bytes_give_the_same_however_cut(data: bytes, places: list[int]) -> None:
    """Nothing crashes, nothing is read beyond the end (the shim and ASan look)."""
    requests, error, rest = parse(data)
    parser = Parser()
    pieces = cut(data, *(min(place, len(data)) for place in places))
    assert feed_in_pieces(parser, pieces) == requests
    assert parser.error == error
    if error is None:
        assert parser.pending == rest


@settings(max_examples=200)
@given(args=st.lists(st.binary(max_size=300), max_size=70), n=st.integers(1, 3))
def test_what_is_written_is_read(args: list[bytes], n: int) -> None:
    assert parse(request(*args) * n) == ([args] * n, None, b"")


@settings(max_examples=300)
@given(line=st.binary(max_size=60).filter(lambda s: b"\n" not in s))
def test_words_of_random_bytes(line: bytes) -> None:
    found = words(line)
    if found is not None:
        assert sum(map(len, found)) <= len(line)


@settings(max_examples=200)
@given(args=st.lists(st.binary(min_size=0, max_size=20), max_size=5))
def test_quoted_words_are_read(args: list[bytes]) -> None:
    line = b" ".join(b'"%s"' % b"".join(b"\\x%02x" % c for c in a) for a in args)
    assert words(line) == args
