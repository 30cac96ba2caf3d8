# SPDX-License-Identifier: BSD-3-Clause
"""Values as CONFIG SET takes them and CONFIG GET shows them.

The tables hold the exact texts. Where redis-server 7.0 is installed the same tables
are run against it, so an expectation that is wrong cannot stay.
"""

from __future__ import annotations

import pytest

from fastredis.config.store import Config
from fastredis.config.values import TITLE_VARIABLES, fill_title, loose_int, strict_int
from fastredis.resp.values import ReplyError
from support.genuine import GenuineServer, server_path

MEMORY = "argument must be a memory value"
INTEGER = "argument couldn't be parsed into an integer"
SAVE = "Invalid save parameters"
ON_SIGNAL = (
    "argument(s) must be one of the following: default, save, nosave, now, force"
)
BUFFER = "buffer limit configuration."
TITLE = "template format is invalid or contains unknown variables"

# name, value, what CONFIG GET shows afterwards
GOOD = [
    ("hz", "5", "5"),
    ("hz", "0", "1"),
    ("hz", "100000", "500"),
    ("appendfsync", "ALWAYS", "always"),
    ("rdbcompression", "NO", "no"),
    ("rdbcompression", "Yes", "yes"),
    ("timeout", "2147483647", "2147483647"),
    ("list-max-ziplist-size", "-2147483648", "-2147483648"),
    ("slowlog-log-slower-than", "-1", "-1"),
    ("maxmemory", "1KB", "1024"),
    ("maxmemory", "1k", "1000"),
    ("maxmemory", "2Mb", "2097152"),
    ("maxmemory", "2m", "2000000"),
    ("maxmemory", "3gB", "3221225472"),
    ("maxmemory", "3g", "3000000000"),
    ("maxmemory", "10b", "10"),
    ("maxmemory", "007", "7"),
    ("maxmemory", "", "0"),
    ("maxmemory", "kb", "0"),
    ("maxmemory", "18446744073709551615", "18446744073709551615"),
    ("maxmemory", "99999999999999999999", "18446744073709551615"),
    ("maxmemory", "20000000000gb", "3028092406290448384"),
    ("maxmemory-clients", "5%", "5%"),
    ("maxmemory-clients", "100%", "100%"),
    ("maxmemory-clients", "0%", "0"),
    ("maxmemory-clients", "1mb", "1048576"),
    ("maxmemory-clients", "18446744073709551611", "5%"),
    ("save", "", ""),
    ("save", "10 1", "10 1"),
    ("save", "10 1 20 0", "10 1 20 0"),
    ("save", "010 +1", "10 1"),
    ("client-output-buffer-limit", "", None),
    ("client-output-buffer-limit", "replica 1mb 2 3", None),
    ("client-output-buffer-limit", "pubsub 1k 2kb 03 NORMAL 1 1 1", None),
    ("client-output-buffer-limit", "pubsub 1 2 3 pubsub 4 5 6", None),
    ("oom-score-adj", "relative", "yes"),
    ("oom-score-adj", "no", "no"),
    ("notify-keyspace-events", "KEA", "AKE"),  # codespell:ignore
    ("notify-keyspace-events", "g", "g"),
    ("notify-keyspace-events", "$lshzxet", "$lshzxet"),
    ("notify-keyspace-events", "nmdtEKexzhslg", "glshzxetdnKEm"),
    ("notify-keyspace-events", "$lshzxetdg", "A"),
    ("notify-keyspace-events", "mKA", "AKm"),
    ("notify-keyspace-events", "tdKE", "tdKE"),
    ("notify-keyspace-events", "ggKK", "gK"),
    ("notify-keyspace-events", "", ""),
    ("shutdown-on-sigterm", "force NOW", "now force"),
    ("shutdown-on-sigterm", "default save", "save"),
    ("shutdown-on-sigterm", "default", "default"),
    ("latency-tracking-info-percentiles", "50.5 99.999 0 100", "50.5 99.999 0 100"),
    ("latency-tracking-info-percentiles", "1e1", "10"),
    ("latency-tracking-info-percentiles", "", ""),
    ("oom-score-adj-values", "-1 02 2000", "-1 2 2000"),
    ("proc-title-template", "{{x {title}", "{{x {title}"),
    ("proc-title-template", "{port}", "{port}"),
    ("cluster-announce-hostname", "a-b.C9", "a-b.C9"),
    ("cluster-announce-hostname", "", ""),
    ("masterauth", "a b\udcff\n", "a b\udcff\n"),
]

