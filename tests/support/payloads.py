# SPDX-License-Identifier: BSD-3-Clause
"""What DUMP might give, made by hand: every type and encoding that files may have."""

from __future__ import annotations

import struct
from typing import Any

STRING, LIST, SET, ZSET_TEXT, HASH, ZSET = 0, 1, 2, 3, 4, 5
HASH_ZIPMAP, LIST_ZIPLIST, SET_INTSET, ZSET_ZIPLIST, HASH_ZIPLIST = 9, 10, 11, 12, 13
LIST_ZIPLISTS, HASH_LISTPACK, ZSET_LISTPACK, LIST_NODES, SET_LISTPACK = (
    14,
    16,
    17,
    18,
    20,
)
HASH_VALKEY, HASH_TIMES, HASH_LISTPACK_TIMES = 22, 24, 25
FAR = 4_000_000_000_000  # ms; the year 2096


# --- Payloads by hand --------------------------------------------------------------


def _table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
        table.append(crc)
    return table


CRC = _table()


def sealed(body: bytes, version: int = 10) -> bytes:
    """Append version and checksum."""
    body += struct.pack("<H", version)
    crc = 0
    for byte in body:
        crc = CRC[(crc ^ byte) & 255] ^ crc >> 8
    return body + struct.pack("<Q", crc)


def length(n: int) -> bytes:
    if n < 64:
        return bytes([n])
    if n < 16384:
        return struct.pack(">H", n | 0x4000)
    return b"\x80" + struct.pack(">I", n)


def string(text: bytes) -> bytes:
    return length(len(text)) + text


def strings(*texts: bytes) -> bytes:
    return b"".join(map(string, texts))


def ziplist(*entries: bytes | int) -> bytes:
    """Encode as Redis did before version 7."""
    body, last, before = b"", 10, 0
    for entry in entries:
        if isinstance(entry, int):
            if 0 <= entry <= 12:
                rest = bytes([0xF1 + entry])
            elif -128 <= entry < 128:
                rest = b"\xfe" + struct.pack("<b", entry)
            elif -(2**15) <= entry < 2**15:
                rest = b"\xc0" + struct.pack("<h", entry)
            elif -(2**23) <= entry < 2**23:
                rest = b"\xf0" + struct.pack("<i", entry)[:3]
            elif -(2**31) <= entry < 2**31:
                rest = b"\xd0" + struct.pack("<i", entry)
            else:
                rest = b"\xe0" + struct.pack("<q", entry)
        elif len(entry) < 64:
            rest = bytes([len(entry)]) + entry
        elif len(entry) < 16384:
            rest = struct.pack(">H", len(entry) | 0x4000) + entry
        else:
            rest = b"\x80" + struct.pack(">I", len(entry)) + entry
        head = bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)
        last = 10 + len(body)
        body += head + rest
        before = len(head) + len(rest)
    total = 10 + len(body) + 1
    return struct.pack("<IIH", total, last, len(entries)) + body + b"\xff"


def zipmap(*pairs: tuple[bytes, bytes], unused: int = 0) -> bytes:
    """Encode as Redis did before version 2.6."""

    def size(text: bytes) -> bytes:
        n = len(text)
        return bytes([n]) if n < 254 else b"\xfe" + struct.pack("<I", n)

    body = b""
    for field, value in pairs:
        body += size(field) + field + size(value) + bytes([unused])
        body += value + bytes(unused)
    return bytes([min(len(pairs), 254)]) + body + b"\xff"


def listpack(*texts: bytes) -> bytes:
    """Encode short strings as a listpack."""
    body = b""
    for text in texts:
        assert len(text) < 64
        body += bytes([0x80 | len(text)]) + text + bytes([len(text) + 1])
    total = 6 + len(body) + 1
    return struct.pack("<IH", total, len(texts)) + body + b"\xff"


def intset(width: int, *numbers: int) -> bytes:
    kind = {2: "h", 4: "i", 8: "q"}[width]
    packed = struct.pack(f"<{len(numbers)}{kind}", *numbers)
    return struct.pack("<II", width, len(numbers)) + packed


# --- One of each kind --------------------------------------------------------------

BIG = [0, 12, 13, -1, 127, -128, 128, -32768, 32768, 2**23 - 1, -(2**23), 2**23]
BIG += [2**31 - 1, -(2**31), 2**31, -(2**63), 2**63 - 1]
LONG = [b"", b"x" * 63, b"y" * 64, b"z" * 252, b"w" * 253, b"v" * 16383, b"u" * 16384]
NUMBERS = [b"%d" % n for n in BIG]
DOUBLE = struct.Struct("<d").pack
MS = struct.Struct("<q").pack
PAIR = {b"f": b"v", b"g": b"w"}

