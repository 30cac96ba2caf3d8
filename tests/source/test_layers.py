# SPDX-License-Identifier: BSD-3-Clause
"""Imports and cimports point down, never up and never in a circle.

Each package of fastredis is one layer or part of one; a module may use its own layer
and those below. `fastredis/__init__.py` is exempt: it imports lazily, on first use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "fastredis"

LAYERS = {
    "core": 0,
    "ds": 1,
    "resp": 1,
    "keyspace": 2,
    "datatypes": 3,
    "engine": 4,
    "net": 5,
    "commands": 6,
    "persistence": 7,
    "replication": 7,
    "cluster": 7,
    "scripting": 7,
    "acl": 7,
    "config": 7,
    "admin": 7,
    "server": 8,
    "cli": 9,
    "__main__": 10,
    "_testing": 11,
}

# The one fact that everybody may know: the version, in the exempt root.
_ROOT_NAMES = {"__version__"}

_FROM = re.compile(
    r"^[ \t]*from[ \t]+(fastredis[\w.]*|\.+[\w.]*)[ \t]+c?import[ \t]+"
    r"(\([^)]*\)|[^\n#]*)",
    re.MULTILINE,
)
_PLAIN = re.compile(r"^[ \t]*c?import[ \t]+(fastredis\b[^\n#]*)", re.MULTILINE)
_TYPING_ONLY = re.compile(
    r"^if TYPE_CHECKING:\n(?:(?:[ \t]+[^\n]*|[ \t]*)\n)+", re.MULTILINE
)
_DOCSTRING = re.compile(r'r?"""(?:[^"\\]|\\.|"(?!""))*"""')


def module_name(path: Path) -> str:
    """Return the dotted name of a source file."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


def sources() -> list[Path]:
    """Return every source file but the exempt one."""
    found = (
        path for kind in ("*.py", "*.pyx", "*.pxd") for path in PACKAGE.rglob(kind)
    )
    return sorted(path for path in found if path != PACKAGE / "__init__.py")


MODULES = {module_name(path) for path in sources()} | {"fastredis"}


def imported(path: Path) -> list[str]:
    """Return the modules of fastredis that a file imports at run time."""
    return list(imports(path.read_text(), path.relative_to(ROOT).parts[:-1]))


def imports(text: str, package: Sequence[str]) -> Iterator[str]:
    """Yield what a module of that package with this text imports at run time."""
    text = _DOCSTRING.sub("", text)
    text = _TYPING_ONLY.sub("", text)
    for match in _FROM.finditer(text):
        base = match[1]
        if base.startswith("."):
            dots = len(base) - len(base.lstrip("."))
            above = package[: len(package) - dots + 1]
            base = ".".join([*above, *filter(None, [base.lstrip(".")])])
        for name in re.findall(r"[\w*]+", re.sub(r"#[^\n]*", "", match[2])):
            whole = f"{base}.{name}"
            if whole in MODULES:
                yield whole
            elif not (base == "fastredis" and name in _ROOT_NAMES):
                yield base
    for match in _PLAIN.finditer(text):
        for name in match[1].split(","):
            yield name.split()[0]


def layer(module: str) -> int:
    """Return the layer of a module; a package that is not listed is a mistake.

    The root is the public interface: the programs may use it, the server may not.
    """
    parts = module.split(".")
    return LAYERS[parts[1]] if len(parts) > 1 else LAYERS["cli"]


def test_files_were_found() -> None:
    assert len(sources()) > 40
    assert sum(1 for path in sources() for _ in imported(path)) > 100


def test_every_package_has_a_layer() -> None:
    names = {path.relative_to(PACKAGE).parts[0].split(".")[0] for path in sources()}
    assert names <= LAYERS.keys()


@pytest.mark.parametrize(
    "path", sources(), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_imports_point_down(path: Path) -> None:
    own = layer(module_name(path))
    up = [name for name in imported(path) if layer(name) > own]
    assert not up, f"{module_name(path)} (layer {own}) imports {up}"


def test_no_circles() -> None:
    graph: dict[str, set[str]] = {}
    for path in sources():
        name = module_name(path)
        uses = graph.setdefault(name, set())
        for used in imported(path):
            # A package's name stands for its __init__, which is in no circle with
            # its own modules; a module and its header are one.
            if used != name and not name.startswith(used + "."):
                uses.add(used)
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail("circle: " + " -> ".join(error.args[1]))
    assert len(order) >= len(graph)


# --- The reader of imports itself ----------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from fastredis.core.mem cimport zfree", ["fastredis.core.mem"]),
        ("from fastredis.core cimport mem", ["fastredis.core.mem"]),
        ("    from fastredis.server import Server", ["fastredis.server"]),
        ("from fastredis.core import (\n    mem,  # why\n    num,\n)\n",
         ["fastredis.core.mem", "fastredis.core.num"]),
        ("import fastredis.core.mem as m, fastredis.server",
         ["fastredis.core.mem", "fastredis.server"]),
        ("cimport fastredis.core.mem", ["fastredis.core.mem"]),
        ("from . import obj", ["fastredis.keyspace.obj"]),
        ("from ..core.mem cimport zfree", ["fastredis.core.mem"]),
        ("from fastredis import __version__", []),
        ("from fastredis import Server", ["fastredis"]),
        ('"""\nfrom fastredis.server import Server\n"""\n', []),
        ("if TYPE_CHECKING:\n    from fastredis.server import Server\n\nx = 1\n", []),
        ("import fastredistools", []),
    ],
)  # fmt: skip
def test_imports_are_recognised(text: str, expected: list[str]) -> None:
    assert sorted(imports(text, ["fastredis", "keyspace"])) == sorted(expected)
