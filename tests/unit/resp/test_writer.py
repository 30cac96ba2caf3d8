# SPDX-License-Identifier: BSD-3-Clause
"""resp.writer: random replies, sent in random pieces, against a bytearray."""

from __future__ import annotations

import math
import random

import pytest

from fastredis._testing import memory
from fastredis._testing.writer import BLOCK_BYTES, Blob, Out, Pool
from support.seeds import seeds

REFERENCE_MIN = 16384  # bytes of a blob that is referred to instead of copied
POOL_MAX_FREE = 64
I64 = [0, 1, 9, 10, -1, -9, -10, 99, 12345, 2**31, 2**63 - 1, -(2**63)]


def out_of(resp: int = 2) -> tuple[Pool, Out]:
    pool = Pool()
    return pool, Out(pool, resp)


# --- Each encoder ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args", "resp2", "resp3"),
    [
        ("ok", (), b"+OK\r\n", b"+OK\r\n"),
        ("simple", (b"PONG",), b"+PONG\r\n", b"+PONG\r\n"),
        ("null", (), b"$-1\r\n", b"_\r\n"),
        ("null_array", (), b"*-1\r\n", b"_\r\n"),
        ("bool", (True,), b":1\r\n", b"#t\r\n"),
        ("bool", (False,), b":0\r\n", b"#f\r\n"),
        ("bulk", (b"",), b"$0\r\n\r\n", b"$0\r\n\r\n"),
        ("bulk", (b"a\r\nb",), b"$4\r\na\r\nb\r\n", b"$4\r\na\r\nb\r\n"),
        ("bulk_int", (-123,), b"$4\r\n-123\r\n", b"$4\r\n-123\r\n"),
        ("array", (3,), b"*3\r\n", b"*3\r\n"),
        ("array", (0,), b"*0\r\n", b"*0\r\n"),
        ("map", (3,), b"*6\r\n", b"%3\r\n"),
        ("set", (3,), b"*3\r\n", b"~3\r\n"),
        ("push", (3,), b"*3\r\n", b">3\r\n"),
        ("double", (1.5,), b"$3\r\n1.5\r\n", b",1.5\r\n"),
        ("double", (-0.0,), b"$2\r\n-0\r\n", b",-0\r\n"),
        ("double", (math.inf,), b"$3\r\ninf\r\n", b",inf\r\n"),
        ("double", (-math.inf,), b"$4\r\n-inf\r\n", b",-inf\r\n"),
        ("double", (math.nan,), b"$3\r\nnan\r\n", b",nan\r\n"),
        ("error", (b"ERR no",), b"-ERR no\r\n", b"-ERR no\r\n"),
        ("error", (b"ERR a\r\nb\n",), b"-ERR a  b \r\n", b"-ERR a  b \r\n"),
        ("error", (b"",), b"-\r\n", b"-\r\n"),
        ("verbatim", (b"txt", b"a\nb"), b"$3\r\na\nb\r\n", b"=7\r\ntxt:a\nb\r\n"),
        ("verbatim", (b"mkd", b""), b"$0\r\n\r\n", b"=4\r\nmkd:\r\n"),
    ],
)
def test_encoder(
    name: str, args: tuple[object, ...], resp2: bytes, resp3: bytes
) -> None:
    for resp, expected in ((2, resp2), (3, resp3)):
        # with every amount of room that is left in the block
        for filled in [0, *range(BLOCK_BYTES - 120, BLOCK_BYTES - 30)]:
            pool, out = out_of(resp)
            out.raw(b"x" * filled)
            getattr(out, name)(*args)
            assert out.peek() == b"x" * filled + expected
            assert out.pending == filled + len(expected)
            out.clear()
            assert pool.nblocks == 0


@pytest.mark.parametrize("n", I64)
def test_integers(n: int) -> None:
    _, out = out_of()
    out.int(n)
    out.bulk_int(n)
    digits = b"%d" % n
    assert out.peek() == b":%s\r\n$%d\r\n%s\r\n" % (digits, len(digits), digits)


