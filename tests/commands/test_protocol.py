# SPDX-License-Identifier: BSD-3-Clause
"""The protocol as a client sees it, over every road that bytes can take.

Requests are cut at each byte, pipelined, malformed and oversized. The roads are the
engine's own reactor and the event loop's transports, each over TCP and a Unix socket.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from support.client import Double, Error, Map, RawClient, SimpleString, encode, exact
from support.server import FastredisServer
from support.shared import SharedServer
from support.wait import wait_until

MIB = 1024 * 1024
INLINE_MAX = 64 * 1024


@dataclass
class Road:
    """A server, and the way to it."""

    server: FastredisServer
    unix: bool

    def connect(self, resp: int = 2, **options: Any) -> RawClient:
        """Return a new connection by this road."""
        return self.server.client(resp, unix=self.unix, **options)


TRANSPORTS: dict[str, dict[str, Any]] = {
    "reactor": {},
    "uvloop": {"net_transport": "uvloop"},
}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, SharedServer]]:
    """Hold a server for each transport, started when first asked for."""
    held = {name: SharedServer(**config) for name, config in TRANSPORTS.items()}
    yield held
    for shared in held.values():
        shared.stop()


ROADS = [(transport, family) for transport in TRANSPORTS for family in ("tcp", "unix")]


@pytest.fixture(params=ROADS, ids="-".join)
def road(
    servers: dict[str, SharedServer], request: pytest.FixtureRequest
) -> Iterator[Road]:
    """Lend each road in turn."""
    transport, family = request.param
    shared = servers[transport]
    server = shared.acquire()
    yield Road(server, family == "unix")
    shared.release(server)


@pytest.fixture(params=TRANSPORTS.values(), ids=TRANSPORTS.keys())
def fresh_road(
    fresh_server: Callable[..., FastredisServer], request: pytest.FixtureRequest
) -> Callable[..., Road]:
    """Make a server with the test's own options, by each transport."""
    return lambda **config: Road(fresh_server(**config, **request.param), False)


# --- Requests in pieces ------------------------------------------------------------

BINARY = b"\x00\r\n$5\r\n\xff*"
WHOLE = {
    "set": (encode(["SET", b"key", BINARY]), "OK"),
    "bulk with length of two digits": (encode(["ECHO", b"x" * 12]), b"x" * 12),
    "empty bulk": (encode(["ECHO", b""]), b""),
    "nothing, then ping": (b"*0\r\n*-1\r\n\r\n*1\r\n$4\r\nPING\r\n", "PONG"),
    "inline": (b'echo "a\\x41 \\n\'"\r\n', b"aA \n'"),
    "inline ended by LF": (b"ECHO '\\'q'\n", b"'q"),
    "empty lines before": (b"\r\n\r\nPING\r\n", "PONG"),
}


@pytest.mark.parametrize(("request_", "reply"), WHOLE.values(), ids=WHOLE.keys())
def test_request_cut_at_every_byte(road: Road, request_: bytes, reply: Any) -> None:
    other = road.connect()
    for cut in range(len(request_) + 1):
        client = road.connect()
        client.send_raw(request_[:cut])
        # Another client's round trip: the server has looked at the first part.
        assert other.cmd("PING") == "PONG"
        client.send_raw(request_[cut:])
        assert client.read() == reply, f"cut at {cut}"
        assert client.cmd("PING") == "PONG", f"after the cut at {cut}"
        client.close()


def test_request_byte_by_byte(road: Road) -> None:
    client = road.connect()
    for byte in encode(["SET", "key", BINARY]) + encode(["GET", "key"]):
        client.send_raw(bytes([byte]))
    assert client.read() == "OK"
    assert client.read() == BINARY


def test_big_bulk_cut_around_its_ends(road: Road) -> None:
    value = random.Random(5).randbytes(100_000)
    request = encode(["SET", "key", value])
    start = request.index(value)
    other = road.connect()
    cuts = [*range(start - 8, start + 3), start + 16_384, start + 32_768]
    cuts += [start + 65_536, *range(len(request) - 4, len(request))]
    for cut in cuts:
        client = road.connect()
        other.ok("FLUSHALL")
        client.send_raw(request[:cut])
        assert other.cmd("EXISTS", "key") == 0
        client.send_raw(request[cut:])
        assert client.read() == "OK", f"cut at {cut}"
        assert other.cmd("GET", "key") == value, f"cut at {cut}"
        client.close()


