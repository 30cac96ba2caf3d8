# SPDX-License-Identifier: BSD-3-Clause
"""The manifest of the append-only file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastredis.persistence.aof_manifest import LINE_MAX, Manifest, ManifestError

NAME = "appendonly.aof"


def test_the_files_of_a_new_one() -> None:
    manifest = Manifest(NAME)
    assert manifest.new_base(is_rdb=True).name == "appendonly.aof.1.base.rdb"
    assert manifest.new_increment(17).name == "appendonly.aof.1.incr.aof"
    assert manifest.to_bytes() == (
        b"file appendonly.aof.1.base.rdb seq 1 type b\n"
        b"file appendonly.aof.1.incr.aof seq 1 type i startoffset 17\n"
    )


def test_a_rewrite_makes_history() -> None:
    manifest = Manifest(NAME)
    manifest.new_base(is_rdb=False)
    manifest.new_increment(17)
    manifest.new_increment(17)  # the one that is written while a child works
    manifest.new_base(is_rdb=True)
    manifest.retire_increments(but=1)
    assert [part.name for part in manifest.parts()] == [
        "appendonly.aof.2.base.rdb",
        "appendonly.aof.2.incr.aof",
    ]
    assert {part.name for part in manifest.history} == {
        "appendonly.aof.1.base.aof",
        "appendonly.aof.1.incr.aof",
    }
    again = Manifest.parse(NAME, manifest.to_bytes())
    assert again == manifest


def test_without_increments_all_are_retired() -> None:
    manifest = Manifest(NAME)
    manifest.new_base(is_rdb=True)
    manifest.new_increment(17)
    manifest.retire_increments(but=0)
    assert not manifest.increments
    assert [part.seq for part in manifest.history] == [1]


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        (b"", "Found an empty AOF manifest", 0),
        (b"\n", "Invalid AOF manifest file format", 1),
        (b"file a.1.incr.aof seq 1 type i\n\n", "Invalid AOF manifest file format", 2),
        (b"filx a seq 1 type b\n", "Invalid AOF manifest file format", 1),
        (b"file a type b\n", "Invalid AOF manifest file format", 1),
        (b"file a seq 1 type b more\n", "Invalid AOF manifest file format", 1),
        (b"file a seq x type b\n", "Invalid AOF manifest file format", 1),
        (b"file a seq 0 type b\n", "Invalid AOF manifest file format", 1),
        (b'file "a seq 1 type b\n', "Invalid AOF manifest file format", 1),
        (b'file a seq 1 type ""\n', "Invalid AOF manifest file format", 1),
        (b"file a seq 1 type x\n", "Unknown AOF file type", 1),
        (
            b"file ../a seq 1 type b\n",
            "File can't be a path, just a filename",
            1,
        ),
        (
            b"file a seq 1 type b\nfile b seq 2 type b\n",
            "Found duplicate base file information",
            2,
        ),
        (
            b"file a seq 2 type i\nfile b seq 1 type i\n",
            "Found a non-monotonic sequence number",
            2,
        ),
        (
            b"file a seq 2 type i\nfile b seq 2 type i\n",
            "Found a non-monotonic sequence number",
            2,
        ),
        (
            b"file a seq 1 type b" + b" x y" * LINE_MAX + b"\n",
            "The AOF manifest file contains too long line",
            0,
        ),
    ],
)
def test_what_is_no_manifest(text: bytes, message: str, line: int) -> None:
    with pytest.raises(ManifestError) as caught:
        Manifest.parse(NAME, text)
    assert str(caught.value) == message
    assert caught.value.line == line


def test_comments_and_words_of_later_versions_are_left_alone() -> None:
    text = b"# a comment\nfile a seq 3 type i startoffset 17\n"
    manifest = Manifest.parse(NAME, text)
    assert [(part.name, part.seq) for part in manifest.increments] == [("a", 3)]
    assert manifest.new_increment(17).seq == 4


names = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]),
    min_size=1,
    max_size=20,
)


@given(names)
def test_any_name_is_read_back(name: str) -> None:
    manifest = Manifest(name)
    manifest.new_base(is_rdb=True)
    manifest.new_increment(17)
    assert Manifest.parse(name, manifest.to_bytes()) == manifest
