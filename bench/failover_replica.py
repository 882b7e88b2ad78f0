"""What is lost when a replica takes its Redis's place, with and without waiting for replicas.

    python -m bench.failover_replica --failovers 10

An owner appends ticks of its rooms to a primary, as fast as they are answered. At some moment a
replica is promoted: after the primary was killed, or while it lives on for up to 0.4 s, as when
somebody took it for dead. A second process takes the rooms over at the promoted replica and goes
on. Counted are the ticks that were answered as committed, and that players may have seen: those
missing in the end (lost), and those that both processes were told of with other contents (twice).

Exits with 1 where a tick was lost that `durable` should have kept, or where the control, which
waits for nothing, loses nothing: then this cannot tell.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol, cast

from redis.asyncio import Redis

from bench import loop
from bench.cluster_valkey import ValkeyNode
from bench.gaps import quantile
from bench.processes import until
from server.store.base import Append, Store, StoreUnavailable
from server.store.redis import RedisStore
from server.store.redis_address import Address

ROOMS = 8
BEFORE_S = (0.2, 0.5)
LIVES_ON_S = 0.4
AFTER_TICKS = 20
RECORD_BYTES = 300

Seen = dict[tuple[str, int], bytes]


@dataclass(frozen=True, slots=True)
class Mode:
    """So many replicas, of which one is promoted, and so many that are waited for."""

    replicas: int
    durable: int
    lives: bool

    def __str__(self) -> str:
        fate = "lives on" if self.lives else "is killed"
        return f"{self.replicas} replicas, durable={self.durable}, primary {fate}"

    @property
    def kept(self) -> bool:
        """Whether every tick must be there afterwards: whichever replica is promoted has it."""
        return self.durable >= self.replicas


MODES = [
    Mode(replicas, durable, lives)
    for lives in (False, True)
    for replicas, durable in ((1, 0), (1, 1), (2, 1), (2, 2))
]


@dataclass(slots=True)
class Found:
    """What the failovers of one mode came to."""

    answered: int = 0
    lost: int = 0
    twice: int = 0
    commits_s: list[float] = field(default_factory=list[float])

    def __str__(self) -> str:
        took_ms = sorted(took_s * 1e3 for took_s in self.commits_s) or [0.0]
        return (
            f"{self.answered} ticks answered, {self.lost} lost, {self.twice} twice; "
            f""
            f"commit p50 {quantile(took_ms, 0.5):.2f}, p99 {quantile(took_ms, 0.99):.2f} ms"
        )


class _Commands(Protocol):
    """What is used of redis-py's client, whose own types say less."""

    async def execute_command(self, *words: str | int) -> object: ...
    async def aclose(self) -> None: ...


async def ask(port: int, *words: str | int) -> object:
    """What a Redis replies to a command."""
    client = cast("_Commands", Redis(port=port, protocol=2))
    try:
        return await client.execute_command(*words)
    finally:
        await client.aclose()


