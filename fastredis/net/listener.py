# SPDX-License-Identifier: BSD-3-Clause
"""Listening sockets: TCP on each `bind` address, and a Unix socket."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterable

# A protocol family that the machine lacks is no reason not to start.
_UNAVAILABLE = (
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
    errno.EPROTONOSUPPORT,
    errno.EPFNOSUPPORT,
    errno.ENOPROTOOPT,
    errno.ESOCKTNOSUPPORT,
)


class ListenError(Exception):
    """A socket that the configuration asks for cannot be had."""


def _address(text: str) -> tuple[socket.AddressFamily, str]:
    if text == "*":
        return socket.AF_INET, "0.0.0.0"
    if text == "::*":
        return socket.AF_INET6, "::"
    return (socket.AF_INET6 if ":" in text else socket.AF_INET), text


def listen_tcp(
    addresses: Iterable[str], port: int, backlog: int, warn: Callable[[str], None]
) -> list[socket.socket]:
    """Listen on a port of each address and return the sockets.

    addresses: as in the `bind` directive; ``*`` and ``::*`` mean all, and one that
        begins with ``-`` is left out where the machine does not have it.
    port: 0 takes a free one, the same for all addresses.
    Raises: ListenError; the sockets opened so far are closed.
    """
    sockets: list[socket.socket] = []
    for name in addresses:
        is_optional = name.startswith("-")
        family, host = _address(name.removeprefix("-"))
        sock = None
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((host, port))
            sock.listen(backlog)
            sock.setblocking(False)
        except OSError as error:
            if sock is not None:
                sock.close()
            text = os.strerror(error.errno) if error.errno else str(error)
            if is_optional and error.errno in _UNAVAILABLE:
                continue
            warn(
                "Warning: Could not create server TCP listening socket "
                f"{name.removeprefix('-')}:{port}: bind: {text}"
            )
            if error.errno in _UNAVAILABLE and family == socket.AF_INET6:
                continue
            close_all(sockets)
            raise ListenError(
                f"Failed listening on port {port} (tcp), aborting."
            ) from error
        sockets.append(sock)
        port = port or sock.getsockname()[1]
    if not sockets:
        raise ListenError(f"Failed listening on port {port} (tcp), aborting.")
    return sockets


def listen_unix(
    path: str, permissions: int, backlog: int, warn: Callable[[str], None]
) -> socket.socket:
    """Listen on a Unix socket at path, replacing what an earlier server left there.

    permissions: mode of the socket's file; 0 leaves it to the umask.
    Raises: ListenError.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        sock.bind(path)
        if permissions:
            os.chmod(path, permissions)
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        text = os.strerror(error.errno) if error.errno else str(error)
        warn(f"Opening Unix socket: bind: {text}")
        raise ListenError(f"Failed opening Unix socket: bind: {text}") from error
    return sock


def close_all(sockets: Iterable[socket.socket]) -> None:
    """Close sockets."""
    for sock in sockets:
        sock.close()
