# SPDX-License-Identifier: BSD-3-Clause
"""Rules for source files that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "fastredis"
SPDX = "# SPDX-License-Identifier: BSD-3-Clause"

# Names that would hide a builtin or a module of the standard library.
TAKEN_NAMES = {"dict", "list", "string", "types", "object", "glob", "set", "hash"}
VAGUE_NAMES = {"utils", "util", "common", "misc", "helpers"}


def files(*patterns: str, under: Path = PACKAGE) -> list[Path]:
    """Return the source files with these names."""
    found = [path for pattern in patterns for path in under.rglob(pattern)]
    return sorted(path for path in found if "__pycache__" not in path.parts)


CYTHON = files("*.pyx", "*.pxd")
EVERY = files("*.py", "*.pyi", "*.pyx", "*.pxd") + files("*.py", under=ROOT / "tests")


def short(path: Path) -> str:
    """Return a file's name for messages."""
    return str(path.relative_to(ROOT))


every = pytest.mark.parametrize("path", EVERY, ids=short)
cython = pytest.mark.parametrize("path", CYTHON, ids=short)


# --- Every file --------------------------------------------------------------------


@every
def test_begins_with_the_licence_and_an_explanation(path: Path) -> None:
    text = path.read_text()
    if not text and path.name == "__init__.py":
        pytest.skip("empty")
    lines = text.split("\n")
    assert lines[0] == SPDX
    if path.suffix != ".pyi":
        assert re.match(r'r?"""\S', lines[1]), "no docstring after the licence"


@every
def test_names_say_what_is_in_them(path: Path) -> None:
    stem = path.stem
    assert stem not in VAGUE_NAMES
    if PACKAGE in path.parents:
        assert stem not in TAKEN_NAMES
    assert path.read_text().endswith("\n")


@every
def test_todo_has_an_issue_number(path: Path) -> None:
    if path == Path(__file__):
        pytest.skip("it names them")
    for line in path.read_text().split("\n"):
        for mark in re.findall(r"\b(?:TODO|FIXME|XXX)\b.{0,10}", line):
            assert re.match(r"TODO\(#\d+\):", mark), line


# --- Cython ------------------------------------------------------------------------