@pytest.mark.parametrize("seed", range(4))
def test_stream_cut_at_random(road: Road, seed: int) -> None:
    rng = random.Random(seed)
    values = [rng.randbytes(rng.choice([0, 1, 100, 5000, 40_000])) for _ in range(200)]
    stream = b"".join(encode(["ECHO", value]) for value in values)
    other = road.connect()
    client = road.connect()
    start = 0
    while start < len(stream):
        nbytes = rng.choice([1, 2, 7, 100, 4096, 16_384, 100_000])
        client.send_and_fill(stream[start : start + nbytes])
        start += nbytes
        if rng.random() < 0.3:
            other.cmd("PING")
    assert [client.read() for _ in values] == values


# --- Pipelining --------------------------------------------------------------------


@pytest.mark.parametrize("resp", [2, 3])
def test_pipeline_of_ten_thousand(road: Road, resp: int) -> None:
    commands: list[tuple[Any, ...]] = []
    expected: list[Any] = []
    for number in range(2000):
        key = f"key:{number % 700}"
        commands += [
            ("SET", key, number),
            ("GET", key),
            ("INCR", "counter"),
            ("GET", "absent"),
            ("nonsense", key),
        ]
        expected += [
            SimpleString("OK"),
            b"%d" % number,
            number + 1,
            None,
            Error(
                f"ERR unknown command 'nonsense', with args beginning with: '{key}' "
            ),
        ]
    assert len(commands) == 10_000
    replies = road.connect(resp).pipeline(commands)
    assert [exact(reply) for reply in replies] == [exact(reply) for reply in expected]


def test_two_clients_pipelines_do_not_mix(road: Road) -> None:
    clients = [road.connect() for _ in range(20)]
    for index, client in enumerate(clients):
        request = b"".join(encode(["ECHO", f"{index}:{n}"]) for n in range(200))
        client.send_raw(request)
    for index, client in enumerate(clients):
        replies = [client.read() for _ in range(200)]
        assert replies == [b"%d:%d" % (index, n) for n in range(200)]


def test_request_with_a_hundred_thousand_arguments(road: Road) -> None:
    client = road.connect()
    keys = [b"k%d" % n for n in range(100_000)]
    client.send_and_fill(encode(["MSET", *(x for key in keys for x in (key, b"v"))]))
    assert client.read() == "OK"
    assert client.cmd("DBSIZE") == 100_000
    client.send_and_fill(encode(["DEL", *keys, *keys]))
    assert client.read() == 100_000


def test_reply_bigger_than_every_buffer(road: Road) -> None:
    value = random.Random(1).randbytes(20 * MIB)
    client = road.connect()
    client.send_and_fill(encode(["SET", "key", value]))
    assert client.read() == "OK"
    for reply in client.pipeline([("GET", "key")] * 3 + [("STRLEN", "key")])[:3]:
        assert reply == value


@pytest.mark.parametrize(
    "nbytes", [16_383, 16_384, 32_767, 32_768, 32_769, 65_535, 65_536, MIB + 1]
)
def test_value_sizes_around_the_buffers(road: Road, nbytes: int) -> None:
    value = random.Random(nbytes).randbytes(nbytes)
    commands = [("SET", "a", value), ("GET", "a"), ("ECHO", value), ("STRLEN", "a")]
    assert road.connect().pipeline(commands) == ["OK", value, value, nbytes]
    # A big argument that is not the last one, and two of them.
    commands = [("MSET", "a", value, "b", value, "c", "x"), ("MGET", "a", "b", "c")]
    assert road.connect().pipeline(commands) == ["OK", [value, value, b"x"]]


# --- Inline commands ---------------------------------------------------------------

