# SPDX-License-Identifier: BSD-3-Clause
"""SUBSCRIBE, PUBLISH and their kin; PUBSUB; what subscribers may do."""

from __future__ import annotations

import fnmatch
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

import fastredis
from support.client import Error, Push, RawClient
from support.server import FastredisServer
from support.wait import wait_until


def told(client: RawClient, *values: Any) -> None:
    """Check that the next thing a client hears is this message or confirmation."""
    reply = client.read()
    assert isinstance(reply, Push if client.resp == 3 else list)
    assert list(reply) == list(values)


def hears_nothing(client: RawClient) -> None:
    """Check that no message waits: the answer to a PING is the next that comes."""
    client.send("PING", "nothing")
    reply = client.read()
    if client.resp == 2 and isinstance(reply, list):
        assert reply == [b"pong", b"nothing"]
    else:
        assert reply == b"nothing"


def subscribe(client: RawClient, command: str, *names: str) -> None:
    """Subscribe, and read the confirmations."""
    client.send(command, *names)
    for name in names:
        reply = client.read()
        assert list(reply[:2]) == [command.lower().encode(), name.encode()]


# --- Messages ----------------------------------------------------------------------


def test_messages_reach_the_subscribers(client: RawClient, client2: RawClient) -> None:
    client.send("SUBSCRIBE", "news", "sport", "news")
    told(client, b"subscribe", b"news", 1)
    told(client, b"subscribe", b"sport", 2)
    told(client, b"subscribe", b"news", 2)
    assert client2.cmd("PUBLISH", "news", "hello") == 1
    assert client2.cmd("PUBLISH", "weather", "hello") == 0
    told(client, b"message", b"news", b"hello")
    client.send("UNSUBSCRIBE", "news", "never")
    told(client, b"unsubscribe", b"news", 1)
    told(client, b"unsubscribe", b"never", 1)
    assert client2.cmd("PUBLISH", "news", "hello") == 0
    hears_nothing(client)
    client.send("UNSUBSCRIBE")
    told(client, b"unsubscribe", b"sport", 0)
    client.send("UNSUBSCRIBE")
    told(client, b"unsubscribe", None, 0)
    assert client.cmd("GET", "x") is None


def test_patterns(client: RawClient, client2: RawClient) -> None:
    client.send("PSUBSCRIBE", "news.*", "n*", "[a-c]?")
    for number, pattern in enumerate([b"news.*", b"n*", b"[a-c]?"], 1):
        told(client, b"psubscribe", pattern, number)
    subscribe(client, "SUBSCRIBE", "news.de")
    assert client2.cmd("PUBLISH", "news.de", "x") == 3
    told(client, b"message", b"news.de", b"x")
    told(client, b"pmessage", b"news.*", b"news.de", b"x")
    told(client, b"pmessage", b"n*", b"news.de", b"x")
    assert client2.cmd("PUBLISH", "bz", "") == 1
    told(client, b"pmessage", b"[a-c]?", b"bz", b"")
    client.send("PUNSUBSCRIBE", "n*")
    told(client, b"punsubscribe", b"n*", 3)
    client.send("PUNSUBSCRIBE")
    left = {bytes(client.read()[1]) for _ in range(2)}
    assert left == {b"news.*", b"[a-c]?"}
    assert client2.cmd("PUBLISH", "news.de", "x") == 1


def test_shard_channels_are_apart(client: RawClient, client2: RawClient) -> None:
    subscribe(client, "SUBSCRIBE", "a")
    subscribe(client, "PSUBSCRIBE", "*")
    client.send("SSUBSCRIBE", "a", "b")
    told(client, b"ssubscribe", b"a", 1)
    told(client, b"ssubscribe", b"b", 2)
    assert client2.cmd("SPUBLISH", "a", "x") == 1
    told(client, b"smessage", b"a", b"x")
    assert client2.cmd("PUBLISH", "b", "y") == 1
    told(client, b"pmessage", b"*", b"b", b"y")
    client.send("SUNSUBSCRIBE", "b")
    told(client, b"sunsubscribe", b"b", 1)
    client.send("SUNSUBSCRIBE")
    told(client, b"sunsubscribe", b"a", 0)
    client.send("SUNSUBSCRIBE")
    told(client, b"sunsubscribe", None, 0)


