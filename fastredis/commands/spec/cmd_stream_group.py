# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the commands of consumer groups, and of XINFO."""

from __future__ import annotations

from fastredis.commands.spec.cmd_stream import _COUNT, _STREAMS, _keys_after_streams
from fastredis.commands.spec.model import (
    BLOCKING,
    WRITE,
    Command,
    block,
    either,
    integer,
    mapping,
    nil,
    string,
    token,
)

XREADGROUP = Command(
    "XREADGROUP",
    group="stream",
    since="5.0.0",
    arity=-7,
    flags=WRITE | BLOCKING,
    keys=[_keys_after_streams(4)],
    args=[
        block("group-block", string("group"), string("consumer"), token="GROUP"),
        _COUNT,
        integer("milliseconds", token="BLOCK", optional=True),
        token("NOACK", optional=True),
        _STREAMS,
    ],
    reply=either(
        mapping("entries by the key of their stream"), nil("there are none in time")
    ),
    cost="O(log n + k) for each stream, n = its nodes, k = entries returned",
    summary="Returns entries new to a group, or pending; waits for some if told to.",
)
