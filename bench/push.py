"""What it costs to commit a tick and to tell it: append and push of many rooms through a Valkey.

An owner appends one record of every room each tick, in as many batches as a process has phases, and
tells it when the append was answered; another process follows all rooms. Runs with and without the
telling alternate. CPU is that of the whole process, as a share of one core: the owner's with its
event loop and clock, the follower's with reading the news and nothing else. The Valkey, which keeps
an append-only file, is a process of its own and is counted apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Protocol, cast

from redis import Redis

from bench import valkey
from bench.store import owned
from server.store.base import Append, Record
from server.store.exchange import Gap, News
from server.store.redis import RedisStore
from server.store.redis_address import Address
from server.store.redis_exchange import RedisExchange

HZ = 30
WARM_S = 1.0


class _Commands(Protocol):
    """What is used of redis-py's client, whose own types say less."""

    def execute_command(self, *words: str) -> dict[str, float]: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of the store: so many rooms, in so many batches a tick, of so many bytes."""

    rooms: int
    phases: int
    record_bytes: int


def push(rooms: int = 100, seconds: float = 4.0, runs: int = 5) -> dict[str, Any]:
    """The figures of `python -m bench push`; RuntimeError when something was lost on the way."""
    load = Load(rooms, phases=2, record_bytes=600)
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryDirectory() as folder,
        valkey.running(folder, "--appendonly", "yes") as port,
        subprocess.Popen(
            [sys.executable, "-m", "bench.push", str(port), str(rooms)],
            stdin=pipe,
            stdout=pipe,
            text=True,
        ) as follower,
    ):
        assert follower.stdout is not None
        follower.stdout.readline()
        told, found = _on_loop(_own(port, load, seconds, runs))
        out, _ = follower.communicate("")
    heard = json.loads(out)
    if (heard["news"], heard["gaps"]) != (told, 0):
        raise RuntimeError(f"{told} news were told, but the follower heard {heard}")
    return {
        "rooms": rooms,
        "hz": HZ,
        "record_bytes": load.record_bytes,
        **{name: _spread(values) for name, values in found.items()},
        "follower_percent": round(heard["cpu_s"] / (seconds * runs) * 100, 2),
        "news_heard": told,
    }


async def _own(
    port: int, load: Load, seconds: float, runs: int
) -> tuple[int, dict[str, list[float]]]:
    """Be the owner: how many news were told, and each run's percent of a core by its name."""
    address = Address("127.0.0.1", port)
    store, exchange = RedisStore(address), _exchange(address)
    await store.open()
    await exchange.open()
    owner = _Owner(store, exchange, await owned(store, load.rooms), load)
    found: dict[str, list[float]] = {}
    await owner.run(WARM_S, tell=False)
    for _ in range(runs):
        for tell in (False, True):
            name = "append_and_tell" if tell else "append"
            before = _store_cpu_s(port)
            percent, took_s = await owner.run(seconds, tell=tell)
            store_percent = (_store_cpu_s(port) - before) / took_s * 100
            found.setdefault(f"owner_percent_{name}", []).append(percent)
            found.setdefault(f"store_percent_{name}", []).append(store_percent)
    # It is answered when all that was told before it is on its way.
    await exchange.processes()
    await exchange.close()
    await store.close()
    return owner.told, found


class _Owner:
    """Appends and tells tick after tick."""

    def __init__(
        self, store: RedisStore, exchange: RedisExchange, epochs: dict[str, int], load: Load
    ) -> None:
        self._store = store
        self._exchange = exchange
        rooms = list(epochs.items())
        self._phases = [rooms[n :: load.phases] for n in range(load.phases)]
        self._record = random.Random(1).randbytes(load.record_bytes)
        self._tick = 0
        self.told = 0

    async def run(self, seconds: float, *, tell: bool) -> tuple[float, float]:
        """Percent of a core, and the seconds it really took."""
        pause_s = 1 / HZ / len(self._phases)
        began_s = due_s = time.perf_counter()
        cpu_s = time.process_time()
        for _ in range(round(seconds * HZ)):
            self._tick += 1
            for phase in self._phases:
                due_s += pause_s
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                await self._step(phase, tell=tell)
        took_s = time.perf_counter() - began_s
        return (time.process_time() - cpu_s) / took_s * 100, took_s

    async def _step(self, phase: Sequence[tuple[str, int]], *, tell: bool) -> None:
        batch = [Append(room, epoch, self._tick, self._record) for room, epoch in phase]
        outcomes = await self._store.append(batch)
        assert outcomes == [None] * len(batch)
        if tell:
            self._exchange.tell(
                [(one.room, Record(one.epoch, one.tick, one.record)) for one in batch]
            )
            self.told += len(batch)


async def _follow(port: int, rooms: int) -> None:
    """Be the follower: hear all rooms until the standard input ends, and print what was heard."""
    exchange = _exchange(Address("127.0.0.1", port))
    await exchange.open()
    found = {"news": 0, "gaps": 0}

    def hear(news: News | Gap) -> None:
        found["gaps" if isinstance(news, Gap) else "news"] += 1

    for number in range(rooms):
        await exchange.follow(f"room{number:08d}", hear)
    print("ready", flush=True)
    began_s = time.process_time()
    await asyncio.to_thread(sys.stdin.read)
    # An answer that comes after all that was told before it.
    await exchange.follow("theveryend", hear)
    print(json.dumps({**found, "cpu_s": time.process_time() - began_s}))
    await exchange.close()


def _exchange(address: Address) -> RedisExchange:
    return RedisExchange(address, random.Random(1).randbytes, logging.getLogger("bench"))


def _store_cpu_s(port: int) -> float:
    """What the Valkey has spent, all its threads together."""
    client = cast("_Commands", Redis(port=port, protocol=2))
    found = client.execute_command("INFO", "cpu")
    client.close()
    return found["used_cpu_user"] + found["used_cpu_sys"]


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(median(values), 2),
        "min": round(min(values), 2),
        "max": round(max(values), 2),
    }


def _on_loop(work: Coroutine[Any, Any, Any]) -> Any:
    """Run on the loop that servers run on."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


if __name__ == "__main__":
    # The follower of `push`, with the Valkey's port and the number of rooms.
    parser = argparse.ArgumentParser(prog="python -m bench.push", description=__doc__)
    parser.add_argument("port", type=int, help="where the Valkey listens on 127.0.0.1")
    parser.add_argument("rooms", type=int, help="rooms that commit together")
    given = parser.parse_args()
    _on_loop(_follow(given.port, given.rooms))