@pytest.mark.parametrize("nbytes", [0, 1, 100, 16_000, 16_384, 50_000, 3_000_000])
@pytest.mark.parametrize("nsubscribers", [1, 3])
def test_messages_of_every_size(
    server: FastredisServer, client: RawClient, nbytes: int, nsubscribers: int
) -> None:
    subscribers = [server.client(2 + n % 2) for n in range(nsubscribers)]
    name = "channel\r\n\x00" + "x" * 200
    for subscriber in subscribers:
        subscribe(subscriber, "SUBSCRIBE", name)
        subscribe(subscriber, "PSUBSCRIBE", "chan*")
    text = random.Random(nbytes).randbytes(nbytes)
    assert client.cmd("PUBLISH", name, text) == 2 * nsubscribers
    for subscriber in subscribers:
        told(subscriber, b"message", name.encode(), text)
        told(subscriber, b"pmessage", b"chan*", name.encode(), text)


def test_publishing_to_oneself(client3: RawClient) -> None:
    subscribe(client3, "SUBSCRIBE", "a")
    subscribe(client3, "PSUBSCRIBE", "*")
    client3.send("PUBLISH", "a", "x")
    assert client3.read() == 2  # the reply comes first
    told(client3, b"message", b"a", b"x")
    told(client3, b"pmessage", b"*", b"a", b"x")


def test_publishing_to_oneself_in_a_transaction(client3: RawClient) -> None:
    subscribe(client3, "SUBSCRIBE", "a")
    client3.ok("MULTI")
    for command in (("ECHO", "1"), ("PUBLISH", "a", "x"), ("ECHO", "2")):
        assert client3.cmd(*command) == "QUEUED"
    client3.send("EXEC")
    assert client3.read() == [b"1", 1, b"2"]
    told(client3, b"message", b"a", b"x")


def test_subscribing_in_a_transaction(client: RawClient, client2: RawClient) -> None:
    client.ok("MULTI")
    client.send("SUBSCRIBE", "a")
    assert client.read() == "QUEUED"
    assert client.cmd("SET", "b", "1") == "QUEUED"
    client.send("EXEC")
    assert client.read_raw(4) == b"*2\r\n"
    told(client, b"subscribe", b"a", 1)
    assert client.read() == "OK"
    assert client2.cmd("PUBLISH", "a", "x") == 1
    told(client, b"message", b"a", b"x")


def test_shard_channels_cannot_be_subscribed_to_in_a_transaction(
    client: RawClient,
) -> None:
    client.ok("MULTI")
    client.send("SSUBSCRIBE", "a")
    assert client.read() == "QUEUED"
    (error,) = client.cmd("EXEC")
    assert error == Error("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")


def test_calls_without_a_connection() -> None:
    with fastredis.Server(port=0) as server:
        for name in ("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"):
            with pytest.raises(Exception, match=f"{name} isn't allowed"):
                server.call(name, "a")
        with RawClient(server.port) as client:
            subscribe(client, "SUBSCRIBE", "a")
            assert server.call("PUBLISH", "a", "x") == 1
            told(client, b"message", b"a", b"x")


@pytest.mark.parametrize("road", ["epoll", "uvloop"])
def test_many_messages_on_both_roads(
    fresh_server: Callable[..., FastredisServer], road: str
) -> None:
    server = fresh_server(**{"net-transport": road})
    publisher, subscriber = server.client(), server.client(3)
    subscribe(subscriber, "SUBSCRIBE", "a")
    commands = [("PUBLISH", "a", f"{n}") for n in range(2000)]
    assert publisher.pipeline(commands) == [1] * 2000
    for n in range(2000):
        told(subscriber, b"message", b"a", b"%d" % n)


# --- What a subscriber may do ------------------------------------------------------


def test_only_a_few_commands_in_resp2(client2: RawClient) -> None:
    subscribe(client2, "SSUBSCRIBE", "a")
    for command in (("GET", "x"), ("CONFIG", "GET", "x"), ("MULTI",), ("HELLO", "3")):
        name = "|".join(command[:2]).lower() if command[0] == "CONFIG" else command[0]
        assert client2.cmd(*command) == Error(
            f"ERR Can't execute '{name.lower()}': only (P|S)SUBSCRIBE / "
            "(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
        )
    assert client2.cmd("PING") == [b"pong", b""]
    assert client2.cmd("PING", "x") == [b"pong", b"x"]
    assert isinstance(client2.cmd("PING", "x", "y"), Error)
    client2.send("SUNSUBSCRIBE")
    told(client2, b"sunsubscribe", b"a", 0)
    assert client2.cmd("PING") == "PONG"


def test_refused_commands_are_counted(client2: RawClient, client3: RawClient) -> None:
    client3.ok("CONFIG", "RESETSTAT")
    subscribe(client2, "SUBSCRIBE", "a")
    client2.cmd("STRLEN", "x")
    stats = client3.info("commandstats")["cmdstat_strlen"]
    assert stats.startswith("calls=0,")
    assert stats.endswith("rejected_calls=1,failed_calls=0")