@pytest.mark.parametrize("n", [1, REFERENCE_MIN - 1, REFERENCE_MIN, 10**6])
def test_blobs_are_referred_to_if_they_are_long(n: int) -> None:
    pool, out = out_of()
    blob = Blob(b"b" * n)
    out.bulk_blob(blob)
    out.bulk_blob(blob)
    assert blob.refs == (3 if n >= REFERENCE_MIN else 1)
    expected = b"$%d\r\n%s\r\n" % (n, b"b" * n) * 2
    assert out.peek() == expected
    # part of what is referred to has been sent: it must stay until all of it is
    out.consume(len(expected) // 2 + 10)
    assert blob.refs == (2 if n >= REFERENCE_MIN else 1)
    assert out.peek() == expected[len(expected) // 2 + 10 :]
    out.consume(out.pending)
    assert blob.refs == 1
    assert pool.nblocks == 0


def test_reply_holds_a_blob_that_its_owner_gave_up() -> None:
    used = memory.used_memory()
    pool, out = out_of()
    out.blob(Blob(b"b" * 50_000))
    assert out.peek() == b"b" * 50_000
    out.clear()
    del out, pool
    assert memory.used_memory() == used


# --- Deferred heads ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "n", "resp2", "resp3"),
    [
        ("*", 0, b"*0\r\n", b"*0\r\n"),
        ("*", 12, b"*12\r\n", b"*12\r\n"),
        ("%", 5, b"*10\r\n", b"%5\r\n"),
        ("~", 7, b"*7\r\n", b"~7\r\n"),
        (">", 2**62, b"*%d\r\n" % 2**62, b">%d\r\n" % 2**62),
    ],
)
def test_deferred_head(kind: str, n: int, resp2: bytes, resp3: bytes) -> None:
    for resp, head in ((2, resp2), (3, resp3)):
        for nbytes in (0, 10, BLOCK_BYTES, 3 * BLOCK_BYTES):
            pool, out = out_of(resp)
            out.int(5)
            mark = out.defer()
            out.raw(b"e" * nbytes)
            out.resolve(mark, kind, n)
            out.ok()
            assert out.peek() == b":5\r\n" + head + b"e" * nbytes + b"+OK\r\n"
            assert out.pending == len(out.peek())
            out.clear()
            assert pool.nblocks == 0


def test_deferred_heads_within_each_other() -> None:
    _, out = out_of()
    outer = out.defer()
    inner = [out.defer() for _ in range(10)]
    out.bulk(b"x")
    for i, mark in enumerate(inner):
        out.resolve(mark, "*", i)
    out.resolve(outer, "*", 1000)
    heads = b"".join(b"*%d\r\n" % i for i in range(10))
    assert out.peek() == b"*1000\r\n" + heads + b"$1\r\nx\r\n"


def test_clear_with_a_head_that_was_never_written() -> None:
    pool, out = out_of()
    out.defer()
    out.defer()
    out.clear()
    assert (out.pending, pool.nblocks, out.nblocks) == (0, 0, 0)
    out.ok()
    assert out.peek() == b"+OK\r\n"


# --- Blocks ------------------------------------------------------------------------


def test_blocks_go_back_to_the_pool() -> None:
    used = memory.used_memory()
    pool = Pool()
    outs = [Out(pool) for _ in range(100)]
    for out in outs:
        out.raw(b"x" * (BLOCK_BYTES // 2))
    assert pool.nblocks == 100
    assert all(out.nbytes == BLOCK_BYTES for out in outs)
    for out in outs:
        out.consume(out.pending)
        assert out.nbytes == 0
    assert pool.nblocks == 0
    assert pool.nfree == POOL_MAX_FREE
    outs[0].ok()
    assert (pool.nblocks, pool.nfree) == (1, POOL_MAX_FREE - 1)
    del out, outs
    assert (pool.nblocks, pool.nfree) == (0, POOL_MAX_FREE)
    del pool
    assert memory.used_memory() == used


def test_block_larger_than_those_of_the_pool() -> None:
    pool, out = out_of()
    out.need(5 * BLOCK_BYTES)
    out.ok()
    out.raw(b"y" * 5 * BLOCK_BYTES)
    assert out.peek() == b"+OK\r\n" + b"y" * 5 * BLOCK_BYTES
    assert out.nbytes > 5 * BLOCK_BYTES
    out.clear()
    assert pool.nblocks == 0


def test_nothing_appended_opens_no_block() -> None:
    pool, out = out_of()
    out.raw(b"")
    assert (pool.nblocks, out.peek()) == (0, b"")
    n = 0
    while out.nblocks < 2:
        out.raw(b"")
        assert out.nblocks == (n > 0)
        out.raw(b"x")
        n += 1
    # the first block was filled to its last byte before another was opened
    assert BLOCK_BYTES - 64 < n - 1 < BLOCK_BYTES
    assert out.peek() == b"x" * n


def test_long_error_is_one_line() -> None:
    _, out = out_of()
    text = b"ERR " + b"line\r\n" * 10_000
    out.error(text)
    assert out.peek() == b"-" + text.replace(b"\r", b" ").replace(b"\n", b" ") + b"\r\n"


# --- Beside each other --------------------------------------------------------------


@pytest.mark.parametrize("before", [0, 10, BLOCK_BYTES - 60])
@pytest.mark.parametrize("beside", [0, 10, 50_000])
def test_join(before: int, beside: int) -> None:
    pool, out = out_of(3)
    out.raw(b"a" * before)
    apart = out.apart()
    apart.raw(b"b" * beside)
    mark = apart.defer()
    blob = Blob(b"c" * 20_000)
    apart.blob(blob)
    expected = b"a" * before + b"b" * beside
    offset = out.join(apart)
    assert apart.pending == 0
    assert out.pending == len(expected) + 20_000
    # a head that was left open goes along
    out.resolve(offset + mark, "%", 3)
    out.ok()
    assert out.peek() == expected + b"%3\r\n" + b"c" * 20_000 + b"+OK\r\n"
    apart.ok()
    out.join(apart)
    out.join(apart)
    assert out.peek().endswith(b"+OK\r\n+OK\r\n")
    out.clear()
    assert pool.nblocks == 0
    assert blob.refs == 1


# --- Random ------------------------------------------------------------------------


class Model:
    """A reply beside the bytes that it should be."""

    def __init__(self, rng: random.Random, pool: Pool, out: Out, resp: int) -> None:
        self.rng = rng
        self.pool = pool
        self.out = out
        self.resp = resp
        self.text = bytearray()
        # of heads still open: (mark, where it goes)
        self.open: list[tuple[int, int]] = []
        self.blobs = [
            Blob(b"%d" % i * n) for i, n in enumerate((5, 4000, 20_000, 40_000))
        ]
        self.blob_bytes = [
            b"%d" % i * n for i, n in enumerate((5, 4000, 20_000, 40_000))
        ]

    def encode(self) -> None:
        rng, two = self.rng, self.resp == 2
        kind = rng.randrange(14)
        s = rng.randbytes(rng.choice([0, 1, 20, 300, 5000, 40_000]))
        n = rng.choice([*I64, rng.randrange(1000)])
        if kind == 0:
            self.out.raw(s)
            self.text += s
        elif kind in (1, 2):
            self.out.bulk(s)
            self.text += b"$%d\r\n%s\r\n" % (len(s), s)
        elif kind == 3:
            self.out.int(n)
            self.text += b":%d\r\n" % n
        elif kind == 4:
            self.out.ok()
            self.text += b"+OK\r\n"
        elif kind == 5:
            self.out.null()
            self.text += b"$-1\r\n" if two else b"_\r\n"
        elif kind in (6, 7):
            i = rng.randrange(len(self.blobs))
            self.out.bulk_blob(self.blobs[i])
            blob = self.blob_bytes[i]
            self.text += b"$%d\r\n%s\r\n" % (len(blob), blob)
        elif kind == 8:
            i = rng.randrange(len(self.blobs))
            self.out.blob(self.blobs[i])
            self.text += self.blob_bytes[i]
        elif kind == 9:
            n %= 1000
            self.out.map(n)
            self.text += b"*%d\r\n" % (2 * n) if two else b"%%%d\r\n" % n
        elif kind == 10:
            self.out.double(0.25)
            self.text += b"$4\r\n0.25\r\n" if two else b",0.25\r\n"
        elif kind == 11:
            self.out.error(s)
            line = s.replace(b"\r", b" ").replace(b"\n", b" ")
            self.text += b"-" + line + b"\r\n"
        elif kind == 12:
            self.open.append((self.out.defer(), len(self.text)))
        else:
            self.resolve()

    def resolve(self) -> None:
        """Write one of the open heads, not always the innermost."""
        if not self.open:
            return
        mark, place = self.open.pop(self.rng.randrange(len(self.open)))
        kind = self.rng.choice("*%~>")
        n = self.rng.randrange(10 ** self.rng.randrange(1, 18))
        self.out.resolve(mark, kind, n)
        if self.resp == 2:
            head = b"*%d\r\n" % (2 * n if kind == "%" else n)
        else:
            head = b"%s%d\r\n" % (kind.encode(), n)
        self.text[place:place] = head
        self.open = [
            (m, p + len(head) if p > place or (p == place and m > mark) else p)
            for m, p in self.open
        ]

    def send(self) -> None:
        """Drop what was sent, as a socket takes it: any number of bytes."""
        while self.open:
            self.resolve()
        n = self.rng.randrange(len(self.text) + 1)
        if self.rng.random() < 0.3:
            n = len(self.text)
        self.out.consume(n)
        del self.text[:n]

    def beside(self) -> None:
        """Append to a reply beside this one; join it or drop it."""
        resp = self.resp
        other = Model(self.rng, self.pool, self.out.apart(), resp)
        for _ in range(self.rng.randrange(6)):
            other.encode()
        while other.open:
            other.resolve()
        assert other.out.peek() == bytes(other.text)
        if self.rng.random() < 0.6:
            self.out.join(other.out)
            self.text += other.text
            assert other.out.pending == 0
        else:
            other.out.clear()

    def check(self) -> None:
        if not self.open:
            assert self.out.pending == len(self.text)
            assert self.out.peek() == bytes(self.text)


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("seed", seeds(15))
def test_random_replies(seed: int, resp: int) -> None:
    rng = random.Random(seed)
    used = memory.used_memory()
    pool = Pool()
    model = Model(rng, pool, Out(pool, resp), resp)
    for _ in range(250):
        action = rng.random()
        if action < 0.75:
            model.encode()
        elif action < 0.85:
            model.beside()
        else:
            model.send()
        model.check()
    assert model.out.nblocks <= pool.nblocks
    model.out.clear()
    assert pool.nblocks == 0
    assert all(blob.refs == 1 for blob in model.blobs)
    del model, pool
    assert memory.used_memory() == used
