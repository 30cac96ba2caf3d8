# SPDX-License-Identifier: BSD-3-Clause
"""engine.stats: latency histograms against exact percentiles."""

from __future__ import annotations

import math
import random

import pytest

from fastredis._testing import stats
from fastredis._testing.stats import BUCKETS, Histogram
from support.seeds import seeds

LARGEST = 2**33  # what does not fit any more is counted in the last bucket


def test_buckets_follow_each_other() -> None:
    bounds = [stats.bucket_ticks(i) for i in range(BUCKETS + 1)]
    assert bounds == sorted(set(bounds))
    assert (bounds[0], bounds[BUCKETS]) == (0, LARGEST)
    for i in range(BUCKETS):
        assert stats.index(bounds[i]) == i
        assert stats.index(bounds[i + 1] - 1) == i
        # a bucket is at most a sixteenth wide
        assert bounds[i + 1] - bounds[i] <= max(1, bounds[i] / 16)


@pytest.mark.parametrize("ticks", [LARGEST, LARGEST + 1, 2**40, 2**63, 2**64 - 1])
def test_what_is_too_long_is_counted_last(ticks: int) -> None:
    assert stats.index(ticks) == BUCKETS - 1


def test_empty_histogram() -> None:
    histogram = Histogram()
    assert histogram.counts() is None
    histogram.record(5)
    counts = histogram.counts()
    assert counts is not None
    assert sum(counts) == 1
    histogram.add(5, -1 % 2**64)
    assert histogram.percentile(50) == 0


@pytest.mark.parametrize("seed", seeds(5))
def test_percentiles_of_random_durations(seed: int) -> None:
    rng = random.Random(seed)
    histogram = Histogram()
    durations = sorted(
        int(10 ** rng.uniform(0, 9)) for _ in range(rng.choice([1, 7, 2000]))
    )
    for ticks in durations:
        histogram.record(ticks)
    for p in (0.0, 1.0, 50.0, 90.0, 99.0, 99.9, 100.0):
        exact = durations[max(0, math.ceil(len(durations) * p / 100) - 1)]
        # the upper bound of the bucket that the exact one is in
        assert exact < histogram.percentile(p) <= max(exact + 1, exact * 17 / 16 + 1)


def test_more_calls_than_32_bits_count() -> None:
    """A busy server makes that many in an hour."""
    histogram = Histogram()
    histogram.record(10)
    histogram.add(10, 2**33)
    histogram.record(1000)
    histogram.add(stats.index(1000), 2**31)
    counts = histogram.counts()
    assert counts is not None
    assert counts[10] == 2**33 + 1
    assert histogram.percentile(50) == 11
    assert histogram.percentile(75) == 11
    assert histogram.percentile(99) == stats.bucket_ticks(stats.index(1000) + 1)