def test_every_command_in_resp3(client3: RawClient) -> None:
    subscribe(client3, "SUBSCRIBE", "a")
    assert client3.cmd("PING") == "PONG"
    assert client3.cmd("PING", "x") == b"x"
    client3.ok("SET", "b", "1")
    assert client3.cmd("GET", "b") == b"1"
    client3.hello(2)
    assert isinstance(client3.cmd("GET", "b"), Error)


def test_reset_ends_subscriptions(client: RawClient, client2: RawClient) -> None:
    subscribe(client, "SUBSCRIBE", "a", "b")
    subscribe(client, "PSUBSCRIBE", "*")
    subscribe(client, "SSUBSCRIBE", "a")
    assert client.cmd("RESET") == "RESET"
    client.resp = 2
    assert client2.cmd("PUBLISH", "a", "x") == 0
    assert client2.cmd("PUBSUB", "NUMPAT") == 0
    assert client.cmd("GET", "x") is None


def test_quit(client: RawClient, client2: RawClient) -> None:
    subscribe(client, "SUBSCRIBE", "a")
    client.ok("QUIT")
    assert client.is_closed()
    wait_until(lambda: client2.cmd("PUBLISH", "a", "x") == 0)


@pytest.mark.parametrize("how", ["OFF", "SKIP"])
def test_messages_and_confirmations_are_never_muted(
    client: RawClient, client2: RawClient, how: str
) -> None:
    client.send("CLIENT", "REPLY", how)
    client.send("SUBSCRIBE", "a")
    told(client, b"subscribe", b"a", 1)
    if client.resp == 3:
        client.send("CLIENT", "REPLY", how)
    client.send("PSUBSCRIBE", "*")
    told(client, b"psubscribe", b"*", 2)
    assert client2.cmd("PUBLISH", "a", "x") == 2
    told(client, b"message", b"a", b"x")
    told(client, b"pmessage", b"*", b"a", b"x")
    if client.resp == 3:
        client.send("CLIENT", "REPLY", how)
        client.send("PUBLISH", "a", "y")
        told(client, b"message", b"a", b"y")
        told(client, b"pmessage", b"*", b"a", b"y")
        client.send("CLIENT", "REPLY", how)
    client.send("UNSUBSCRIBE", "a")
    told(client, b"unsubscribe", b"a", 1)


def test_authentication_is_needed(fresh_server: Callable[..., FastredisServer]) -> None:
    server = fresh_server(requirepass="secret")
    client = server.client()
    assert client.cmd("SUBSCRIBE", "a") == Error("NOAUTH Authentication required.")


# --- Output limits -----------------------------------------------------------------


def test_a_subscriber_that_does_not_read_is_closed(server: FastredisServer) -> None:
    publisher = server.client()
    publisher.ok(
        "CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0 normal 0 0 0"
    )
    slow = RawClient(server.port, rcvbuf=4096)
    subscribe(slow, "SUBSCRIBE", "a")
    for _ in range(100):
        if publisher.cmd("PUBLISH", "a", b"x" * 200_000) == 0:
            break
    else:
        pytest.fail("twenty megabytes wait for one subscriber")
    assert publisher.info("stats")["client_output_buffer_limit_disconnections"] == "1"
    assert slow.read_all().startswith(b"*3\r\n$7\r\nmessage\r\n")  # then the end
    slow.close()
    publisher.ok(
        "CONFIG", "SET", "client-output-buffer-limit", "pubsub 33554432 8388608 60"
    )


def test_nobody_waits_for_a_slow_subscriber(
    server: FastredisServer,
) -> None:
    """Until it is closed, and then: all others get every message, in order."""
    publisher = RawClient(server.port)
    limit = publisher.config("client-output-buffer-limit")
    publisher.ok("CONFIG", "SET", "client-output-buffer-limit", "pubsub 4mb 0 0")
    slow = RawClient(server.port, rcvbuf=4096)
    subscribe(slow, "SUBSCRIBE", "a")
    quick = [RawClient(server.port, resp=resp) for resp in (2, 3, 2)]
    for client in quick:
        subscribe(client, "SUBSCRIBE", "a")
    counts = set()
    for n in range(200):
        text = b"%d" % n + b"x" * 100_000
        counts.add(publisher.cmd("PUBLISH", "a", text))
        for client in quick:
            told(client, b"message", b"a", text)
    assert counts == {4, 3}
    assert publisher.info("stats")["client_output_buffer_limit_disconnections"] == "1"
    publisher.ok("CONFIG", "SET", "client-output-buffer-limit", limit)
    for client in [publisher, slow, *quick]:
        client.close()