INLINE = {
    b"ECHO hello\r\n": b"hello",
    b"  \t ECHO \t  hello  \r\n": b"hello",
    b"ECHO hello\n": b"hello",
    b'ECHO "hello world"\r\n': b"hello world",
    b"ECHO 'hello world'\r\n": b"hello world",
    b'ECHO ""\r\n': b"",
    b"ECHO ''\r\n": b"",
    b'ECHO "\\n\\r\\t\\b\\a\\\\\\""\r\n': b'\n\r\t\b\a\\"',
    b'ECHO "\\x00\\xfF\\xg1\\x4"\r\n': b"\x00\xffxg1x4",
    b"ECHO '\\n\\x41\\''\r\n": b"\\n\\x41'",
    b'ECHO a"b"\r\n': b"ab",
    b'"ECHO" "a"\r\n': b"a",
    b"ECHO \xe2\x82\xac\r\n": b"\xe2\x82\xac",
    b"ECHO $5\r\n": b"$5",
    b"ECHO *1\r\n": b"*1",
}


@pytest.mark.parametrize(("line", "reply"), INLINE.items())
def test_inline(road: Road, line: bytes, reply: bytes) -> None:
    client = road.connect()
    client.send_raw(line + b"PING\r\n")
    assert client.read() == reply
    assert client.read() == "PONG"


def test_inline_and_arrays_mixed(road: Road) -> None:
    client = road.connect()
    client.send_raw(b"PING\r\n" + encode(["ECHO", "a"]) + b"\r\n\nECHO b\n" * 3)
    replies = [client.read() for _ in range(5)]
    assert replies == ["PONG", b"a", b"b", b"b", b"b"]


@pytest.mark.parametrize(
    "nothing", [b"\r\n", b"\n", b"   \r\n", b"*0\r\n", b"*-1\r\n", b"*-10\r\n"]
)
def test_nothing_has_no_reply(road: Road, nothing: bytes) -> None:
    client = road.connect()
    client.send_raw(nothing * 50 + encode(["ECHO", "after"]))
    assert client.read() == b"after"
    assert not client.has_input()


def test_longest_inline_line(road: Road) -> None:
    client = road.connect()
    text = b"x" * (INLINE_MAX - 100)
    client.send_raw(b"ECHO " + text + b"\r\n")
    assert client.read() == text


# --- Protocol errors ---------------------------------------------------------------

