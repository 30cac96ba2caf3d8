# SPDX-License-Identifier: BSD-3-Clause
"""Node.js: ioredis, with a subscriber, and node-redis with its client-side cache.

Where they are installed is for Node.js to know, by the variable NODE_PATH.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from support.server import FastredisServer

NODE = shutil.which("node")

IOREDIS = """
const Redis = require("ioredis");
const port = Number(process.argv[1]);
async function main() {
  const [writer, reader, sub] = [0, 1, 2].map(() => new Redis(port, "127.0.0.1"));
  await writer.flushall();
  const told = [];
  let wake = () => {};
  sub.on("message", (channel, text) => { told.push([channel, text]); wake(); });
  const until = async (n) => {
    while (told.length < n) await new Promise((resolve) => { wake = resolve; });
  };
  await sub.subscribe("news");
  for (let n = 0; n < 5; n++) await writer.publish("news", `text ${n}`);
  await until(5);
  const multi = await writer.multi().incr("n").incr("n").get("n").exec();
  const piped = await writer.pipeline().set("p", "1").get("p").exec();
  const blocked = reader.blpop("jobs", 5);
  await writer.rpush("jobs", "job");
  console.log(JSON.stringify({
    told, multi, piped, job: await blocked,
  }));
  for (const client of [writer, reader, sub]) client.disconnect();
}
main().catch((error) => { console.error(error); process.exit(1); });
"""

NODE_REDIS = """
const { createClient } = require("redis");
const port = Number(process.argv[1]);
async function main() {
  const url = `redis://127.0.0.1:${port}`;
  const writer = await createClient({ url }).connect();
  const cached = await createClient({
    url, RESP: 3, clientSideCache: { ttl: 0, maxEntries: 100 },
  }).connect();
  await writer.flushAll();
  await writer.configResetStat();
  await writer.set("a", "1");
  for (let n = 0; n < 100; n++) await cached.get("a");
  const stats = await writer.info("commandstats");
  const calls = Number(/cmdstat_get:calls=(\\d+)/.exec(stats)[1]);
  await writer.set("a", "2");
  let seen;
  for (let n = 0; n < 1000 && seen !== "2"; n++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    seen = await cached.get("a");
  }
  await writer.flushAll();
  let gone = seen;
  for (let n = 0; n < 1000 && gone !== null; n++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    gone = await cached.get("a");
  }
  console.log(JSON.stringify({ calls, seen, gone }));
  await writer.close();
  await cached.close();
}
main().catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.fixture(scope="module")
def backend() -> Iterator[FastredisServer]:
    with FastredisServer() as server:
        yield server


def run(server: FastredisServer, package: str, code: str) -> Any:
    """Run a script that prints JSON, unless Node.js or the package is missing."""
    if NODE is None:
        pytest.skip("Node.js is not installed")
    line = [NODE, "-e", f"require('{package}')"]
    if subprocess.run(line, capture_output=True, timeout=30, check=False).returncode:
        pytest.skip(f"{package} is not where NODE_PATH says")
    done = subprocess.run(
        [NODE, "-e", code, str(server.port)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_ioredis(backend: FastredisServer) -> None:
    assert run(backend, "ioredis", IOREDIS) == {
        "told": [["news", f"text {n}"] for n in range(5)],
        "multi": [[None, 1], [None, 2], [None, "2"]],
        "piped": [[None, "OK"], [None, "1"]],
        "job": ["jobs", "job"],
    }


def test_node_redis_with_its_cache(backend: FastredisServer) -> None:
    found = run(backend, "redis", NODE_REDIS)
    assert found == {"calls": 1, "seen": "2", "gone": None}
