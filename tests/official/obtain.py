# SPDX-License-Identifier: BSD-3-Clause
"""Obtain the test suite from Debian's source package.

The archives are those that apt is configured with on this machine, read from
``apt-get indextargets``. A private list of sources, a private folder for their
indexes and a private download folder leave the machine's apt as it is, need no
root, and need no ``deb-src`` line. apt checks the archive's signatures; the
tarball is compared with its known checksum as well.

Only the folder ``tests`` is unpacked: the server's own sources are not needed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

PACKAGE = "redis"
UPSTREAM = "8.0.2"
TARBALL = f"{PACKAGE}_{UPSTREAM}.orig.tar.gz"
SHA256 = "caf3c0069f06fc84c5153bd2a348b204c578de80490c73857bee01d9b5d7401f"
RELEASE = "trixie"
KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
)


class ObtainError(Exception):
    """The suite cannot be had here; the message says what would help."""


def cache_dir() -> Path:
    """Return the folder for the suite and the results, created if need be.

    FASTREDIS_SUITE_CACHE, else the user's cache folder, else one below the
    system's folder for temporary files.
    """
    chosen = os.environ.get("FASTREDIS_SUITE_CACHE")
    if chosen:
        path = Path(chosen).resolve()
        path.mkdir(parents=True, exist_ok=True)
        return path
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    with contextlib.suppress(OSError):
        path = Path(base, "fastredis-suite").resolve()
        path.mkdir(parents=True, exist_ok=True)
        if os.access(path, os.W_OK):
            return path
    path = Path(tempfile.gettempdir(), f"fastredis-suite-{os.getuid()}")
    path.mkdir(mode=0o700, exist_ok=True)
    if path.stat().st_uid != os.getuid():
        raise ObtainError(f"{path} belongs to somebody else; set FASTREDIS_SUITE_CACHE")
    return path


def obtain(cache: Path, tarball: Path | None = None) -> Path:
    """Return the folder that holds the suite's ``tests``, downloading it once.

    tarball: take this copy of the source archive instead of asking apt.
    Raises: ObtainError.
    """
    unpacked = cache / f"{PACKAGE}-{UPSTREAM}"
    if (unpacked / "tests" / "test_helper.tcl").exists():
        return unpacked
    if tarball is None:
        tarball = cache / TARBALL
        if not tarball.exists() or checksum(tarball) != SHA256:
            download(tarball)
    if checksum(tarball) != SHA256:
        raise ObtainError(f"{tarball} is not the source archive of Redis {UPSTREAM}")
    # into a folder of its own first: several runners may start at once
    with tempfile.TemporaryDirectory(dir=cache, prefix="unpack-") as folder:
        fresh = Path(folder, "suite")
        unpack(tarball, fresh)
        with contextlib.suppress(OSError):  # another runner was faster
            fresh.rename(unpacked)
    return unpacked


def unpack(tarball: Path, target: Path) -> None:
    """Write the plain files of the archive's folder ``tests`` below target."""
    with tarfile.open(tarball) as archive:
        for member in archive:
            _top, *inner = Path(member.name).parts
            if inner[:1] != ["tests"] or ".." in inner or not member.isfile():
                continue
            source = archive.extractfile(member)
            assert source is not None  # it is a plain file
            path = target.joinpath(*inner)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.read())


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ObtainError(f"cannot read {path}: {error.strerror}") from error


# --- apt ---


