# SPDX-License-Identifier: BSD-3-Clause
"""Certificates for the units that run over TLS, made by the program openssl.

The suite looks for them in its folder tests/tls:

    ca.crt  ca.key          the authority that signs the other three
    server.crt  server.key  for the servers' side of a connection only
    client.crt  client.key  for the clients' side only
    redis.crt   redis.key   for both
    redis.dh                Diffie-Hellman parameters

The parameters are those of a standard group: a group of one's own would take long
to search for and is no safer.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

KEY_BITS = 2048
DAYS = 3650
USAGES = {
    "server": "extendedKeyUsage=serverAuth",
    "client": "extendedKeyUsage=clientAuth",
    "redis": "extendedKeyUsage=serverAuth,clientAuth",
}


class CertificateError(Exception):
    """The certificates cannot be made here; the message says what is missing."""


def check_tools(tclsh: str) -> None:
    """Find out whether units can run over TLS with this Tcl shell.

    Raises: CertificateError.
    """
    if shutil.which("openssl") is None:
        raise CertificateError(
            "units over TLS need the program openssl (Debian: apt-get install openssl)"
        )
    done = subprocess.run(
        [tclsh],
        input="package require tls 1.6\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # a script from standard input ends with status 0 whatever it raises
    if done.returncode or done.stderr:
        raise CertificateError(
            "units over TLS need Tcl's package tls (Debian: apt-get install tcl-tls): "
            + done.stderr.strip()
        )


def make(folder: Path) -> None:
    """Fill the folder, unless that has been done before.

    Raises: CertificateError.
    """
    if (folder / "redis.dh").exists():  # the last to be made
        return
    folder.mkdir(exist_ok=True)
    authority = ("-subj", "/O=Test of fastredis/CN=Authority")
    openssl(folder, "req", "-x509", "-new", *new_key("ca"), *authority, "-out",
            "ca.crt")  # fmt: skip
    for name, usage in USAGES.items():
        subject = ("-subj", f"/O=Test of fastredis/CN={name}")
        openssl(folder, "req", "-new", *new_key(name), *subject, "-out", f"{name}.csr")
        (folder / f"{name}.ext").write_text(f"{usage}\n")
        openssl(folder, "x509", "-req", "-sha256", "-days", str(DAYS), "-CA", "ca.crt",
                "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{name}.ext",
                "-in", f"{name}.csr", "-out", f"{name}.crt")  # fmt: skip
    openssl(folder, "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt",
            "group:ffdhe2048", "-out", "redis.dh")  # fmt: skip


def new_key(name: str) -> list[str]:
    """Return the options of ``openssl req`` that make a new key."""
    size = f"rsa:{KEY_BITS}"
    return ["-newkey", size, "-nodes", "-keyout", f"{name}.key", "-days", str(DAYS)]


def openssl(folder: Path, *words: str) -> None:
    """Run openssl in the folder.

    Raises: CertificateError with what it printed.
    """
    done = subprocess.run(
        ["openssl", *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise CertificateError(f"openssl {words[0]}: {done.stderr.strip()}")