def test_a_subscriber_over_its_soft_limit_is_closed_in_time(
    server: FastredisServer,
) -> None:
    publisher = server.client()
    publisher.ok("CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 100kb 2")
    slow = RawClient(server.port, rcvbuf=4096)
    subscribe(slow, "SUBSCRIBE", "a")
    began = time.monotonic()
    for _ in range(40):
        publisher.cmd("PUBLISH", "a", b"x" * 200_000)
    wait_until(lambda: publisher.cmd("PUBSUB", "NUMSUB", "a") == [b"a", 0], 10)
    assert time.monotonic() - began > 1
    slow.close()
    publisher.ok(
        "CONFIG", "SET", "client-output-buffer-limit", "pubsub 33554432 8388608 60"
    )


def test_limits_of_normal_clients_are_not_those_of_subscribers(
    server: FastredisServer,
) -> None:
    publisher = server.client()
    publisher.ok("CONFIG", "SET", "client-output-buffer-limit", "normal 100kb 0 0")
    slow = RawClient(server.port, rcvbuf=4096)
    subscribe(slow, "SUBSCRIBE", "a")
    for _ in range(40):
        assert publisher.cmd("PUBLISH", "a", b"x" * 200_000) == 1
    for _ in range(40):
        told(slow, b"message", b"a", b"x" * 200_000)
    slow.close()
    publisher.ok("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")


# --- PUBSUB, and what else is shown ------------------------------------------------


def test_pubsub(server: FastredisServer, client: RawClient) -> None:
    one, two = server.client(2), server.client(3)
    subscribe(one, "SUBSCRIBE", "a", "b", "channel")
    subscribe(two, "SUBSCRIBE", "a")
    subscribe(one, "PSUBSCRIBE", "x*", "y*")
    subscribe(two, "PSUBSCRIBE", "x*")
    subscribe(two, "SSUBSCRIBE", "s1", "s2")
    subscribe(one, "SSUBSCRIBE", "s1")
    assert sorted(client.cmd("PUBSUB", "CHANNELS")) == [b"a", b"b", b"channel"]
    assert sorted(client.cmd("PUBSUB", "CHANNELS", "?")) == [b"a", b"b"]
    assert client.cmd("PUBSUB", "CHANNELS", "none") == []
    assert client.cmd("PUBSUB", "NUMSUB") == []
    assert client.cmd("PUBSUB", "NUMSUB", "a", "b", "z", "a") == [
        *(b"a", 2),
        *(b"b", 1),
        *(b"z", 0),
        *(b"a", 2),
    ]
    assert client.cmd("PUBSUB", "NUMPAT") == 2
    assert sorted(client.cmd("PUBSUB", "SHARDCHANNELS")) == [b"s1", b"s2"]
    assert client.cmd("PUBSUB", "SHARDCHANNELS", "*2") == [b"s2"]
    assert client.cmd("PUBSUB", "SHARDNUMSUB", "s1", "a") == [b"s1", 2, b"a", 0]
    for name in ("channels", "SHARDCHANNELS"):
        assert client.cmd("PUBSUB", name, "a", "b") == Error(
            f"ERR unknown subcommand or wrong number of arguments for '{name}'. "
            "Try PUBSUB HELP."
        )
    assert "NUMPAT" in client.cmd("PUBSUB", "HELP")
    info = client.info()
    assert info["pubsub_channels"] == "3"
    assert info["pubsub_patterns"] == "2"
    assert info["pubsubshard_channels"] == "2"
    assert info["pubsub_clients"] == "2"


def test_client_list_shows_subscriptions(client: RawClient, client2: RawClient) -> None:
    subscribe(client2, "SUBSCRIBE", "a", "b")
    subscribe(client2, "PSUBSCRIBE", "*")
    subscribe(client2, "SSUBSCRIBE", "a", "b", "c")
    listed = client.cmd("CLIENT", "LIST", "TYPE", "pubsub").decode()
    assert " sub=2 psub=1 ssub=3 " in listed
    assert " flags=P " in listed
    assert len(listed.splitlines()) == 1
    assert " sub=0 " in client.cmd("CLIENT", "LIST", "TYPE", "normal").decode()
    assert client.cmd("CLIENT", "KILL", "TYPE", "pubsub") == 1
    assert client2.is_closed()
    assert client.cmd("PUBSUB", "CHANNELS") == []


