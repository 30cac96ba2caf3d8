# SPDX-License-Identifier: BSD-3-Clause
"""What the append-only file says of a command, compared with genuine servers.

Each command is executed by all of them, after what makes its keys; then the requests
that each has written down must be the same as those of one of the genuine servers.
``NOW`` stands for points in time. These differences are meant:

- genuine servers write that reading or claiming made a consumer only if nothing else
  tells, fastredis always (XGROUP CREATECONSUMER);
- genuine servers keep the condition of EXPIRE, though it held; fastredis does not.

And two that have no case here. What a consumer reads once more counts as delivered
once more, and genuine servers do not write that. GEOADD is ZADD there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from support.client import Error, RawClient
from support.server import FastredisServer, GenuineServer, ServerProcess

DAY = 86400
OPTIONS = {
    "appendonly": "yes",
    "appendfsync": "always",
    "lazyfree_lazy_expire": "no",
    "lazyfree_lazy_server_del": "no",
    "lazyfree_lazy_user_del": "no",
}

# what was there before, several commands apart by "|"; the command
CASES = """
 : SET k v
 : SET k v EX 100
 : SET k v PX 100000
 : SET k v EXAT 99999999999
 : SET k v PXAT 99999999999999
 : SET k v NX
SET k w EX 100 : SET k v KEEPTTL
SET k w EX 100 : SET k v GET
SET k w : SET k v NX
 : SETEX k 100 v
 : PSETEX k 100000 v
 : SETNX k v
SET k v : SETNX k v
 : MSET k v l w
 : MSETNX k v l w
SET k v : GETSET k w
SET k v : GETDEL k
SET k v : GETEX k EX 100
SET k v : GETEX k PXAT 99999999999999
SET k v : GETEX k EXAT 1
SET k v EX 100 : GETEX k PERSIST
SET k v : GETEX k PERSIST
SET k v : GETEX k
SET k v : APPEND k w
SET k v : SETRANGE k 3 w
SET k 1 : INCR k
SET k 1 : DECRBY k 3
SET k 1 EX 100 : INCRBYFLOAT k 0.5
SET k v : SETBIT k 3 1
SET k v : BITFIELD k SET u8 0 1 GET u8 1
SET k v : BITFIELD k GET u8 1
SET k v : BITOP NOT d k
SET k v : BITOP AND d none
 : PFADD p a b
PFADD p a : PFADD p a
PFADD p a : PFCOUNT p
PFADD p a|PFCOUNT p : PFCOUNT p
PFADD p a|PFADD q b : PFMERGE d p q
PFADD p a|PFADD q b : PFCOUNT p q
SET k v : DEL k none
SET k v : UNLINK k
SET k v : EXPIRE k 100
SET k v : EXPIRE k 100 NX
SET k v : EXPIRE k 100 XX
SET k v : EXPIRE k -1
SET k v : PEXPIRE k 100000
SET k v : EXPIREAT k 99999999999
SET k v : PEXPIREAT k 99999999999999 LT
SET k v EX 100 : PERSIST k
SET k v : PERSIST k
SET k v : RENAME k l
SET k v|SET l w : RENAMENX k l
SET k v : RENAMENX k l
SET k v : COPY k l
SET k v EX 100|SET l w : COPY k l REPLACE
SET k v : COPY k l DB 3
SET k v : MOVE k 3
 : SWAPDB 0 1
SET k v : FLUSHDB
SET k v : FLUSHALL
 : FLUSHALL
SET k v : FLUSHALL ASYNC
SET k v : TOUCH k
SET k v : RANDOMKEY
SET k v : DUMP k
RPUSH k 2 1 : SORT k STORE d
SET d v : SORT none STORE d
RPUSH k 2 1 : SORT k
 : LPUSH k a b
 : LPUSHX k a
RPUSH k a : RPUSHX k b
RPUSH k a b c : LPOP k
RPUSH k a b c : LPOP k 2
RPUSH k a b c : RPOP k 9
RPUSH k a b c : LPOP k 0
RPUSH k a b c : LSET k 0 x
RPUSH k a b c : LTRIM k 1 1
RPUSH k a b c : LREM k 0 b
RPUSH k a b c : LREM k 0 x
RPUSH k a b c : LINSERT k BEFORE b x
RPUSH k a b c : LMOVE k l LEFT RIGHT
RPUSH k a b c : RPOPLPUSH k k
RPUSH k a b c : BLMOVE k l LEFT RIGHT 1
RPUSH k a b c : BRPOPLPUSH k l 1
RPUSH k a b c : BLPOP none k 1
RPUSH k a b c : BRPOP k 1
RPUSH k a b c : LMPOP 2 none k LEFT COUNT 2
RPUSH k a b c : LMPOP 1 k RIGHT
RPUSH k a b c : BLMPOP 1 2 none k RIGHT COUNT 9
 : BLPOP none 0.01
 : SADD s a b
