# SPDX-License-Identifier: BSD-3-Clause
"""keyspace.obj: every layout of a key object, and every change from one to another."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from fastredis._testing import memory
from fastredis._testing.keyspace import (
    EMBSTR_MAX,
    INLINE_MAX,
    NO_EXPIRE,
    Obj,
    Pile,
    type_name,
)
from support.seeds import seeds

NOW = 1_790_000_000_000
EXPIRE48_MAX = 2**48 - 2  # all ones stand for none
LENGTHS = [0, 1, 7, 8, 44, 45, 254, 255, 256, 257, INLINE_MAX - 1, INLINE_MAX]
KEY_LENGTHS = [0, 1, 16, 254, 255, 256, 257, 5000]
EXPIRES = [NO_EXPIRE, 0, 1, NOW, EXPIRE48_MAX, EXPIRE48_MAX + 1, 2**48, 2**63 - 1, -2]


def text(n: int, seed: int = 1) -> bytes:
    """Return n bytes that are not alike for long."""
    return bytes((i * 131 + (i >> 8) * 17 + seed) & 255 for i in range(n))


def expire_nbytes(flags: frozenset[str]) -> int:
    return 6 if "expire" in flags else 8 if "expire_wide" in flags else 0


# --- Layouts -----------------------------------------------------------------------


@pytest.mark.parametrize("value_len", [*LENGTHS, INLINE_MAX + 1, 100_000])
@pytest.mark.parametrize("key_len", KEY_LENGTHS)
def test_layout(key_len: int, value_len: int) -> None:
    key, value = text(key_len, 2), text(value_len, 3)
    is_inline = value_len <= INLINE_MAX
    is_wide = key_len > 255 or (is_inline and value_len > 255)
    for expire_ms in EXPIRES:
        o = Obj(key, value, expire_ms).describe()
        assert (o["key"], o["value"], o["expire_ms"]) == (key, value, expire_ms)
        expected = {"wide"} if is_wide else set()
        if expire_ms != NO_EXPIRE:
            fits = 0 <= expire_ms <= EXPIRE48_MAX
            expected.add("expire" if fits else "expire_wide")
        assert o["flags"] == expected
        assert o["has_field"] == (expire_ms != NO_EXPIRE)
        assert o["stored"] == ("inline" if is_inline else "blob")
        header = (16 if is_wide else 7) + expire_nbytes(o["flags"])
        needed = header + key_len + (value_len if is_inline else 8)
        assert needed <= o["block"] <= max(memory.good_size(needed), needed)
        assert o["nbytes"] >= o["block"] + (0 if is_inline else value_len)
        assert (o["type"], o["lru"], o["effort"]) == ("string", 0, 1)


@pytest.mark.parametrize("value", [0, -1, 9, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("key_len", [0, 20, 255, 256])
def test_integer(key_len: int, value: int) -> None:
    for expire_ms in EXPIRES:
        o = Obj(text(key_len), value, expire_ms)
        assert o.describe()["value"] == b"%d" % value
        assert o.describe()["expire_ms"] == expire_ms
        assert (o.describe()["stored"], o.describe()["encoding"]) == ("int", "int")
        o.set_int(~value)
        assert o.describe()["value"] == b"%d" % ~value
        assert o.describe()["key"] == text(key_len)


def test_small_key_and_value_take_one_small_block() -> None:
    used = memory.used_memory()
    o = Obj(text(16), b"abc")
    assert memory.used_memory() - used == o.describe()["block"]
    assert o.describe()["block"] <= memory.good_size(26)
    assert Obj(text(16), b"abc", NOW).describe()["block"] <= memory.good_size(32)


def test_pointer_value() -> None:
    used = memory.used_memory()
    o = Obj(b"key", Pile(100), NOW)
    d = o.describe()
    assert (d["value"], d["type"], d["encoding"]) == (100, "module", "pile")
    assert d["effort"] == 100
    assert d["nbytes"] == memory.used_memory() - used
    copy = o.copy(b"other")
    assert copy.describe()["value"] == 100
    o.rename(text(300), 2**50)
    assert o.describe()["value"] == 100
    assert o.describe()["key"] == text(300)
    del o
    assert copy.describe()["value"] == 100
    del copy
    assert memory.used_memory() == used


def test_type_names() -> None:
    names = [type_name(i) for i in range(7)]
    assert names == ["string", "list", "set", "zset", "hash", "module", "stream"]


# --- Encodings' names --------------------------------------------------------------


def test_encoding_names() -> None:
    assert Obj(b"k", text(EMBSTR_MAX)).describe()["encoding"] == "embstr"
    assert Obj(b"k", text(EMBSTR_MAX + 1)).describe()["encoding"] == "raw"
    assert Obj(b"k", text(5000)).describe()["encoding"] == "raw"
    assert Obj(b"k", b"short", blob=True).describe()["encoding"] == "raw"
    o = Obj(b"k", b"short")
    o.set_flags("raw")
    assert o.describe()["encoding"] == "raw"
    # what was changed in place once is raw, and so are copies of it
    assert o.copy(b"c").describe()["encoding"] == "raw"
    o.rename(b"r", NOW)
    assert o.describe()["encoding"] == "raw"
    # ... until it gets a value anew
    assert o.overwrite(b"new")
    assert o.describe()["encoding"] == "embstr"


# --- Expiry ------------------------------------------------------------------------


@pytest.mark.parametrize("first", EXPIRES)
@pytest.mark.parametrize("key_len", [3, 300])
def test_expiry_changes_from_each_width_to_each(key_len: int, first: int) -> None:
    for second in EXPIRES:
        o = Obj(text(key_len), b"value", first)
        o.set_lru(0xABCDEF)
        o.set_flags("lag", "wheel", "raw")
        o.with_expire(second)
        d = o.describe()
        assert (d["key"], d["value"]) == (text(key_len), b"value")
        assert (d["expire_ms"], d["lru"]) == (second, 0xABCDEF)
        assert {"lag", "wheel", "raw"} <= d["flags"]
        assert not {"expire", "expire_wide"} <= d["flags"]
        o.with_expire(first)
        assert o.describe()["expire_ms"] == first


def test_expiry_that_is_taken_away_leaves_its_room() -> None:
    o = Obj(b"key", b"value", NOW)
    address = o.describe()["address"]
    for expire_ms in (NO_EXPIRE, NOW + 1, NO_EXPIRE, EXPIRE48_MAX, 0):
        o.with_expire(expire_ms)
        assert o.describe()["expire_ms"] == expire_ms
        assert o.describe()["address"] == address


# --- Overwriting -------------------------------------------------------------------


@pytest.mark.parametrize("key_len", [0, 10, 255, 256, 400])
@pytest.mark.parametrize("before", [*LENGTHS, None])
def test_overwrite(key_len: int, before: int | None) -> None:
    """From each length (or an integer) to each; False leaves the object alone."""
    old: bytes | int = 12345 if before is None else text(before, 9)
    expires = (NO_EXPIRE, NOW, 2**60)
    for after, expire_ms in itertools.product([*LENGTHS, INLINE_MAX + 1], expires):
        o = Obj(text(key_len), old, expire_ms)
        o.set_flags("raw", "lag")
        was = o.describe()
        done = o.overwrite(text(after, 5))
        now = o.describe()
        if not done:
            assert now == was
            continue
        assert now["value"] == text(after, 5)
        assert now["stored"] == "inline"
        assert now["flags"] == was["flags"] - {"raw"}
        for unchanged in ("key", "expire_ms", "lru", "block", "address"):
            assert now[unchanged] == was[unchanged]
        # a value that is overwritten again and again must not fill a block by less
        # than half, unless the block is small
        header = 16 if "wide" in now["flags"] else 7
        total = header + expire_nbytes(now["flags"]) + key_len + after
        assert now["block"] <= 64 or 2 * total >= now["block"] - 1


def test_overwrite_uses_the_same_block_where_it_can() -> None:
    assert Obj(b"key", b"12345678").overwrite(b"87654321")
    assert Obj(b"key", b"12345678").overwrite(b"1")
    assert Obj(b"key", 5).overwrite(b"value")
    assert Obj(b"key", text(300)).overwrite(text(250))
    # lengths beyond 255 need the wide header, which is not made in place
    assert not Obj(b"key", text(255)).overwrite(text(256))
    assert not Obj(b"key", text(INLINE_MAX)).overwrite(b"x")
    assert not Obj(b"key", text(INLINE_MAX)).overwrite(text(INLINE_MAX + 1))
    assert not Obj(b"key", text(300), blob=True).overwrite(text(300))
    assert not Obj(b"key", Pile(1)).overwrite(b"x")


# --- Random ------------------------------------------------------------------------


def random_value(rng: random.Random) -> bytes | int | Pile:
    kind = rng.randrange(8)
    if kind == 0:
        return rng.randrange(-(2**63), 2**63)
    if kind == 1:
        return Pile(rng.randrange(5))
    if kind == 2:
        return text(rng.choice([*LENGTHS, INLINE_MAX + 1, 3000]), rng.randrange(256))
    return rng.randbytes(rng.randrange(60))


def seen(value: bytes | int | Pile) -> bytes | int:
    """Return how the shim reads a value."""
    if isinstance(value, Pile):
        return value.n
    return value if isinstance(value, bytes) else b"%d" % value


@pytest.mark.parametrize("seed", seeds(20))
def test_random_changes(seed: int) -> None:
    rng = random.Random(seed)
    used = memory.used_memory()
    objects: list[tuple[Obj, dict[str, Any]]] = []
    for _ in range(500):
        if len(objects) < 5 or rng.random() < 0.1:
            value = random_value(rng)
            key, expire = text(rng.choice(KEY_LENGTHS)), rng.choice(EXPIRES)
            is_blob = isinstance(value, bytes) and rng.random() < 0.2
            o = Obj(key, value, expire, blob=is_blob)
            state = {"key": key, "value": seen(value), "expire_ms": expire, "lru": 0}
            objects.append((o, state))
        o, state = objects[rng.randrange(len(objects))]
        action = rng.randrange(6)
        if action == 0:
            state["expire_ms"] = rng.choice(EXPIRES)
            o.with_expire(state["expire_ms"])
        elif action == 1:
            state["key"] = text(rng.choice(KEY_LENGTHS), rng.randrange(256))
            state["expire_ms"] = rng.choice(EXPIRES)
            o.rename(state["key"], state["expire_ms"])
        elif action == 2:
            state["lru"] = rng.randrange(2**24)
            o.set_lru(state["lru"])
        elif action == 3:
            key, expire = text(rng.choice(KEY_LENGTHS), 77), rng.choice(EXPIRES)
            copied = {
                "key": key,
                "value": state["value"],
                "expire_ms": expire,
                "lru": 0,
            }
            objects.append((o.copy(key, expire), copied))
        elif action == 4 and isinstance(state["value"], bytes):
            value = rng.randbytes(rng.choice([rng.randrange(70), *LENGTHS]))
            if o.overwrite(value):
                state["value"] = value
        else:
            objects.remove((o, state))
            continue
        for one, expected in (objects[-1], (o, state)):
            described = one.describe()
            assert {name: described[name] for name in expected} == expected
    del objects, o, one
    assert memory.used_memory() == used
