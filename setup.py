"""Build of the Cython modules; everything else about the package is in pyproject.toml.

Every ``.pyx`` below ``fastredis/`` is one extension module. Environment variables:

FASTREDIS_DEBUG=1       -O0 -g, the Cython run-time checks and debug_assert on
FASTREDIS_SANITIZE=...  -fsanitize=... (for example address,undefined), C allocator
FASTREDIS_TESTING=1     also build fastredis/_testing (Python views of C code)
FASTREDIS_ANNOTATE=1    write Cython's HTML annotation beside each module
FASTREDIS_MALLOC=libc   do not use mimalloc even where it is available
FASTREDIS_JOBS=N        compile N modules at a time (default: the number of cores)
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from Cython.Build import cythonize
from Cython.Compiler import Options
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
DEBUG = os.environ.get("FASTREDIS_DEBUG") == "1"
SANITIZE = os.environ.get("FASTREDIS_SANITIZE", "")
TESTING = os.environ.get("FASTREDIS_TESTING") == "1"
ANNOTATE = os.environ.get("FASTREDIS_ANNOTATE") == "1"
JOBS = int(os.environ.get("FASTREDIS_JOBS", os.cpu_count() or 1))

# Modules that other platforms do without; see fastredis/server.py.
LINUX_ONLY = {"reactor.pyx"}  # epoll

CHECKS = DEBUG or bool(SANITIZE)
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": CHECKS,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": CHECKS,
    "embedsignature": False,
    "freethreading_compatible": False,
}


def find_mimalloc() -> tuple[list[str], list[str]]:
    """Return include folders and static libraries of mimalloc, empty if absent."""
    if SANITIZE or os.environ.get("FASTREDIS_MALLOC") == "libc":
        return [], []
    for entry in sys.path:
        prefix = Path(entry or ".") / "cmeel.prefix"
        for header in sorted(prefix.glob("include/mimalloc*/mimalloc.h"), reverse=True):
            libs = sorted(prefix.glob("lib/mimalloc*/libmimalloc.a"), reverse=True)
            if libs:
                return [str(header.parent)], [str(libs[0])]
    return [], []


def extensions() -> list[Extension]:
    """Return one Extension for each .pyx of the package."""
    cflags = ["-O0", "-g"] if DEBUG else ["-O3", "-g1"]
    cflags += ["-fvisibility=hidden", "-fno-math-errno", "-Wno-unused-function"]
    ldflags: list[str] = []
    macros: list[tuple[str, str | None]] = [("CYTHON_USE_MODULE_STATE", "0")]
    if CHECKS:
        macros.append(("FASTREDIS_CHECKS", "1"))
    if SANITIZE:
        cflags += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer", "-O1", "-g"]
        ldflags += [f"-fsanitize={SANITIZE}"]
    found = []
    for path in sorted((ROOT / "fastredis").rglob("*.pyx")):
        relative = path.relative_to(ROOT)
        if "_testing" in relative.parts and not TESTING:
            continue
        if relative.name in LINUX_ONLY and sys.platform != "linux":
            continue
        name = ".".join(relative.with_suffix("").parts)
        extension = Extension(
            name,
            [str(relative)],
            extra_compile_args=list(cflags),
            extra_link_args=list(ldflags),
            define_macros=list(macros),
        )
        if name == "fastredis.core.mem":
            includes, libraries = find_mimalloc()
            if libraries:
                extension.include_dirs += includes
                extension.extra_objects += libraries
                extension.define_macros.append(("FASTREDIS_MIMALLOC", "1"))
        found.append(extension)
    return found


class Tee(io.TextIOBase):
    """Write to a stream and keep what went by."""

    def __init__(self, stream: io.TextIOBase) -> None:
        self.stream = stream
        self.kept = io.StringIO()

    def write(self, text: str) -> int:
        self.kept.write(text)
        return self.stream.write(text)

    def flush(self) -> None:
        self.stream.flush()


def translate() -> list[Extension]:
    """Translate to C, and fail on Cython's performance hints.

    A cdef function that lacks `noexcept` or an `except` clause takes the GIL after
    every call to look for an exception; Cython says so only in a hint.
    """
    Options.annotate = ANNOTATE
    out, err = Tee(sys.stdout), Tee(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        modules = cythonize(
            extensions(),
            compiler_directives=DIRECTIVES,
            annotate=ANNOTATE,
            nthreads=0,
            show_all_warnings=False,
        )
    for line in (out.kept.getvalue() + err.kept.getvalue()).splitlines():
        if "performance hint" in line:
            raise SystemExit(f"setup.py: refused: {line}")
    return modules


class BuildExt(build_ext):
    """Compile several modules at a time."""

    def finalize_options(self) -> None:
        super().finalize_options()
        if self.parallel is None:
            self.parallel = JOBS


class BuildPy(build_py):
    """Leave the test shims out of installed packages."""

    def finalize_options(self) -> None:
        super().finalize_options()
        if not TESTING:
            self.packages = [p for p in self.packages if p != "fastredis._testing"]


if __name__ == "__main__":
    setup(
        ext_modules=translate()
        if set(sys.argv)
        & {
            "build",
            "build_ext",
            "bdist_wheel",
            "install",
            "develop",
            "editable_wheel",
            "build_clib",
        }
        else extensions(),
        cmdclass={"build_ext": BuildExt, "build_py": BuildPy},
    )
