# SPDX-License-Identifier: BSD-3-Clause
"""core.pattern against a model, and against what KEYS and CONFIG GET answer."""

from __future__ import annotations

import random
import re

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastredis._testing import core

# Few letters, so that patterns match now and then, and all that is special.
PATTERN_BYTES = b"aabbcAz01**??[[]]^^--\\\\\x80\xff\x00"
SUBJECT_BYTES = b"aabbcAz01*?[]^-\\\x80\xff\x00"
STARS_MAX = 1000


def texts(alphabet: bytes, max_size: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(alphabet), max_size=max_size).map(bytes)


patterns = texts(PATTERN_BYTES, 12)
subjects = texts(SUBJECT_BYTES, 8)


# --- The model ---------------------------------------------------------------


def lower(value: int) -> int:
    return value + 32 if ord("A") <= value <= ord("Z") else value


def signed(value: int) -> int:
    return value - 256 if value > 127 else value


def read_class(text: bytes, nocase: bool) -> tuple[frozenset[int], int]:
    """Return the bytes that a class takes, and the length of its text behind [."""
    members: set[int] = set()
    negated = text.startswith(b"^")
    i = 1 if negated else 0
    while i < len(text) and text[i : i + 1] != b"]":
        if text[i : i + 1] == b"\\" and i + 1 < len(text):
            members.add(text[i + 1])
            i += 2
        elif text[i + 1 : i + 2] == b"-" and i + 2 < len(text):
            low, high = sorted((signed(text[i]), signed(text[i + 2])))
            if nocase:
                span = range(lower(low), lower(high) + 1)
                members |= {c for c in range(256) if lower(signed(c)) in span}
            else:
                members |= {c & 255 for c in range(low, high + 1)}
            i += 3
        else:
            members.add(text[i])
            if nocase:
                members |= {c for c in range(256) if lower(c) == lower(text[i])}
            i += 1
    if negated:
        members = set(range(256)) - members
    return frozenset(members), i + 1 if i < len(text) else i


def read_pattern(pattern: bytes, nocase: bool) -> list[frozenset[int] | None]:
    """Return one set of bytes for each element, None for a *."""
    elements: list[frozenset[int] | None] = []
    i = 0
    while i < len(pattern):
        byte = pattern[i : i + 1]
        i += 1
        if byte == b"*":
            elements.append(None)
        elif byte == b"?":
            elements.append(frozenset(range(256)))
        elif byte == b"[":
            members, length = read_class(pattern[i:], nocase)
            elements.append(members)
            i += length
        else:
            if byte == b"\\" and i < len(pattern):
                byte = pattern[i : i + 1]
                i += 1
            both = {c for c in range(256) if lower(c) == lower(byte[0])}
            elements.append(frozenset(both) if nocase else frozenset(byte))
    return elements


def model(pattern: bytes, subject: bytes, nocase: bool = False) -> bool:
    """Follow all ways at once; nothing is shared with the code under test."""
    if not subject or not pattern:
        return not subject and not pattern
    reached = {0}
    for element in read_pattern(pattern, nocase):
        if element is None:
            reached = set(range(min(reached), len(subject) + 1)) if reached else set()
        else:
            reached = {
                i + 1 for i in reached if i < len(subject) and subject[i] in element
            }
    return len(subject) in reached


# --- Matching ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (b"", [b""], [b"a"]),
        (b"*", [b"a", b"\x00", b"ab"], [b""]),
        (b"**", [b"a"], [b""]),
        (b"h?llo", [b"hello", b"h\x00llo"], [b"hllo", b"heello"]),
        (b"h*llo", [b"hllo", b"heeello"], [b"hell", b"hllo "]),
        (b"h[ae]llo", [b"hello", b"hallo"], [b"hillo"]),
        (b"h[^e]llo", [b"hallo"], [b"hello", b"hllo"]),
        (b"h[a-b]llo", [b"hallo", b"hbllo"], [b"hcllo", b"h-llo"]),
        (b"[b-a]", [b"a", b"b"], [b"c", b"-"]),
        (b"[a-\\]]", [b"a]", b"\\]"], [b"]", b"a"]),
        (b"[\\]]", [b"]"], [b"\\"]),
        (b"[\\a-b]", [b"a", b"-", b"b"], [b"\\"]),
        (b"[]", [], [b"]", b"a"]),
        (b"[^]", [b"]", b"a"], [b"ab"]),
        (b"[", [], [b"["]),
        (b"[^", [b"[", b"^"], [b"[^"]),
        (b"[a", [b"a"], [b"[a"]),
        (b"[a-", [b"a", b"-"], [b"b"]),
        (b"[a-]", [b"]", b"^", b"a"], [b"-", b"b"]),
        (b"[\\", [b"\\"], [b"["]),
        (b"[\\]", [b"]"], [b"\\"]),
        (b"[a-\xff]", [b"\xff", b"\x00", b"a"], [b"\x80", b"b"]),
        (b"\\", [b"\\"], [b""]),
        (b"\\*", [b"*"], [b"\\*", b"a"]),
        (b"a\\", [b"a\\"], [b"a"]),
        (b"]", [b"]"], []),
        (b"a*b*c", [b"abc", b"aXbXbc"], [b"acb", b"ab"]),
        (b"*a", [b"a", b"aa", b"ba"], [b"ab", b""]),
        (b"a\x00*", [b"a\x00", b"a\x00b"], [b"a"]),
    ],
)
def test_examples(pattern: bytes, yes: list[bytes], no: list[bytes]) -> None:
    assert [s for s in yes if not core.match(pattern, s)] == []
    assert [s for s in no if core.match(pattern, s)] == []


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        (b"FoO*", b"fOobar", True),
        (b"[A-C]x", b"bX", True),
        (b"[Z-a]", b"b", False),  # put in order first: z-a is empty
        (b"[\\O]", b"o", False),  # escaped: case counts
        (b"[\\o]", b"o", True),
        (b"\\O", b"o", True),  # but not outside of a class
        (b"[^q]", b"Q", False),
        (b"\xc4", b"\xe4", False),  # only ASCII has case here
        (b"@", b"`", False),
        (b"*B*", b"abc", True),
    ],
)
def test_nocase(pattern: bytes, subject: bytes, expected: bool) -> None:
    assert core.match(pattern, subject, True) is expected


