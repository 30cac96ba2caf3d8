# SPDX-License-Identifier: BSD-3-Clause
"""PSYNC, SYNC, REPLCONF and ROLE: what servers that replicate tell each other."""

from __future__ import annotations

from typing import Any

from fastredis.engine.python_args import integer
from fastredis.resp.values import NO_REPLY, OK, ReplyError, SimpleString

_PORT_MAX = 65535
_IP_MAX = 255
_SYNTAX_ERROR = "ERR syntax error"


def psync(ctx: Any, replid: bytes, offset: bytes, *args: bytes) -> Any:
    """Make the connection a replica that goes on where it was, if that is possible.

    Raises: ReplyError.
    """
    number = integer(offset)
    primary = ctx.server.replication.primary
    if args and args[0].lower() == b"failover":
        _take_over(ctx, replid.decode("latin-1"))
    elif args:
        raise ReplyError(_SYNTAX_ERROR)
    return primary.synchronize(ctx, replid.decode("latin-1"), number)


def _take_over(ctx: Any, replid: str) -> None:
    """Become a primary, since the one that is followed so far wants that.

    Raises: ReplyError if this is no replica, or has another history.
    """
    replication, log = ctx.server.replication, ctx.server.log
    log.notice(f"Failover request received for replid {replid}.")
    if replication.link.address is None:
        raise ReplyError("ERR PSYNC FAILOVER can't be sent to a master.")
    if replid != replication.history.replid:
        raise ReplyError("ERR PSYNC FAILOVER replid must match my replid.")
    replication.link.unfollow()
    info = ctx.describe_client()
    log.notice(f"MASTER MODE enabled (failover request from 'addr={info['addr']}')")


def sync(ctx: Any) -> Any:
    """Make the connection a replica that does not acknowledge.

    Raises: ReplyError.
    """
    return ctx.server.replication.primary.synchronize(ctx, "")


def replconf(ctx: Any, *args: bytes) -> SimpleString | object:
    """Take note of what a replica says, in pairs of a word and a value.

    Raises: ReplyError.
    """
    if len(args) % 2:
        raise ReplyError(_SYNTAX_ERROR)
    primary = ctx.server.replication.primary
    for i in range(0, len(args), 2):
        word, value = args[i].lower(), args[i + 1]
        if word == b"ack":
            _acknowledge(primary, ctx.client.id, args[i:])
            return NO_REPLY
        if word == b"getack":
            link = ctx.server.replication.link
            if ctx.client.id == link.client_id:
                link.acknowledge()
            return NO_REPLY
        _note(primary.peer(ctx.client.id), word, value)
    return OK


def _acknowledge(primary: Any, client_id: int, args: tuple[bytes, ...]) -> None:
    """Take note of an offset, and perhaps of the append-only file's: ACK n FACK n."""
    if not args[1].isdigit():
        return  # nobody waits for a reply
    synced = 0
    if len(args) > 3 and args[2].lower() == b"fack" and args[3].isdigit():
        synced = int(args[3])
    primary.acknowledge(client_id, int(args[1]), synced)


def _note(peer: Any, word: bytes, value: bytes) -> None:
    """Take note of one property of a replica.

    Raises: ReplyError.
    """
    if word == b"listening-port":
        port = integer(value)
        if not 0 <= port <= _PORT_MAX:
            raise ReplyError("ERR value is out of range")
        peer.port = port
    elif word == b"ip-address":
        if len(value) > _IP_MAX:
            raise ReplyError(
                f"ERR REPLCONF ip-address provided by replica instance is too long: "
                f"{len(value)} bytes"
            )
        peer.ip = value.decode("utf-8", "replace")
    elif word == b"capa":
        # those that we do not know do not concern us
        peer.capabilities.add(value.lower().decode("latin-1"))
    elif word == b"version":
        parts = value.split(b".")
        if len(parts) == 3 and all(part.isdigit() for part in parts):
            peer.version = tuple(int(part) for part in parts)
    elif word == b"rdb-only":
        peer.is_rdb_only = integer(value) == 1
    elif word == b"rdb-filter-only":
        # functions are in every snapshot, keys only where they are wanted
        names = value.split()
        for name in names:
            if name.lower() != b"functions":
                shown = name.decode("utf-8", "replace")
                raise ReplyError(f"ERR Unsupported rdb-filter-only option: {shown}")
        peer.has_no_keys = True
    else:
        shown = word.decode("utf-8", "replace")
        raise ReplyError(f"ERR Unrecognized REPLCONF option: {shown}")


def role(ctx: Any) -> list[Any]:
    """Return what this server is, and whom it follows or is followed by."""
    replication = ctx.server.replication
    if replication.link.address is not None:
        found: list[Any] = replication.link.role()
        return found
    rows = [
        [row["ip"], str(row["port"]), str(row["offset"])]
        for row in replication.primary.rows()
        if row["state"] == "online"
    ]
    return ["master", replication.history.offset, rows]
