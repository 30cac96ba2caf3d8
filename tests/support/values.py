# SPDX-License-Identifier: BSD-3-Clause
"""Values of every type and encoding, as the commands that make them."""

from __future__ import annotations

import random
from typing import Any

Commands = list[tuple[Any, ...]]


def numbered(n: int) -> list[str]:
    return [f"element-{i}" for i in range(n)]


def integers(n: int, scale: int) -> list[int]:
    rng = random.Random(n)
    return [rng.randrange(-scale, scale) for _ in range(n)]


def pairs(names: list[Any], values: list[Any]) -> list[Any]:
    return [item for pair in zip(names, values, strict=True) for item in pair]


def scores(n: int) -> list[Any]:
    rng = random.Random(n)
    odd = ["inf", "-inf", "0", "-0", "1e300", "5e-324", "0.1", str(2**53)]
    return [*odd, *(rng.uniform(-1e6, 1e6) for _ in range(n))][:n]


MIXED = [b"", b"0", b"-1", b"127", b"128", b"-32768", b"65536", b"2147483647"]
MIXED += [b"2147483648", b"-9223372036854775808", b"9223372036854775808", b"007"]
MIXED += [b"x" * 63, b"x" * 64, b"\x00\xff\r\n", bytes(range(256)) * 70]
WORDS = b"the quick brown fox jumps over the lazy dog, and then the dog jumps. " * 40

# Each makes a value at the key k; about one for each way to store it.
VALUES: dict[str, Commands] = {
    **{f"string {i}": [("SET", "k", text)] for i, text in enumerate(MIXED)},
    "string of words": [("SET", "k", WORDS)],
    "string of zeros": [("SET", "k", b"\0" * 100_000)],
    "string at random": [("SET", "k", random.Random(1).randbytes(20_000))],
    "string appended to": [("SET", "k", "12"), ("APPEND", "k", "34")],
    "hyperloglog": [("PFADD", "k", *range(500)), ("PFCOUNT", "k")],
    "dense hyperloglog": [("PFADD", "k", *range(5000))],
    "list": [("RPUSH", "k", *MIXED)],
    "small list": [("RPUSH", "k", "a", 1, "b")],
    "long list": [("RPUSH", "k", *numbered(3000))],
    "list of integers": [("RPUSH", "k", *integers(5000, 2**62))],
    "list with giants": [("RPUSH", "k", "a", WORDS * 40, "b", WORDS * 40)],
    "compressed list": [
        ("CONFIG", "SET", "list-compress-depth", 1),
        ("RPUSH", "k", *[WORDS] * 100),
    ],
    "set of integers": [("SADD", "k", *integers(100, 100))],
    "set of 32 bits": [("SADD", "k", *integers(300, 2**31))],
    "set of 64 bits": [("SADD", "k", *integers(500, 2**63))],
    "small set": [("SADD", "k", "a", 1, "b")],
    "set": [("SADD", "k", *MIXED)],
    "large set": [("SADD", "k", *numbered(2000))],
    "small sorted set": [("ZADD", "k", *pairs(scores(20), numbered(20)))],
    "sorted set": [("ZADD", "k", *pairs(scores(1000), numbered(1000)))],
    "sorted set of ties": [("ZADD", "k", *pairs([1] * 500, numbered(500)))],
    "sorted set, long member": [("ZADD", "k", 1.5, "x" * 100, 2, "y")],
    "small hash": [("HSET", "k", *pairs(numbered(20), integers(20, 10**6)))],
    "hash of numbers": [("HSET", "k", *pairs(integers(9, 9**9), integers(9, 2**40)))],
    "hash": [("HSET", "k", *pairs(numbered(1000), integers(1000, 10**6)))],
    "hash, long value": [("HSET", "k", "f", WORDS, "", "")],
}


def dataset(expiry: bool = True) -> Commands:
    """Return commands that store all of them: in two databases, some with an expiry."""
    commands: Commands = []
    for db in (0, 9):
        commands.append(("SELECT", db))
        for i, (name, steps) in enumerate(VALUES.items()):
            key = f"{name}:{i}"
            for command, *rest in steps:
                if command != "CONFIG":
                    commands.append((command, key, *rest[1:]))
            if expiry and i % 3 == 0:
                commands.append(("PEXPIREAT", key, 4_000_000_000_000 + i))
    return commands