@settings(max_examples=1000)
@given(patterns, subjects, st.booleans())
def test_equals_the_model(pattern: bytes, subject: bytes, nocase: bool) -> None:
    assert core.match(pattern, subject, nocase) == model(pattern, subject, nocase)


@settings(max_examples=300)
@given(texts(b"ab*?", 14), texts(b"ab", 20))
def test_equals_the_model_with_many_stars(pattern: bytes, subject: bytes) -> None:
    assert core.match(pattern, subject) == model(pattern, subject)


def test_nested_stars_end() -> None:
    """Trying every combination would outlast the universe."""
    subject = b"a" * 5000
    assert not core.match(b"a*" * 200 + b"b", subject)
    assert not core.match(b"*a?" * 200 + b"b", subject)
    assert not core.match(b"*[ab]" * 200 + b"\\b*b", subject, True)
    assert core.match(b"a*" * 200 + b"b", subject + b"b")


def test_limit_of_stars() -> None:
    subject = b"a" * 3000
    assert core.match(b"*?" * STARS_MAX, subject)
    assert not core.match(b"*?" * (STARS_MAX + 1), subject)
    assert core.match(b"*?" * STARS_MAX + b"*", subject)
    assert core.match(b"*" * (5 * STARS_MAX) + b"a", subject)


# --- Literals ----------------------------------------------------------------


@given(patterns)
def test_literal_matches_only_itself(pattern: bytes) -> None:
    literal = core.is_literal(pattern)
    assert literal == (re.search(rb"[*?\[\\]", pattern) is None)
    if literal:
        assert core.match(pattern, pattern)
        assert not core.match(pattern, pattern + b"a")
        assert not core.match(pattern + b"a", pattern)


# --- Genuine servers ---------------------------------------------------------


def check_keys(server: redis.Redis, keys: list[bytes], tried: list[bytes]) -> None:
    pipe = server.pipeline(transaction=False)
    pipe.response_callbacks.clear()
    pipe.execute_command("FLUSHALL")
    for key in keys:
        pipe.execute_command("SET", key, "")
    for pattern in tried:
        pipe.execute_command("KEYS", pattern)
    for pattern, found in zip(tried, pipe.execute()[1 + len(keys) :], strict=True):
        expected = sorted({k for k in keys if core.match(pattern, k)})
        assert sorted(found) == expected, pattern


CONFIG_EDITS = [b"?", b"*", b"[a-z]", b"[Z-a]", b"[^m]", b"[\\O]", b"\\e"]

# KEYS * is answered without matching, and so finds the empty key too.
keys_patterns = patterns.filter(lambda p: p != b"*")


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(subjects, min_size=1, max_size=40),
    st.lists(keys_patterns, min_size=20, max_size=60),
)
def test_keys_of_redis(
    redis_server: redis.Redis, keys: list[bytes], tried: list[bytes]
) -> None:
    check_keys(redis_server, keys, tried)


def test_keys_with_many_patterns(redis_server: redis.Redis) -> None:
    rng = random.Random(20)
    keys = [bytes(rng.choices(SUBJECT_BYTES, k=rng.randrange(6))) for _ in range(150)]
    tried = [bytes(rng.choices(PATTERN_BYTES, k=rng.randrange(9))) for _ in range(5000)]
    check_keys(redis_server, keys, [p for p in tried if p != b"*"])
    check_keys(
        redis_server, [b"a" * 3000], [b"*?" * n for n in range(998, 1004)] + [b"*a*"]
    )


def test_config_get_ignores_case(redis_server: redis.Redis) -> None:
    rng = random.Random(4)
    names = redis_server.execute_command("CONFIG", "GET", "*")[::2]
    alphabet = b"?*[]a-z\\A-Z^_-mMoO"
    matched = 0
    for _ in range(2000):
        pattern = bytearray(rng.choice(names))
        for _ in range(rng.randrange(1, 4)):
            i = rng.randrange(len(pattern))
            some = bytes(rng.choices(alphabet, k=3))
            pattern[i : i + 1] = rng.choice(
                [*CONFIG_EDITS, some, pattern[i : i + 1].upper()]
            )
        if not re.search(rb"[*?\[]", pattern):
            continue  # then a name is looked up, and not matched
        found = redis_server.execute_command("CONFIG", "GET", bytes(pattern))[::2]
        expected = [n for n in names if core.match(bytes(pattern), n, True)]
        assert sorted(found) == sorted(expected), pattern
        matched += bool(found)
    assert matched > 100