# name, value, the reason that is given
BAD = [
    ("timeout", "2147483648", "argument must be between 0 and 2147483647 inclusive"),
    ("timeout", "-1", "argument must be between 0 and 2147483647 inclusive"),
    ("timeout", "01", INTEGER),
    ("timeout", "+1", INTEGER),
    ("timeout", " 1", INTEGER),
    ("timeout", "1_0", INTEGER),
    ("timeout", "\u0661", INTEGER),
    ("timeout", "", INTEGER),
    ("timeout", "9223372036854775808", INTEGER),
    ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
    ("maxclients", "4294967296", "argument must be between 1 and 4294967295 inclusive"),
    (
        "hash-max-listpack-entries",
        "-1",
        "argument must be between 0 and 9223372036854775807 inclusive",
    ),
    (
        "proto-max-bulk-len",
        "9223372036854775808",
        "argument must be between 1048576 and 9223372036854775807 inclusive",
    ),
    ("maxmemory", "-1", MEMORY),
    ("maxmemory", "1 kb", MEMORY),
    ("maxmemory", "1tb", MEMORY),
    ("maxmemory", "1kbb", MEMORY),
    ("maxmemory", "1.5gb", MEMORY),
    ("maxmemory", "x", MEMORY),
    ("maxmemory", "0" * 128, MEMORY),
    ("maxmemory-clients", "%", "argument must be a memory or percent value"),
    ("maxmemory-clients", "-5%", "argument must be a memory or percent value"),
    ("maxmemory-clients", "101%", "percentage argument must be less or equal to 100"),
    ("rdbcompression", "maybe", "argument must be 'yes' or 'no'"),
    (
        "appendfsync",
        "never",
        "argument(s) must be one of the following: everysec, always, no",
    ),
    (
        "oom-score-adj",
        "x",
        "argument(s) must be one of the following: no, yes, relative, absolute",
    ),
    ("save", "10", SAVE),
    ("save", "10  1", SAVE),
    ("save", " 10 1", SAVE),
    ("save", "10 x", SAVE),
    ("save", "0 1", SAVE),
    ("save", "1 -1", SAVE),
    (
        "client-output-buffer-limit",
        "normal 1",
        f"Wrong number of arguments in {BUFFER}",
    ),
    (
        "client-output-buffer-limit",
        "master 1 1 1",
        f"Invalid client class specified in {BUFFER}",
    ),
    (
        "client-output-buffer-limit",
        "normal 1 1 x",
        f"Error in hard, soft or soft_seconds setting in {BUFFER}",
    ),
    (
        "client-output-buffer-limit",
        "normal -1 1 1",
        f"Error in hard, soft or soft_seconds setting in {BUFFER}",
    ),
    ("oom-score-adj-values", "1 2", "wrong number of arguments"),
    (
        "oom-score-adj-values",
        "1 2 2001",
        "Invalid oom-score-adj-values, elements must be between -2000 and 2000.",
    ),
    (
        "notify-keyspace-events",
        "KQ",
        "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
    ),
    ("shutdown-on-sigterm", "", ON_SIGNAL),
    ("shutdown-on-sigterm", "now then", ON_SIGNAL),
    (
        "shutdown-on-sigint",
        "save nosave",
        "shutdown options SAVE and NOSAVE can't be used simultaneously",
    ),
    (
        "latency-tracking-info-percentiles",
        "50  1",
        "Invalid latency-tracking-info-percentiles parameters",
    ),
    (
        "latency-tracking-info-percentiles",
        "nan",
        "Invalid latency-tracking-info-percentiles parameters",
    ),
    (
        "latency-tracking-info-percentiles",
        "100.1",
        "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
    ),
    ("proc-title-template", "{title", TITLE),
    ("proc-title-template", "{what}", TITLE),
    ("proc-title-template", "{title}", TITLE),
    ("proc-title-template", "x{", TITLE),
    (
        "cluster-announce-hostname",
        "a_b",
        "Hostnames may only contain alphanumeric characters, hyphens or dots",
    ),
    (
        "cluster-announce-hostname",
        "x" * 256,
        "Hostnames must be less than 256 characters",
    ),
    ("dir", "/nonexistent", "No such file or directory"),
    ("dir", "", "No such file or directory"),
    (
        "activedefrag",
        "yes",
        "Active defragmentation cannot be enabled: it requires a Redis server compiled "
        "with a modified Jemalloc like the one shipped by default with the Redis "
        "source distribution",
    ),
]

