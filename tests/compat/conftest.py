# SPDX-License-Identifier: BSD-3-Clause
"""The servers that are compared; one set for each test module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.differential import Contest, contest
from support.server import FastredisServer, GenuineServer


@pytest.fixture(scope="module")
def subject() -> Iterator[FastredisServer]:
    """Start the server under test."""
    with FastredisServer() as started:
        yield started


@pytest.fixture(scope="module")
def valkey() -> Iterator[GenuineServer]:
    """Start a genuine Valkey."""
    with GenuineServer("valkey") as started:
        yield started


@pytest.fixture(scope="module")
def redis() -> Iterator[GenuineServer]:
    """Start a genuine Redis."""
    with GenuineServer("redis") as started:
        yield started


@pytest.fixture(scope="module")
def with_both(
    subject: FastredisServer, redis: GenuineServer, valkey: GenuineServer
) -> Iterator[Contest]:
    """Set fastredis beside both; what only one of them does is right."""
    with contest(subject, [redis, valkey]) as held:
        yield held


@pytest.fixture(scope="module")
def with_valkey(subject: FastredisServer, valkey: GenuineServer) -> Iterator[Contest]:
    """Set fastredis beside Valkey alone, for what Redis 7.0 does not know."""
    # Valkey embeds longer values, by the length of the key.
    with contest(subject, [valkey], encodings=False) as held:
        yield held
