# SPDX-License-Identifier: BSD-3-Clause
"""REPLICAOF, SLAVEOF and FAILOVER: which server follows which."""

from __future__ import annotations

from typing import Any

from fastredis.engine.python_args import integer
from fastredis.replication.failover import State
from fastredis.resp.values import OK, ReplyError, SimpleString

_ALREADY: str = "OK Already connected to specified master"


def replicaof(ctx: Any, host: bytes, port: bytes) -> SimpleString:
    """Follow a master, or with NO ONE become one.

    Raises: ReplyError for a port that is none.
    """
    link = ctx.server.replication.link
    log = ctx.server.log
    if ctx.server.replication.failover.state is not State.NONE:
        raise ReplyError("ERR REPLICAOF not allowed while failing over.")
    info = ctx.describe_client()
    who = f"'id={info['id']} addr={info['addr']} name={info['name']}'"
    if host.lower() == b"no" and port.lower() == b"one":
        if link.address is not None:
            link.unfollow()
            log.notice(f"MASTER MODE enabled (user request from {who})")
        return OK
    number = _port(port)
    name = host.decode("utf-8", "surrogateescape")
    if link.address == (name, number):
        log.notice(
            "REPLICAOF would result into synchronization with the master we are "
            "already connected with. No operation performed."
        )
        return SimpleString(_ALREADY)
    log.notice(f"REPLICAOF {name}:{number} enabled (user request from {who})")
    link.follow(name, number)
    return OK


def slaveof(ctx: Any, host: bytes, port: bytes) -> SimpleString:
    """Do what REPLICAOF does, by its old name."""
    return replicaof(ctx, host, port)


def failover(ctx: Any, *args: bytes) -> SimpleString:
    """Exchange roles with a replica: [TO host port [FORCE]] [ABORT] [TIMEOUT ms].

    Raises: ReplyError.
    """
    target: tuple[str, int] | None = None
    timeout = 0
    is_forced = is_aborted = False
    rest = list(args)
    while rest:
        word = rest.pop(0).lower()
        if word == b"timeout" and rest and not timeout:
            timeout = integer(rest.pop(0))
            if timeout <= 0:
                raise ReplyError("ERR FAILOVER timeout must be greater than 0")
        elif word == b"abort":
            is_aborted = True
        elif word == b"to" and len(rest) > 1 and target is None:
            host = rest.pop(0).decode("utf-8", "surrogateescape")
            target = host, integer(rest.pop(0))
        elif word == b"force":
            is_forced = True
        else:
            raise ReplyError("ERR syntax error")
    process = ctx.server.replication.failover
    if is_aborted:
        if len(args) > 1:
            raise ReplyError("ERR syntax error")
        process.abort()
    else:
        process.start(target, timeout, is_forced=is_forced)
    return OK


def _port(text: bytes) -> int:
    number = integer(text)
    if not 0 <= number <= 65535:
        raise ReplyError("ERR Invalid master port")
    return number
