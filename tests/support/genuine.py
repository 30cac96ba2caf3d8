# SPDX-License-Identifier: BSD-3-Clause
"""The genuine redis-server 7.0 as an oracle, where it is installed.

Tests compare with it what clients and tools match on: error texts above all. They
are skipped where ``redis-server`` is not in PATH or is another version.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Self

WANTED = "v=7.0."
TIMEOUT_S = 10


@cache
def server_path() -> str | None:
    """Return the path of redis-server 7.0, or None."""
    path = shutil.which("redis-server")
    if path is None:
        return None
    done = subprocess.run([path, "--version"], capture_output=True, text=True)
    return path if WANTED in done.stdout else None


def run_refused(
    arguments: Sequence[str | bytes], stdin: bytes = b"", cwd: Path | None = None
) -> tuple[int, bytes, bytes]:
    """Run it with arguments that it refuses; return exit code, output and errors."""
    path = server_path()
    assert path is not None
    done = subprocess.run(
        [path, *arguments], input=stdin, capture_output=True, cwd=cwd, timeout=TIMEOUT_S
    )
    return done.returncode, done.stdout, done.stderr


class GenuineServer:
    """A running redis-server on a Unix socket, in a folder of its own."""

    def __init__(
        self,
        arguments: Sequence[str | bytes] = (),
        before: Sequence[str | bytes] = (),
        stdin: bytes = b"",
    ) -> None:
        """Start with before, what the server needs, and arguments, in this order."""
        path = server_path()
        assert path is not None
        self.folder = tempfile.TemporaryDirectory(prefix="genuine-")
        self.socket_path = Path(self.folder.name) / "s"
        own = ["--unixsocket", self.socket_path, "--port", "0"]
        self._process = subprocess.Popen(
            [path, *before, *own, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder.name,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(stdin)
        self._process.stdin.close()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(TIMEOUT_S)
        self._connect()
        self._file = self._socket.makefile("rb")

    def _connect(self) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                self._socket.connect(str(self.socket_path))
            except (FileNotFoundError, ConnectionRefusedError):
                assert self._process.poll() is None, "redis-server did not start"
                assert time.monotonic() < deadline, "redis-server does not listen"
                time.sleep(0.01)
            else:
                return

    def call(self, *words: str | bytes) -> object:
        """Send a command; return its reply, an error as its text after a dash."""
        raw = [w.encode("utf-8", "surrogateescape") if isinstance(w, str) else w
               for w in words]  # fmt: skip
        parts = [b"*%d\r\n" % len(raw)]
        parts += [b"$%d\r\n%s\r\n" % (len(w), w) for w in raw]
        self._socket.sendall(b"".join(parts))
        return self._reply()

    def _reply(self) -> object:
        line = self._file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            return self._file.read(int(rest) + 2)[:-2] if rest != b"-1" else None
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))]
        return int(rest) if kind == b":" else line.decode()

    def config_get(self, *names: str | bytes) -> dict[str, str]:
        """Return what CONFIG GET answers."""
        flat = self.call("CONFIG", "GET", *names)
        assert isinstance(flat, list)
        texts = [item.decode("utf-8", "surrogateescape") for item in flat]
        return dict(zip(texts[::2], texts[1::2], strict=True))

    def close(self) -> None:
        """Stop it."""
        self._file.close()
        self._socket.close()
        self._process.terminate()
        self._process.wait(TIMEOUT_S)
        self.folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