async def failover(mode: Mode, rng: Random, found: Found) -> None:
    """One failover; what came of it is added to `found`."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(_server()) for _ in range(1 + mode.replicas)]
        primary, promoted = servers[0], servers[1]
        await _replicate(primary, servers[1:])
        old = RedisStore(Address("127.0.0.1", primary.port, durable=mode.durable))
        await old.open()
        stack.push_async_callback(old.close)
        seen: Seen = {}
        owner = asyncio.create_task(_own(old, seen, found.commits_s))
        await asyncio.sleep(rng.uniform(*BEFORE_S))
        if not mode.lives:
            await primary.kill()
        await ask(promoted.port, "REPLICAOF", "NO", "ONE")
        new = RedisStore(Address("127.0.0.1", promoted.port))
        await new.open()
        stack.push_async_callback(new.close)
        others = await _go_on(new)
        if mode.lives:
            await asyncio.sleep(rng.uniform(0, LIVES_ON_S))
            await primary.kill()
        await owner
        kept = await _kept(new)
    found.answered += len(seen)
    found.lost += sum(kept.get(at) != record for at, record in seen.items())
    found.twice += sum(others.get(at, record) != record for at, record in seen.items())


async def _own(store: Store, seen: Seen, commits_s: list[float]) -> None:
    """Create rooms and append to them until the store is away; `seen` gets what it answered."""
    rooms = [f"room{number:08d}" for number in range(ROOMS)]
    with suppress(StoreUnavailable):
        epochs: dict[str, int] = {}
        for room in rooms:
            await store.create(room, b"")
            epochs[room] = (await store.acquire(room, "old")).epoch
        tick = 0
        while True:
            tick += 1
            batch = [Append(room, epochs[room], tick, _record("old", tick)) for room in rooms]
            began_s = time.perf_counter()
            outcomes = await store.append(batch)
            commits_s.append(time.perf_counter() - began_s)
            for entry, outcome in zip(batch, outcomes, strict=True):
                if outcome is None:
                    seen[entry.room, entry.tick] = entry.record


async def _go_on(store: Store) -> Seen:
    """Take every room over and append to it; what was answered."""
    seen: Seen = {}
    for entry in await store.rooms():
        loaded = await store.acquire(entry.room, "new")
        last = loaded.records[-1].tick if loaded.records else 0
        for tick in range(last + 1, last + 1 + AFTER_TICKS):
            record = _record("new", tick)
            assert await store.append([Append(entry.room, loaded.epoch, tick, record)]) == [None]
            seen[entry.room, tick] = record
    return seen


async def _kept(store: Store) -> Seen:
    """Every tick there is in the end."""
    loaded = [await store.load(entry.room) for entry in await store.rooms()]
    return {(room.room, each.tick): each.record for room in loaded for each in room.records}


def _record(owner: str, tick: int) -> bytes:
    return f"{owner} {tick}".encode().ljust(RECORD_BYTES)


@asynccontextmanager
async def _server() -> AsyncGenerator[ValkeyNode]:
    """A valkey-server in a folder of its own, for the time of the block."""
    with tempfile.TemporaryDirectory() as folder:
        server = ValkeyNode(Path(folder))
        await server.start()
        try:
            yield server
        finally:
            await server.kill()


async def _replicate(primary: ValkeyNode, replicas: list[ValkeyNode]) -> None:
    """Make replicas, and wait until each has confirmed a write."""
    await ask(primary.port, "CONFIG", "SET", "repl-diskless-sync-delay", 0)
    for replica in replicas:
        await ask(replica.port, "REPLICAOF", "127.0.0.1", primary.port)

    async def confirmed() -> bool:
        await ask(primary.port, "SET", "written", "")
        told = cast("dict[str, dict[str, object]]", await ask(primary.port, "INFO", "replication"))
        each = [told.get(f"slave{number}", {}) for number in range(len(replicas))]
        return all(one.get("state") == "online" and one.get("offset") != 0 for one in each)

    await until(confirmed, "replicas that confirm what is written")


async def run(failovers: int, seed: int) -> int:
    """Measure and print every mode; how many of them were not as promised."""
    rng, wrong = Random(seed), 0
    for mode in MODES:
        found = Found()
        for _ in range(failovers):
            await failover(mode, rng, found)
        print(f"{mode}: {found}", flush=True)
        if not found.answered:
            wrong += _wrong("no tick was answered: nothing was measured")
        if mode.kept and (found.lost or found.twice):
            wrong += _wrong("every replica was waited for, and ticks are lost")
        if mode.lives and not mode.durable and not found.lost:
            wrong += _wrong("nothing was waited for, and nothing is lost")
    return wrong


def _wrong(what: str) -> int:
    print(f"WRONG: {what}", flush=True)
    return 1


def main() -> None:
    """Measure what the command line says; exits with 1 where a mode is not as promised."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.failover_replica",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--failovers", type=int, default=10, help="of each of the eight modes")
    parser.add_argument("--seed", type=int, default=1, help="when the failovers come")
    told = parser.parse_args()
    raise SystemExit(1 if loop.run(run(told.failovers, told.seed)) else 0)


if __name__ == "__main__":
    main()
