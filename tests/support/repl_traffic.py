# SPDX-License-Identifier: BSD-3-Clause
"""Random changes of values of all types, as a pipeline; Redis 7.0 knows all of them."""

from __future__ import annotations

import random

Command = list[bytes]


class Traffic:
    """A source of commands that write; the same seed brings the same."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def _key(self, kind: str) -> bytes:
        return f"{kind}:{self._random.randrange(12)}".encode()

    def _word(self) -> bytes:
        chance = self._random
        if chance.random() < 0.1:
            return chance.randbytes(chance.randrange(1, 300))
        return str(chance.randrange(40)).encode()

    def _words(self) -> list[bytes]:
        return [self._word() for _ in range(self._random.randrange(1, 6))]

    def _number(self) -> bytes:
        return str(self._random.randrange(-50, 50)).encode()

    def _one(self) -> Command:
        word, words, number, key = self._word, self._words, self._number, self._key
        choices: list[Command] = [
            [b"SET", key("s"), word()],
            [b"SET", key("n"), number()],
            [b"INCRBY", key("n"), number()],
            [b"INCRBYFLOAT", key("f"), b"0.25"],
            [b"APPEND", key("s"), word()],
            [b"SETRANGE", key("s"), b"7", word()],
            [b"SETBIT", key("b"), str(self._random.randrange(900)).encode(), b"1"],
            [b"SETEX", key("s"), b"1000", word()],
            [b"GETDEL", key("s")],
            [b"PFADD", key("p"), *words()],
            [b"RPUSH", key("l"), *words()],
            [b"LPUSH", key("l"), *words()],
            [b"LPOP", key("l")],
            [b"LMOVE", key("l"), key("l"), b"LEFT", b"RIGHT"],
            [b"LSET", key("l"), b"0", word()],
            [b"LTRIM", key("l"), b"-30", b"-1"],
            [b"SADD", key("set"), *words()],
            [b"SREM", key("set"), *words()],
            [b"SPOP", key("set"), b"2"],
            [b"SUNIONSTORE", key("set"), key("set"), key("set")],
            [b"HSET", key("h"), word(), word()],
            [b"HINCRBY", key("hn"), word(), number()],
            [b"HDEL", key("h"), *words()],
            [b"ZADD", key("z"), number(), word()],
            [b"ZINCRBY", key("z"), number(), word()],
            [b"ZREM", key("z"), *words()],
            [b"ZPOPMIN", key("z")],
            [b"ZUNIONSTORE", key("z"), b"2", key("z"), key("z")],
            [b"GEOADD", key("g"), b"13.361389", b"38.115556", word()],
            [b"XADD", key("x"), b"MAXLEN", b"~", b"100", b"*", word(), word()],
            [b"XGROUP", b"CREATE", key("x"), word(), b"$", b"MKSTREAM"],
            [b"XREADGROUP", b"GROUP", b"1", b"c", b"STREAMS", key("x"), b">"],
            [b"XDEL", key("x"), b"1-1"],
            [b"EXPIRE", key(self._random.choice("snlhzx")), b"2000"],
            [b"PERSIST", key(self._random.choice("snlhzx"))],
            [b"RENAME", key("s"), key("s")],
            [b"COPY", key("l"), key("l"), b"REPLACE"],
            [b"DEL", key(self._random.choice("snlhzxbp"))],
            [b"SELECT", str(self._random.randrange(3)).encode()],
            [b"SORT", key("n"), b"BY", b"nosort", b"STORE", key("l")],
        ]
        return self._random.choice(choices)

    def take(self, n: int) -> list[Command]:
        """Return n commands, some of them in transactions."""
        commands: list[Command] = []
        while len(commands) < n:
            if self._random.random() < 0.05:
                inner = [self._one() for _ in range(self._random.randrange(1, 5))]
                commands += [[b"MULTI"], *inner, [b"EXEC"]]
            else:
                commands.append(self._one())
        return commands