_MBULK = "ERR Protocol error: invalid multibulk length"
_BULK = "ERR Protocol error: invalid bulk length"
MALFORMED = {
    b"*abc\r\n": _MBULK,
    b"*\r\n": _MBULK,
    b"*1x\r\n": _MBULK,
    b"*+1\r\n": _MBULK,
    b"* 1\r\n": _MBULK,
    b"*01\r\n": _MBULK,
    b"*1.0\r\n": _MBULK,
    b"*2147483648\r\n": _MBULK,
    b"*99999999999999999999\r\n": _MBULK,
    b"*1\r\nPING\r\n": "ERR Protocol error: expected '$', got 'P'",
    b"*1\r\n:1\r\n": "ERR Protocol error: expected '$', got ':'",
    b"*1\r\n*1\r\n": "ERR Protocol error: expected '$', got '*'",
    b"*1\r\n$-1\r\n": _BULK,
    b"*1\r\n$abc\r\n": _BULK,
    b"*1\r\n$\r\n": _BULK,
    b"*1\r\n$+4\r\nPING\r\n": _BULK,
    b"*1\r\n$04\r\nPING\r\n": _BULK,
    b"*1\r\n$ 4\r\nPING\r\n": _BULK,
    b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870913\r\n": _BULK,
    b"*1\r\n$9223372036854775807\r\n": _BULK,
    b"*1\r\n$99999999999999999999\r\n": _BULK,
    b'ECHO "a\r\n': "ERR Protocol error: unbalanced quotes in request",
    b"ECHO 'a\r\n": "ERR Protocol error: unbalanced quotes in request",
    b"PING" * (INLINE_MAX // 4 + 1): "ERR Protocol error: too big inline request",
    b"*" + b"1" * INLINE_MAX: "ERR Protocol error: too big mbulk count string",
    b"*1\r\n$" + b"1" * INLINE_MAX: "ERR Protocol error: too big bulk count string",
}


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize(
    ("request_", "text"), MALFORMED.items(), ids=lambda value: repr(value)[:40]
)
def test_protocol_error_ends_that_client_alone(
    road: Road, request_: bytes, text: str, resp: int
) -> None:
    other = road.connect()
    client = road.connect(resp)
    # Commands before the mistake are answered, those after it are not looked at.
    client.send_raw(encode(["SET", "before", "1"]) + request_)
    assert client.read() == "OK"
    assert client.read() == text
    assert client.is_closed()
    assert other.cmd("GET", "before") == b"1"
    assert other.cmd("PING") == "PONG"


def test_any_byte_where_a_bulk_is_due(road: Road) -> None:
    for byte in set(range(256)) - {ord("$")}:
        client = road.connect()
        client.send_raw(b"*2\r\n$4\r\nECHO\r\n%c1\r\na\r\n" % byte)
        reply = client.read()  # strict: one line, whatever the byte was
        assert isinstance(reply, Error)
        assert reply.startswith("ERR Protocol error: expected '$', got '"), byte
        assert client.is_closed()
        client.close()


def test_nothing_after_a_protocol_error_runs(road: Road) -> None:
    client = road.connect()
    client.send_raw(b"*x\r\n" + encode(["SET", "after", "1"]))
    assert client.read() == _MBULK
    assert client.is_closed()
    assert road.connect().cmd("EXISTS", "after") == 0


def test_http_request_does_nothing(road: Road) -> None:
    client = road.connect()
    client.send_raw(
        b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n" + encode(["SET", "after", "1"])
    )
    assert client.is_closed()
    assert road.connect().cmd("EXISTS", "after") == 0


# --- Size limits -------------------------------------------------------------------


def test_bulk_up_to_the_limit_and_beyond(road: Road) -> None:
    client = road.connect()
    client.ok("CONFIG", "SET", "proto-max-bulk-len", MIB)
    value = b"x" * MIB
    assert client.pipeline([("SET", "key", value), ("GET", "key")]) == ["OK", value]
    assert client.cmd("APPEND", "key", "y") == Error(
        "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    )
    client.send_raw(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$%d\r\n" % (MIB + 1))
    assert client.read() == _BULK
    assert client.is_closed()
    assert road.connect().cmd("STRLEN", "key") == MIB


def test_replies_that_wait_before_authentication(
    fresh_road: Callable[..., Road],
) -> None:
    """Who has not given the password gets no memory by not reading."""
    road = fresh_road(requirepass="secret")
    client = road.connect()
    request = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n" * 1000

    def send_all() -> None:
        for _ in range(10_000):  # 220 MB, if nobody closes it
            client.send_raw(request)

    with pytest.raises(ConnectionError):
        send_all()
    assert client.is_closed()
    other = road.connect()
    assert other.cmd("AUTH", "secret") == "OK"
    other.send_raw(b"PING\r\n" * 20_000)
    assert [other.read() for _ in range(20_000)] == ["PONG"] * 20_000


def test_limits_before_authentication(fresh_road: Callable[..., Road]) -> None:
    road = fresh_road(requirepass="secret")
    no_auth = Error("NOAUTH Authentication required.")

    client = road.connect()
    assert client.cmd("GET", "key") == no_auth
    assert client.cmd("AUTH", "wrong").code == "WRONGPASS"
    assert client.pipeline([("PING",), ("AUTH", "secret"), ("PING",)]) == [
        no_auth,
        "OK",
        "PONG",
    ]

    client = road.connect()
    client.send_raw(b"*11\r\n")
    assert client.read() == "ERR Protocol error: unauthenticated multibulk length"
    assert client.is_closed()

    client = road.connect()
    client.send_raw(b"*2\r\n$4\r\nAUTH\r\n$16385\r\n")
    assert client.read() == "ERR Protocol error: unauthenticated bulk length"
    assert client.is_closed()

    client = road.connect()
    assert client.cmd(*["MGET"] + ["key"] * 9) == no_auth
    assert client.cmd("AUTH", "x" * 16_384).code == "WRONGPASS"
    assert client.cmd("AUTH", "default", "secret") == "OK"
    # The limits are gone, in the same connection.
    assert client.cmd(*["MGET"] + ["key"] * 100) == [None] * 100
    assert client.cmd("ECHO", "x" * 20_000) == b"x" * 20_000

    client = road.connect()
    assert client.hello(3).code == "NOAUTH"
    assert client.hello(3, "AUTH", "default", "wrong").code == "WRONGPASS"
    assert client.hello(3, "AUTH", "default", "secret")["proto"] == 3
    assert client.cmd("GET", "key") is None

    client = road.connect()
    client.send_raw(b"QUIT\r\n")
    assert client.read() == "OK"
    assert client.is_closed()


# --- Protocol versions -------------------------------------------------------------


def test_hello_changes_the_protocol(road: Road) -> None:
    client = road.connect()
    assert exact(client.cmd("GET", "absent")) == ("NoneType", None)
    greeting = client.hello(3)
    assert isinstance(greeting, Map)
    assert greeting["proto"] == 3
    assert greeting["mode"] == b"standalone"
    assert greeting["role"] == b"master"
    assert greeting["id"] == client.cmd("CLIENT", "ID")
    client.send("GET", "absent")
    assert client.read_raw(3) == b"_\r\n"
    assert isinstance(client.cmd("CONFIG", "GET", "maxclients"), Map)
    assert isinstance(client.hello(2), list)
    client.send("GET", "absent")
    assert client.read_raw(5) == b"$-1\r\n"


def test_hello_in_the_middle_of_a_pipeline(road: Road) -> None:
    client = road.connect()
    client.send_raw(
        b"".join(
            encode(command)
            for command in [
                ("GET", "absent"),
                ("HELLO", "3", "SETNAME", "me"),
                ("GET", "absent"),
                ("CLIENT", "GETNAME"),
                ("HELLO", "2"),
                ("GET", "absent"),
            ]
        )
    )
    assert client.read_raw(5) == b"$-1\r\n"
    client.resp = 3
    assert isinstance(client.read(), Map)
    assert client.read_raw(3) == b"_\r\n"
    assert client.read() == b"me"
    client.resp = 2
    assert isinstance(client.read(), list)
    assert client.read_raw(5) == b"$-1\r\n"


@pytest.mark.parametrize("version", ["1", "4", "0", "-3"])
def test_hello_with_an_unknown_version(road: Road, version: str) -> None:
    client = road.connect()
    reply = client.cmd("HELLO", version)
    assert reply == Error("NOPROTO unsupported protocol version")
    assert client.cmd("PING") == "PONG"


def test_reset_goes_back_to_resp2(road: Road) -> None:
    client = road.connect(3)
    client.ok("SELECT", "3")
    client.ok("CLIENT", "SETNAME", "me")
    client.ok("SET", "key", "in db 3")
    assert client.cmd("RESET") == SimpleString("RESET")
    client.resp = 2
    assert client.cmd("GET", "key") is None
    assert client.cmd("CLIENT", "GETNAME") in (None, b"")


def test_doubles_are_strings_in_resp2(road: Road) -> None:
    # INCRBYFLOAT answers a string in both; the debug command shows the real thing.
    for resp, expected in ((2, ("bytes", b"3.141")), (3, ("Double", "3.141"))):
        reply = road.connect(resp).cmd("DEBUG", "PROTOCOL", "double")
        assert exact(reply) == expected
    assert isinstance(road.connect(3).cmd("DEBUG", "PROTOCOL", "double"), Double)


# --- The end of a connection -------------------------------------------------------


def test_quit_answers_and_closes(road: Road) -> None:
    client = road.connect()
    client.send_raw(encode(["QUIT"]) + encode(["SET", "after", "1"]))
    assert client.read() == "OK"
    assert client.is_closed()
    assert road.connect().cmd("EXISTS", "after") == 0


def test_replies_reach_a_client_that_stopped_sending(road: Road) -> None:
    client = road.connect()
    client.send_raw(encode(["SET", "key", "value"]) + encode(["GET", "key"]))
    client.sock.shutdown(socket.SHUT_WR)
    assert client.read_all() == b"+OK\r\n$5\r\nvalue\r\n"


def test_end_in_the_middle_of_a_request(road: Road) -> None:
    keeper = road.connect()
    request = encode(["SET", "key", b"x" * 100_000])
    for nbytes in (1, 4, 10, 30, 50_000, len(request) - 1):
        client = road.connect()
        client.send_raw(request[:nbytes])
        client.sock.shutdown(socket.SHUT_WR)
        assert client.read_all() == b""
        client.close()
    assert keeper.cmd("EXISTS", "key") == 0
    wait_until(lambda: keeper.info("clients")["connected_clients"] == "1")