# These are not in the genuine server 7.0, or it has other bounds.
BAD_HERE = [
    ("linger-ms", "101", "argument must be between 0 and 100 inclusive"),
    (
        "loglevel",
        "loud",
        "argument(s) must be one of the following: "
        "debug, verbose, notice, warning, nothing",
    ),
    ("cluster-announce-client-ipv4", "1.2.3", "Invalid IPv4 address"),
    ("cluster-announce-client-ipv6", "::x", "Invalid IPv6 address"),
    (
        "cluster-announce-human-nodename",
        "a%b",
        "Announced human node name contained invalid character",
    ),
    ("slot-migration-max-failover-repl-bytes", "-1", MEMORY),
]


def refusal(name: str, reason: str) -> str:
    return f"ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}"


@pytest.mark.parametrize(("name", "value", "shown"), GOOD)
def test_good_value_is_shown(name: str, value: str, shown: str | None) -> None:
    config = Config()
    config.set_many([(name, value)])
    if shown is not None:
        assert config.format(name) == shown


@pytest.mark.parametrize(("name", "value", "reason"), [*BAD, *BAD_HERE])
def test_bad_value_is_refused(name: str, value: str, reason: str) -> None:
    config = Config()
    before = config.format(name)
    with pytest.raises(ReplyError) as caught:
        config.set_many([(name, value)], allow_protected=True)
    assert str(caught.value) == refusal(name, reason)
    assert config.format(name) == before


@pytest.mark.skipif(server_path() is None, reason="no redis-server 7.0 in PATH")
def test_genuine_server_agrees() -> None:
    config = Config()
    with GenuineServer(["--enable-protected-configs", "yes"]) as server:
        for name, value, shown in GOOD:
            assert server.call("CONFIG", "SET", name, value) == "+OK", (name, value)
            config.set_many([(name, value)])
            theirs = server.config_get(name)[name]
            assert (name, value, config.format(name)) == (name, value, theirs)
            assert shown in (None, theirs)
        for name, value, reason in BAD:
            reply = server.call("CONFIG", "SET", name, value)
            if name == "activedefrag" and reply == "+OK":
                continue  # a build whose allocator has the patch
            assert reply == f"-{refusal(name, reason)}"


def test_python_values() -> None:
    config = Config(
        {
            "save": "900 1 60 5",
            "maxmemory_clients": "5%",
            "maxmemory": "1gb",
            "bind": ["127.0.0.1", "-::1"],
            "rdbcompression": False,
            "unixsocketperm": "700",
            "replicaof": ["host", 7000],
            "shutdown-on-sigterm": ["now", "nosave"],
        }
    )
    assert config["maxmemory-clients"] == -5
    assert config["maxmemory"] == 1 << 30
    assert config["bind"] == ("127.0.0.1", "-::1")
    assert config["rdbcompression"] is False
    assert config["unixsocketperm"] == 0o700
    assert config["replicaof"] == config["slaveof"] == ("host", 7000)
    assert config["shutdown-on-sigterm"] == ("nosave", "now")
    assert config["client-output-buffer-limit"]["pubsub"] == (32 << 20, 8 << 20, 60)
    assert config.format("unixsocketperm") == "700"
    assert config.format("replicaof") == "host 7000"


@pytest.mark.parametrize(
    ("word", "strict", "loose"),
    [
        ("0", 0, 0),
        ("-0", None, 0),
        ("12", 12, 12),
        ("-12", -12, -12),
        ("012", None, 12),
        (" 12", None, 12),
        ("12 ", None, None),
        ("", None, 0),
        (" ", None, None),
        ("-", None, None),
        ("9223372036854775807", 2**63 - 1, 2**63 - 1),
        ("9223372036854775808", None, 2**63 - 1),
        ("-9223372036854775808", -(2**63), -(2**63)),
        ("9" * 5000, None, 2**63 - 1),
    ],
)
def test_integers(word: str, strict: int | None, loose: int | None) -> None:
    assert strict_int(word) == strict
    assert loose_int(word) == loose


def test_fill_title() -> None:
    values = {name: name.upper() for name in TITLE_VARIABLES}
    assert fill_title("{title} {listen-addr}", values) == "TITLE LISTEN-ADDR"
    assert fill_title("a{{b}{port}", values) == "a{b}PORT"
    assert fill_title("", values) == ""
    assert fill_title("{", values) is None
    assert fill_title("{port", values) is None
    assert fill_title("{nothing}", values) is None