SADD s a : SADD s a
SADD s a b : SREM s a c
SADD s a b : SMOVE s t a
SADD s a : SPOP s
SADD s a b : SPOP s 2
SADD s a b : SPOP s 0
SADD s a b : SRANDMEMBER s
SADD s a b|SADD t b c : SINTERSTORE d s t
SADD s a b|SADD t b c : SUNIONSTORE d s t
SADD s a b|SADD t b c : SDIFFSTORE d s t
SADD s a b|SET d v : SINTERSTORE d s none
SADD s a b : SINTERSTORE d s none
 : ZADD z 1 a 2 b
ZADD z 1 a : ZADD z XX CH 2 a 3 b
ZADD z 1 a : ZADD z 1 a
ZADD z 1 a : ZADD z INCR 1.5 a
ZADD z 1 a : ZINCRBY z 0.1 a
ZADD z 1 a 2 b 3 c : ZREM z a x
ZADD z 1 a 2 b 3 c : ZREMRANGEBYSCORE z (1 2
ZADD z 1 a 2 b 3 c : ZREMRANGEBYRANK z 0 0
ZADD z 0 a 0 b 0 c : ZREMRANGEBYLEX z [a [b
ZADD z 1 a 2 b 3 c : ZPOPMIN z
ZADD z 1 a 2 b 3 c : ZPOPMAX z 2
ZADD z 1 a 2 b 3 c : BZPOPMIN none z 1
ZADD z 1 a 2 b 3 c : BZPOPMAX z 1
ZADD z 1 a 2 b 3 c : ZMPOP 2 none z MIN COUNT 2
ZADD z 1 a 2 b 3 c : BZMPOP 1 1 z MAX
ZADD z 1 a 2 b : ZRANGESTORE d z 0 0
ZADD z 1 a 2 b : ZUNIONSTORE d 1 z WEIGHTS 2
ZADD z 1 a 2 b : ZINTERSTORE d 2 z none
ZADD z 1 a 2 b : ZDIFFSTORE d 2 z none
GEOADD g 13 38 a : GEORADIUS g 13 38 9 km STORE d
GEOADD g 13 38 a : GEORADIUSBYMEMBER g a 9 km STOREDIST d
GEOADD g 13 38 a : GEOSEARCHSTORE d g FROMMEMBER a BYRADIUS 9 km
GEOADD g 13 38 a : GEORADIUS g 13 38 9 km
 : HSET h f 1 g 2
 : HMSET h f 1
HSET h f 1 : HSETNX h f 2
HSET h f 1 : HSETNX h g 2
HSET h f 1 : HINCRBY h f 2
HSET h f 1 : HINCRBYFLOAT h f 0.5
HSET h f 1 g 2 : HDEL h f x
HSET h f 1 g 2 : HDEL h f g
HSET h f 1 g 2 : HRANDFIELD h
 : XADD x 5-1 f v
 : XADD x * f v
 : XADD x 5-* f v
 : XADD x NOMKSTREAM 5-1 f v
XADD x 1-1 f v : XADD x NOMKSTREAM * f v
XADD x 1-1 f v : XADD x MAXLEN 1 * f v
XADD x 1-1 f v : XADD x MAXLEN = 1 5-5 f v
XADD x 1-1 f v : XADD x MAXLEN ~ 1 * f v
XADD x 1-1 f v : XADD x MINID ~ 2 5-5 f v
<ENTRIES> : XTRIM x MAXLEN 1
<ENTRIES> : XTRIM x MAXLEN ~ 0
<ENTRIES> : XTRIM x MINID ~ 9
<ENTRIES> : XTRIM x MINID 2
XADD x 1-1 f v : XTRIM x MAXLEN ~ 5
<ENTRIES> : XDEL x 1-1 7-7
XADD x 1-1 f v : XDEL x 7-7
XADD x 1-1 f v : XSETID x 7-7 ENTRIESADDED 9
 : XGROUP CREATE x g $ MKSTREAM
XADD x 1-1 f v : XGROUP CREATE x g $
<GROUP> : XGROUP SETID x g $
<GROUP> : XGROUP DESTROY x g
<GROUP> : XGROUP CREATECONSUMER x g c
<GROUP>|XGROUP CREATECONSUMER x g c : XGROUP DELCONSUMER x g c
<GROUP> : XREADGROUP GROUP g c STREAMS x >
<ENTRIES>|XGROUP CREATE x g 0 : XREADGROUP GROUP g c STREAMS x >
<ENTRIES>|XGROUP CREATE x g 0 : XREADGROUP GROUP g c NOACK STREAMS x >
XGROUP CREATE x g $ MKSTREAM : XREADGROUP GROUP g c STREAMS x >
<PENDING> : XACK x g 1-1 7-7
<PENDING> : XACK x g 7-7
<PENDING> : XCLAIM x g d 0 1-1
<PENDING> : XCLAIM x g c 0 1-1 LASTID 9-9
<PENDING>|XDEL x 1-1 : XCLAIM x g c 0 1-1
<GROUP> : XCLAIM x g c 0 1-1 FORCE RETRYCOUNT 7
<PENDING> : XAUTOCLAIM x g d 0 0
<PENDING>|XDEL x 1-1 : XAUTOCLAIM x g c 0 0
<PENDING> : XPENDING x g
"""
LONG = {
    "<ENTRIES>": "XADD x 1-1 f v|XADD x 2-1 f v",
    "<GROUP>": "XADD x 1-1 f v|XGROUP CREATE x g 0",
    "<PENDING>": "XADD x 1-1 f v|XGROUP CREATE x g 0|XREADGROUP GROUP g c STREAMS x >",
}


class Writer:
    """A server that writes its changes down, and what it wrote of a command."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.client: RawClient = server.client()

    def forms(self, before: str, command: str) -> list[str]:
        """Execute a command; return the requests that were written of it."""
        (path,) = self.server.directory.glob("appendonlydir/*.incr.aof")
        self.client.cmd("FLUSHALL")
        # whatever the command is for, the file is at its database
        self.client.cmd("SELECT", 0)
        self.client.cmd("FLUSHDB")
        for name, lines in LONG.items():
            before = before.replace(name, lines)
        for line in filter(None, before.split("|")):
            assert not isinstance(self.client.cmd(*line.split()), Error), line
        offset = path.stat().st_size
        self.client.cmd(*command.split())
        with path.open("rb") as file:
            file.seek(offset)
            written = file.read()
        return _levelled([_shown(request) for request in _requests(written)], command)


def _requests(written: bytes) -> Iterator[list[str]]:
    """Take the requests of a file apart."""
    lines = iter(written.split(b"\r\n"))
    for line in lines:
        if line:
            words = []
            for _ in range(int(line[1:])):
                next(lines)
                words.append(next(lines).decode())
            yield words


def _shown(request: list[str]) -> str:
    """Return a request as a line, without conditions that held."""
    words = [_without_time(word) for word in request]
    words[0] = words[0].upper()
    if words[0] == "PEXPIREAT":
        del words[3:]
    return " ".join(words)


def _without_time(word: str) -> str:
    number, _, rest = word.partition("-")
    if re.fullmatch(r"\d{10,13}", number):
        for scale in (1, 1000):
            if abs(int(number) / scale - time.time()) < DAY:
                return f"NOW-{rest}" if rest else "NOW"
    return word


def _levelled(requests: list[str], command: str) -> list[str]:
    """Leave out that a consumer was made by the way."""
    if not command.startswith("XGROUP"):
        requests = [r for r in requests if not r.startswith("XGROUP CREATECONSUMER")]
        if len(requests) == 3 and requests[0] == "MULTI":
            requests = requests[1:-1]
    return requests


@pytest.fixture(scope="module")
def writers() -> Iterator[list[Writer]]:
    """Start fastredis and both genuine servers."""
    with (
        FastredisServer(**OPTIONS) as subject,
        GenuineServer("redis", **OPTIONS) as redis,
        GenuineServer("valkey", **OPTIONS) as valkey,
    ):
        yield [Writer(server) for server in (subject, redis, valkey)]


@pytest.mark.parametrize("case", CASES.strip("\n").splitlines())
def test_form_is_that_of_genuine_servers(writers: list[Writer], case: str) -> None:
    before, command = (part.strip() for part in case.split(" : "))
    own, *genuine = (writer.forms(before, command) for writer in writers)
    assert own in genuine