GOOD: dict[str, tuple[int, bytes, Any]] = {
    "string": (STRING, string(b"text"), b"text"),
    "int 8": (STRING, b"\xc0\xff", b"-1"),
    "int 16": (STRING, b"\xc1\x00\x80", b"-32768"),
    "int 32": (STRING, b"\xc2\xff\xff\xff\x7f", b"2147483647"),
    "long length": (STRING, b"\x81" + struct.pack(">Q", 2) + b"ab", b"ab"),
    "lzf": (STRING, b"\xc3\x05\x0a\x00a\xe0\x00\x00", b"a" * 10),
    "list": (LIST, length(2) + strings(b"a", b"b"), [b"a", b"b"]),
    "list of a ziplist": (
        LIST_ZIPLIST,
        string(ziplist(*LONG, *BIG)),
        [*LONG, *NUMBERS],
    ),
    "list of ziplists": (
        LIST_ZIPLISTS,
        length(2) + strings(ziplist(b"a", 1), ziplist(2, b"b")),
        [b"a", b"1", b"2", b"b"],
    ),
    "list of nodes": (
        LIST_NODES,
        length(2) + b"\x02" + string(listpack(b"a", b"b")) + b"\x01" + string(b"c"),
        [b"a", b"b", b"c"],
    ),
    "set": (SET, length(3) + strings(b"a", b"1", b""), {b"a", b"1", b""}),
    "intset 16": (SET_INTSET, string(intset(2, -5, 3, 7)), {b"-5", b"3", b"7"}),
    "intset 32": (SET_INTSET, string(intset(4, 1, 2**31 - 1)), {b"1", b"2147483647"}),
    "intset 64": (SET_INTSET, string(intset(8, -(2**63))), {b"-9223372036854775808"}),
    "set of a listpack": (SET_LISTPACK, string(listpack(b"a", b"b")), {b"a", b"b"}),
    "sorted set, text": (
        ZSET_TEXT,
        length(3) + b"\x01a\x031.5" + b"\x01b\xff" + b"\x01c\xfe",
        [(b"b", -float("inf")), (b"a", 1.5), (b"c", float("inf"))],
    ),
    "sorted set": (
        ZSET,
        length(2) + b"\x01b" + DOUBLE(2) + b"\x01a" + DOUBLE(1),
        [(b"a", 1), (b"b", 2)],
    ),
    "sorted set of a listpack": (
        ZSET_LISTPACK,
        string(listpack(b"a", b"1.5", b"b", b"2.5")),
        [(b"a", 1.5), (b"b", 2.5)],
    ),
    "sorted set, not in order": (
        ZSET_LISTPACK,
        string(listpack(b"b", b"2.5", b"a", b"1.5")),
        [(b"a", 1.5), (b"b", 2.5)],
    ),
    "sorted set of a ziplist": (
        ZSET_ZIPLIST,
        string(ziplist(b"a", 1, b"b", b"1.5")),
        [(b"a", 1), (b"b", 1.5)],
    ),
    "hash": (HASH, length(2) + strings(b"f", b"v", b"g", b"w"), PAIR),
    "hash of a listpack": (
        HASH_LISTPACK,
        string(listpack(b"f", b"v", b"g", b"w")),
        PAIR,
    ),
    "hash of a ziplist": (
        HASH_ZIPLIST,
        string(ziplist(b"f", b"v", 1, 1000)),
        {b"f": b"v", b"1": b"1000"},
    ),
    "hash of a zipmap": (
        HASH_ZIPMAP,
        string(zipmap((b"f", b"v"), (b"g", b"w" * 300), unused=3)),
        {b"f": b"v", b"g": b"w" * 300},
    ),
}

TIMES = {
    "before each field": (
        12,
        bytes([HASH_TIMES])
        + MS(FAR)
        + length(3)
        + (b"\x00" + strings(b"f", b"v"))
        + (b"\x01" + strings(b"g", b"w"))
        + (b"\x0b" + strings(b"h", b"x")),
    ),
    "in a listpack": (
        12,
        bytes([HASH_LISTPACK_TIMES])
        + MS(FAR)
        + string(
            listpack(
                *(b"f", b"v", b"0"),
                *(b"g", b"w", b"%d" % FAR),
                *(b"h", b"x", b"%d" % (FAR + 10)),
            )
        ),
    ),
    "behind each value": (
        80,
        bytes([HASH_VALKEY])
        + length(3)
        + (strings(b"f", b"v") + MS(-1))
        + (strings(b"g", b"w") + MS(FAR))
        + (strings(b"h", b"x") + MS(FAR + 10)),
    ),
}
