# SPDX-License-Identifier: BSD-3-Clause
"""A game's leaderboard on sorted sets, as one writes it with redis-py.

Scores are kept for the season and for each day; players look at the top, at their own
place and at who is around them; days are added up to weeks.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from support.server import FastredisServer

redis = pytest.importorskip("redis", reason="redis-py is not installed")


class Leaderboard:
    """Scores of players, the best first; equal scores in the order of the names."""

    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.season = f"board:{name}"

    def day(self, day: int) -> str:
        return f"{self.season}:day:{day}"

    def won(self, day: int, player: str, points: int) -> None:
        """Add points to the day and to the season; the day is kept for a week."""
        pipe = self.client.pipeline(transaction=False)
        pipe.zincrby(self.season, points, player)
        pipe.zincrby(self.day(day), points, player)
        pipe.expire(self.day(day), 7 * 86400)
        pipe.hincrby(f"{self.season}:games", player, 1)
        pipe.execute()

    def top(self, n: int) -> list[tuple[str, float]]:
        found = self.client.zrange(self.season, 0, n - 1, desc=True, withscores=True)
        return [(member, score) for member, score in found]

    def place(self, player: str) -> int | None:
        """Return the place of a player, from 1."""
        rank = self.client.zrevrank(self.season, player)
        return None if rank is None else rank + 1

    def around(self, player: str, n: int) -> list[str]:
        """Return the players from n places above to n places below."""
        rank = self.client.zrevrank(self.season, player)
        found: list[str] = self.client.zrevrange(
            self.season, max(rank - n, 0), rank + n
        )
        return found

    def week(self, days: range) -> dict[str, float]:
        """Add days up."""
        target = f"{self.season}:week"
        self.client.zunionstore(target, [self.day(day) for day in days])
        return dict(self.client.zrange(target, 0, -1, withscores=True))

    def retire(self, player: str) -> bool:
        return bool(self.client.zrem(self.season, player))


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def board(
    server: FastredisServer, request: pytest.FixtureRequest
) -> Iterator[Leaderboard]:
    client = redis.Redis(
        port=server.port, decode_responses=True, protocol=request.param
    )
    yield Leaderboard(client, "game")
    client.close()


def expected_order(totals: Counter[str]) -> list[str]:
    """Return the players as a descending range has them: ties by name, backwards."""
    return sorted(totals, key=lambda player: (totals[player], player), reverse=True)


@pytest.mark.parametrize("players", [20, 1500])
def test_a_season(board: Leaderboard, players: int) -> None:
    """With few players the set is a listpack, with many it is a tree."""
    rng = random.Random(players)
    names = [f"player-{n:04}" for n in range(players)]
    totals: Counter[str] = Counter()
    days: list[Counter[str]] = [Counter() for _ in range(5)]
    for _ in range(3 * players):
        day, name, points = rng.randrange(5), rng.choice(names), rng.randrange(1, 50)
        board.won(day, name, points)
        totals[name] += points
        days[day][name] += points
    order = expected_order(totals)
    assert board.top(10) == [(name, totals[name]) for name in order[:10]]
    for name in rng.sample(order, 15):
        at = order.index(name)
        assert board.place(name) == at + 1
        assert board.around(name, 3) == order[max(at - 3, 0) : at + 4]
    assert board.place("nobody") is None
    assert board.week(range(5)) == dict(totals)
    assert board.week(range(1, 3)) == dict(days[1] + days[2])
    client = board.client
    assert 0 < client.ttl(board.day(0)) <= 7 * 86400
    median = totals[order[len(order) // 2]]
    above = sum(points > median for points in totals.values())
    assert client.zcount(board.season, f"({median}", "+inf") == above
    games = client.hgetall(f"{board.season}:games")
    assert sum(map(int, games.values())) == 3 * players

    gone = order[:5]
    assert all(board.retire(name) for name in gone)
    assert not board.retire(gone[0])
    assert [name for name, _ in board.top(5)] == order[5:10]
    assert client.zcard(board.season) == len(order) - 5


def test_many_games_at_once(board: Leaderboard, server: FastredisServer) -> None:
    def play(seed: int) -> None:
        rng = random.Random(seed)
        with redis.Redis(port=server.port, decode_responses=True) as client:
            mine = Leaderboard(client, "game")
            for _ in range(300):
                mine.won(0, f"p{rng.randrange(40)}", 2)

    threads = [threading.Thread(target=play, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    totals: Counter[str] = Counter()
    for seed in range(4):
        rng = random.Random(seed)
        for _ in range(300):
            totals[f"p{rng.randrange(40)}"] += 2
    assert board.top(40) == [(name, totals[name]) for name in expected_order(totals)]