def download(target: Path) -> None:
    """Download the source archive with apt.

    Raises: ObtainError.
    """
    for tool in ("apt-get", "apt-cache"):
        if not shutil.which(tool):
            raise ObtainError(
                f"no {tool} here: the suite comes from Debian's archive. Run this on "
                f"Debian, or give the archive's {TARBALL} with --tarball"
            )
    with tempfile.TemporaryDirectory(prefix="fastredis-apt-") as folder:
        root = Path(folder)
        options = private_apt(root, source_lines(index_targets()))
        failures = apt("apt-get", options, "-q", "update")
        versions = source_versions(apt("apt-cache", options, "madison", PACKAGE))
        if not versions:
            raise ObtainError(
                f"apt finds no source package {PACKAGE} {UPSTREAM} for {RELEASE}:\n"
                + failures.strip()
            )
        # The archive may have dropped a revision that its index still names; the
        # upstream tarball is common to all revisions and still arrives then.
        for version in versions:
            want = f"{PACKAGE}={version}"
            failures += apt(
                *("apt-get", options, "-q", "source", "--download-only", want),
                cwd=root / "download",
            )
            if (root / "download" / TARBALL).exists():
                part = target.with_suffix(f".part{os.getpid()}")
                shutil.copyfile(root / "download" / TARBALL, part)
                part.replace(target)
                return
    raise ObtainError(f"apt could not download {TARBALL}:\n{failures.strip()}")


def index_targets() -> list[dict[str, str]]:
    """Return what ``apt-get indextargets`` says of each configured package index."""
    text = run("apt-get", "indextargets", "Created-By: Packages")
    targets = []
    for stanza in text.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in stanza.splitlines() if ": " in line
        )
        if "Repo-URI" in fields:
            targets.append(fields)
    return targets


def source_lines(targets: Iterable[dict[str, str]]) -> list[str]:
    """Return the ``deb-src`` lines for RELEASE on the archives of these targets.

    Raises: ObtainError if none of them is Debian's.
    """
    main = security = None
    for fields in targets:
        uri = fields["Repo-URI"].rstrip("/")
        # Origin and Label come from a downloaded index, the address always does
        is_security = fields.get("Label") == "Debian-Security" or uri.endswith(
            ("/debian-security", "-security")
        )
        if is_security:
            security = security or uri
        elif fields.get("Origin") == "Debian" or uri.endswith("/debian"):
            main = main or uri
    if main is None:
        raise ObtainError(
            "no Debian archive in apt's configuration (see apt-get indextargets); "
            f"run this on Debian, or give the archive's {TARBALL} with --tarball"
        )
    keyring = next((path for path in KEYRINGS if path.exists()), None)
    signed = f"[signed-by={keyring}] " if keyring else ""
    lines = [f"deb-src {signed}{main} {RELEASE} main"]
    if security:
        lines.append(f"deb-src {signed}{security} {RELEASE}-security main")
    return lines


def private_apt(root: Path, lines: list[str]) -> list[str]:
    """Return options that make apt use these sources and folders below root only."""
    for name in ("lists/partial", "cache/archives/partial", "parts", "download"):
        (root / name).mkdir(parents=True)
    (root / "sources.list").write_text("\n".join(lines) + "\n")
    settings = {
        "Dir::Etc::SourceList": root / "sources.list",
        "Dir::Etc::SourceParts": root / "parts",
        "Dir::State::Lists": root / "lists",
        "Dir::Cache": root / "cache",
        "APT::Sandbox::User": "",  # the folders are ours; nobody else can write there
    }
    return [
        word for key, value in settings.items() for word in ("-o", f"{key}={value}")
    ]


def source_versions(madison: str) -> list[str]:
    """Return the Debian versions of UPSTREAM in the output of apt-cache madison."""
    versions = []
    for line in madison.splitlines():
        columns = [column.strip() for column in line.split("|")]
        if len(columns) < 3 or "Sources" not in columns[2]:
            continue
        upstream = columns[1].split(":", 1)[-1].rsplit("-", 1)[0]
        if upstream == UPSTREAM and columns[1] not in versions:
            versions.append(columns[1])
    return versions


def apt(program: str, options: list[str], *words: str, cwd: Path | None = None) -> str:
    """Run an apt program; return what it printed, whether or not it succeeded."""
    done = subprocess.run(
        [program, *options, *words],
        cwd=cwd,
        env=dict(os.environ, LC_ALL="C.UTF-8", DEBIAN_FRONTEND="noninteractive"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    return done.stdout


def run(*words: str) -> str:
    """Run a program and return its output.

    Raises: ObtainError with what it said if it fails.
    """
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        raise ObtainError(f"{words[0]} failed: {done.stderr.strip()}")
    return done.stdout
