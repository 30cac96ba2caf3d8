# SPDX-License-Identifier: BSD-3-Clause
"""Try out an installed package: start its server, use it, shut it down.

    python smoke.py [SERVER]

Run outside the source tree with the Python that the package is installed for.
SERVER: the program to start (default: the fastredis-server beside this Python).
Needs nothing but the standard library and the package.
"""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DEADLINE_S = 20
EXCHANGE = (
    (b"PING\r\n", b"+PONG\r\n"),
    (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nv\x00\r\nw\r\n", b"+OK\r\n"),
    (b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", b"$5\r\nv\x00\r\nw\r\n"),
    (b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n", b":1\r\n"),
    (b"*2\r\n$3\r\nGET\r\n$1\r\nx\r\n", b"$-1\r\n"),
)


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def connect(port: int, server: subprocess.Popen[bytes]) -> socket.socket:
    """Connect as soon as the server listens."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)
        except ConnectionRefusedError:
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the server does not listen (status {server.poll()})")
            time.sleep(0.05)


def receive(client: socket.socket, nbytes: int) -> bytes:
    """Read so many bytes, or fewer if the server closes the connection."""
    data = b""
    while len(data) < nbytes:
        part = client.recv(nbytes - len(data))
        if not part:
            break
        data += part
    return data


def check_package() -> None:
    """The package is there, with compiled modules and without the test shims."""
    package = importlib.util.find_spec("fastredis")
    if package is None or not package.origin:
        sys.exit("fastredis is not installed here")
    folder = Path(package.origin).parent
    print("package:", folder)
    if not list(folder.rglob("*.so")):
        sys.exit("no compiled module is installed")
    if (folder / "_testing").exists():
        sys.exit("the test shims are installed; they belong to development builds")


def main() -> None:
    """Check the package, then talk to its server."""
    if len(sys.argv) > 1:
        program = sys.argv[1]
    else:
        check_package()
        program = str(Path(sys.executable).with_name("fastredis-server"))
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([program, "--port", str(port), "--dir", folder]) as server,
    ):
        try:
            with connect(port, server) as client:
                for request, reply in EXCHANGE:
                    client.sendall(request)
                    got = receive(client, len(reply))
                    if got != reply:
                        sys.exit(f"{request!r} was answered by {got!r}")
            server.terminate()
            status = server.wait(DEADLINE_S)
        finally:
            server.kill()
    if status != 0:
        sys.exit(f"the server ended with status {status}")
    print("smoke test passed")


if __name__ == "__main__":
    main()
