# SPDX-License-Identifier: BSD-3-Clause
"""Servers within a program keep files only where they are told to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fastredis
from fastredis.persistence.aof import State
from support.wait import wait_until


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    """Work in a folder of the test's own."""
    with contextlib.chdir(tmp_path):
        yield tmp_path


def server(**options: Any) -> fastredis.Server:
    return fastredis.Server(port=0, bind="127.0.0.1", logfile=os.devnull, **options)


def test_nothing_is_left_behind(folder: Path) -> None:
    with server() as first:
        first.call("SET", "a", "1")
    assert list(folder.iterdir()) == []


def test_the_append_only_file_is_enough(folder: Path) -> None:
    with server(appendonly="yes") as first:
        first.call("SET", "a", "1")
    assert [path.name for path in folder.iterdir()] == ["appendonlydir"]
    with server(appendonly="yes") as second:
        assert second.call("GET", "a") == b"1"


def test_it_may_be_turned_on_later(folder: Path) -> None:
    with server() as first:
        first.call("SET", "a", "1")
        first.call("CONFIG", "SET", "appendonly", "yes")
        first.call("SET", "b", "2")
        wait_until(lambda: first.aof.state is State.ON)  # it has its first base
    with server(appendonly="yes") as second:
        assert second.call("MGET", "a", "b") == [b"1", b"2"]


def test_a_snapshot_at_the_end(folder: Path) -> None:
    with server(save="3600 1") as first:
        first.call("SET", "a", "1")
    assert [path.name for path in folder.iterdir()] == ["dump.rdb"]
    with server(save="3600 1") as second:
        assert second.call("GET", "a") == b"1"