def test_subscriptions_go_with_their_clients(server: FastredisServer) -> None:
    admin = server.client()
    before = int(admin.info("memory")["used_memory"])
    clients = [server.client(2 + n % 2) for n in range(10)]
    for number, client in enumerate(clients):
        subscribe(client, "SUBSCRIBE", *[f"c{i}" for i in range(100 * (number + 1))])
        subscribe(client, "PSUBSCRIBE", *[f"p{i}" for i in range(10)])
        subscribe(client, "SSUBSCRIBE", *[f"s{i}" for i in range(10)])
    assert admin.info("stats")["pubsub_channels"] == "1000"
    for client in clients:
        client.close()
    wait_until(lambda: admin.info("clients")["pubsub_clients"] == "0")
    info = admin.info()
    assert info["pubsub_channels"] == info["pubsub_patterns"] == "0"
    assert int(info["used_memory"]) < before + 100_000


@pytest.mark.parametrize("seed", range(3))
def test_random_subscriptions_against_a_model(
    server: FastredisServer, seed: int
) -> None:
    rng = random.Random(seed)
    clients = [server.client(2 + n % 2) for n in range(6)]
    publisher = server.client()
    names = [f"{a}{b}" for a in "ab" for b in range(4)]
    patterns = ["*", "a*", "?1", "b[0-2]"]
    channels: list[set[str]] = [set() for _ in clients]
    globs: list[set[str]] = [set() for _ in clients]
    for _ in range(600):
        number = rng.randrange(len(clients))
        client = clients[number]
        action = rng.randrange(5)
        if action == 0:
            name = rng.choice(names)
            client.send("SUBSCRIBE", name)
            channels[number].add(name)
        elif action == 1:
            name = rng.choice(patterns)
            client.send("PSUBSCRIBE", name)
            globs[number].add(name)
        elif action == 2:
            name = rng.choice(names)
            client.send("UNSUBSCRIBE", name)
            channels[number].discard(name)
        elif action == 3:
            name = rng.choice(patterns)
            client.send("PUNSUBSCRIBE", name)
            globs[number].discard(name)
        else:
            name = rng.choice(names)
            total = 0
            sent = publisher.cmd("PUBLISH", name, "x")
            for other, one in enumerate(clients):
                if name in channels[other]:
                    told(one, b"message", name.encode(), b"x")
                    total += 1
                matching = {g for g in globs[other] if fnmatch.fnmatchcase(name, g)}
                heard = {bytes(one.read()[1]).decode() for _ in matching}
                assert heard == matching
                total += len(matching)
            assert sent == total
            continue
        reply = client.read()
        assert reply[2] == len(channels[number]) + len(globs[number])
    for client in clients:
        hears_nothing(client)


# --- Client libraries --------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py(server: FastredisServer, protocol: int) -> None:
    with redis.Redis(port=server.port, protocol=protocol) as client:
        listener = client.pubsub()
        listener.subscribe("a")
        listener.psubscribe("b*")
        kinds = [listener.get_message(timeout=5)["type"] for _ in range(2)]
        assert kinds == ["subscribe", "psubscribe"]
        client.publish("a", "1")
        client.publish("bb", "2")
        messages = [listener.get_message(timeout=5) for _ in range(2)]
        assert [m["type"] for m in messages] == ["message", "pmessage"]
        assert [m["data"] for m in messages] == [b"1", b"2"]
        listener.close()


# --- Many --------------------------------------------------------------------------


def test_many_channels(server: FastredisServer) -> None:
    """A million would do as well; memory and the table's growth show with fewer."""
    count = 30_000
    with RawClient(server.port) as client, RawClient(server.port) as publisher:
        before = int(publisher.info("memory")["used_memory"])
        names = [f"channel:{n:08}" for n in range(count)]
        for start in range(0, count, 1000):
            client.send("SUBSCRIBE", *names[start : start + 1000])
            replies = [client.read() for _ in range(1000)]
            assert replies[-1][2] == start + 1000
        taken = int(publisher.info("memory")["used_memory"]) - before
        assert taken < 200 * count  # bytes, for channel and subscription
        assert publisher.info("stats")["pubsub_channels"] == str(count)
        for n in random.Random(1).sample(range(count), 100):
            assert publisher.cmd("PUBLISH", names[n], "x") == 1
            told(client, b"message", names[n].encode(), b"x")
        client.send("UNSUBSCRIBE")
        left = [client.read()[2] for _ in range(count)]
        assert left == list(range(count - 1, -1, -1))
        assert publisher.info("stats")["pubsub_channels"] == "0"
        after = int(publisher.info("memory")["used_memory"]) - before
        assert after < taken // 4