def code_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (number, statement) without comments, strings and line breaks inside."""
    text = re.sub(
        r'r?"""(?:[^"\\]|\\.|"(?!""))*"""',
        lambda match: '""' + "\n" * match[0].count("\n"),
        text,
    )
    depth, parts, start = 0, [], 0
    for number, line in enumerate(text.split("\n"), 1):
        line = re.sub(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", '""', line)
        line = line.split("#", 1)[0].rstrip()
        if not parts:
            start = number
        depth += sum(line.count(c) for c in "([{") - sum(line.count(c) for c in ")]}")
        parts.append(line.strip() if parts else line)
        if depth <= 0:
            yield start, " ".join(parts)
            depth, parts = 0, []


_CDEF_FUNCTION = re.compile(
    r"\s*(?:cdef|cpdef)\s+(?:(?:inline|api|public)\s+)*"
    r"(?!class\b|struct\b|enum\b|union\b|extern\b)"
    r"(?:[\w.*\[\]]+[\s*]+)*\**\w+\s*\((.*)$"
)


def cdef_functions(text: str) -> Iterator[tuple[int, str]]:
    """Yield the headers of C functions, in `cdef` lines and blocks and in externs."""
    for number, line in code_lines(text):
        # A variable with a call on the right of "=" is none; nor is a pointer type.
        head = line.split("=", 1)[0] if "(" in line.split("=", 1)[0] else ""
        if not head or "(*" in head or _RETURNS_OBJECT.match(line):
            continue
        if _CDEF_FUNCTION.match(line):
            yield number, line.strip()


# These return NULL with an exception set; Cython allows no clause.
_RETURNS_OBJECT = re.compile(
    r"\s*(?:cdef|cpdef)\s+(?:(?:inline|api|public)\s+)*"
    r"(?:object|bytes|str|dict|list|tuple|set|frozenset|[A-Z]\w*)\s+\w+\s*\("
)
_EXCEPTION_CLAUSE = re.compile(
    r"\)\s*(?:noexcept(?:\s+(?:nogil|with gil))?"
    r"|except\s*(?:\?\s*)?(?:-?\w+)(?:\s+nogil)?)\s*:?\s*$"
)


@cython
def test_every_cdef_function_states_its_exceptions(path: Path) -> None:
    missing = [
        f"{short(path)}:{number}: {line}"
        for number, line in cdef_functions(path.read_text())
        if not _EXCEPTION_CLAUSE.search(line.split("->")[0])
    ]
    assert not missing, "\n".join(missing)


@cython
def test_no_directives_in_files(path: Path) -> None:
    assert not re.search(r"^#\s*(cython|distutils)\s*:", path.read_text(), re.MULTILINE)


@cython
def test_no_includes(path: Path) -> None:
    for number, line in code_lines(path.read_text()):
        assert not re.match(r"\s*include\s+\"", line), f"{short(path)}:{number}"


@cython
def test_no_print_and_no_except_star(path: Path) -> None:
    for number, line in code_lines(path.read_text()):
        assert not re.match(r"\s*print\(", line), f"{short(path)}:{number}"
        assert not re.search(r"\)\s*except\s*\*", line), f"{short(path)}:{number}"


# Only core/mem asks the C library for memory. lazyfree's thread may, since it runs
# without the accounting's thread; nothing else has a reason.
MEMORY_OWNERS = {"core/mem.pyx", "keyspace/lazyfree.pyx"}
_C_MEMORY = re.compile(
    r"(?<![\w.])(?:malloc|calloc|realloc|free|strdup|strndup|posix_memalign"
    r"|aligned_alloc|mi_\w+|PyMem_\w+)\s*\("
)


@cython
def test_memory_comes_from_core_mem(path: Path) -> None:
    if str(path.relative_to(PACKAGE)) in MEMORY_OWNERS:
        return
    text = path.read_text()
    assert "libc.stdlib cimport" not in text or not re.search(
        r"libc\.stdlib cimport[^\n]*\b(malloc|calloc|realloc|free)\b", text
    )
    # C code in verbatim blocks counts too, so look at the whole text.
    for number, line in enumerate(text.split("\n"), 1):
        code = "" if line.lstrip().startswith(("#", "def ")) else line.split("#", 1)[0]
        assert not _C_MEMORY.search(code), f"{short(path)}:{number}: {line.strip()}"


@pytest.mark.parametrize("path", files("*.pyx"), ids=short)
def test_classes_at_the_border_are_final(path: Path) -> None:
    lines = path.read_text().split("\n")
    for index, line in enumerate(lines):
        if re.match(r"cdef class \w+", line):
            above = [text for text in lines[max(0, index - 3) : index] if text]
            assert any("final" in text for text in above), f"{short(path)}:{index + 1}"


# --- Python ------------------------------------------------------------------------

# What takes long to import and has no place on the way to a started server.
HEAVY = {"asyncio.subprocess", "unittest", "typing_extensions", "pydoc", "doctest"}


@pytest.mark.parametrize("path", files("*.py"), ids=short)
def test_nothing_heavy_at_the_top(path: Path) -> None:
    for node in ast.parse(path.read_text()).body:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        assert not HEAVY.intersection(names), f"{short(path)}:{node.lineno}"


def test_generated_files_are_not_committed() -> None:
    try:
        listed = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    unwanted = (".c", ".so", ".html", "_api.h", ".pyc")
    written = {"bench/floor.c", "tests/support/disk.c"}
    assert not [n for n in listed if n.endswith(unwanted) and n not in written]


# --- These checks themselves -------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "is_function", "is_stated"),
    [
        ("cdef int f(int x) noexcept nogil:", True, True),
        ("cdef int f(int x) except -1:", True, True),
        ("cdef int f(int x) except? -1:", True, True),
        ("cdef x_t *f(int x) except NULL:", True, True),
        ("cdef inline const char *f(\n    int x,\n    int y,\n) noexcept nogil:", 1, 1),
        ("cdef api void cmd_get(client_t *c) noexcept nogil", True, True),
        ("cdef void g() noexcept with gil:", True, True),
        ("cdef int f(int x):", True, False),
        ("cdef int f(int x) nogil:", True, False),
        ("cdef void f(int x) except *:", True, False),
        ("cdef object f(x):", False, False),
        ("cdef bytes f(const char *s):", False, False),
        ("cdef f(x):", True, False),
        ("    cdef int method(self):", True, False),
        ("cdef int x = f(3)", False, False),
        ("    cdef uint64_t *p = <uint64_t *>zmalloc(n)", False, False),
        ("cdef struct x_t:", False, False),
        ("cdef class Engine:", False, False),
        ("cdef void (*hook)(int x) noexcept nogil", False, False),
        ("cdef extern from *:", False, False),
        ("cdef int a, b", False, False),
    ],
)
def test_functions_are_recognised(code: str, is_function: int, is_stated: int) -> None:
    found = [line for _, line in cdef_functions(code)]
    assert bool(found) == bool(is_function)
    if found:
        assert bool(_EXCEPTION_CLAUSE.search(found[0])) == bool(is_stated)
