# SPDX-License-Identifier: BSD-3-Clause
"""Requests are written in one form, in whatever form they came.

Those in the usual form are copied from the buffer that was read; the others are not.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.client import encode
from support.server import FastredisServer

Fresh = Callable[..., FastredisServer]

USUAL = encode(["SET", "k", "v"])
LONG = encode(["RPUSH", "l", *("x" * n for n in range(120))])


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ([USUAL], USUAL),
        ([USUAL * 40], USUAL * 40),
        ([LONG], LONG),
        ([LONG[:300], LONG[300:-1], LONG[-1:]], LONG),
        ([b"SET k v\r\n"], USUAL),
        ([b"SET   k 'v'\r\n"], USUAL),
        ([b"SET 'k' $\r\n"], encode(["SET", "k", "$"])),
        ([encode(["SET", "\r\n$1\r\n", ""])], encode(["SET", "\r\n$1\r\n", ""])),
        ([encode(["FLUSHALL"])], encode(["FLUSHALL"])),
        (
            [encode(["MULTI"]) + USUAL + LONG + encode(["EXEC"])],
            encode(["MULTI"]) + USUAL + LONG + encode(["EXEC"]),
        ),
    ],
)
def test_requests_as_sent(
    fresh_server: Fresh, sent: list[bytes], written: bytes
) -> None:
    server = fresh_server(appendonly="yes")
    client = server.client()
    for piece in sent:
        client.send_raw(piece)
    client.send("ECHO", "over")
    while client.read() != b"over":
        pass
    path = next((server.directory / "appendonlydir").glob("*.incr.aof"))
    data = path.read_bytes()
    assert data.replace(encode(["SELECT", 0]), b"", 1) == written
