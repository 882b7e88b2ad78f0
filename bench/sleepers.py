"""What rooms that sleep or are over cost the players of a server: frame gaps with and without them.

Two servers run at once, one over an empty store, one over a store with so many rooms asleep and
closed. The same number of bots plays on the one, then on the other, in turn, so that the machine's
moods fall on both. The bar: with them, the 99th percentile of the gaps between frames is at most
`BAR` times that without, and `/api/rooms` is answered in under `API_BAR_MS`.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from bench import servers, valkey
from bench.gaps import quantile
from bots.client import join
from bots.room import Room
from server.core.lobby import RoomMeta, room_id
from server.store.base import Checkpoint, Status, Store
from server.store.open import open_store

BAR = 1.1
API_BAR_MS = 2.0
PLAYERS = 30
SETTLE_S = 2.0
ASKED = 40
ASK_EVERY_S = 0.1
AT_ONCE = 32
CHECKPOINT_BYTES = 1500
SECRET = "a secret of the bench, as long as it must be"


async def fill(url: str, sleeping: int, closed: int) -> float:
    """Put rooms into a store as servers would have left them; return the seconds a room took."""
    store = open_store(url, lambda: int(time.time() * 1000))
    await store.open()
    began_s = time.perf_counter()
    ends = [Status.ASLEEP] * sleeping + [Status.CLOSED] * closed
    waiting = iter(ends)

    async def some() -> None:
        for end in waiting:
            await _left(store, end)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    await store.close()
    return (time.perf_counter() - began_s) / max(1, len(ends))


async def _left(store: Store, end: Status) -> None:
    room = room_id(os.urandom(20))
    meta = RoomMeta("coins", (), 1, 0, False, int(time.time() * 1000), "1").encode()
    epoch = await store.recreate(room, meta, "gone", Checkpoint(1, 900, bytes(CHECKPOINT_BYTES)))
    await store.set_status(room, epoch, end)
    if end is Status.ASLEEP:
        await store.release(room, epoch)


@asynccontextmanager
async def playing(port: int, players: int) -> AsyncGenerator[list[list[float]]]:
    """So many bots in rooms of coins; gives the moments at which each saw a frame."""
    seen: list[list[float]] = [[] for _ in range(players)]
    rooms: list[Room] = []
    try:
        for times in seen:
            room = await join(f"ws://127.0.0.1:{port}", "coins", name="bot")
            rooms.append(room)
            room.sample(lambda: {"x": 1})
            room.on("frame", _noting(times))
        yield seen
    finally:
        for room in rooms:
            room.leave()


def _noting(times: list[float]) -> Callable[[], None]:
    return lambda: times.append(time.perf_counter())


@dataclass(frozen=True, slots=True)
class Window:
    """What was measured in one window.

    In order of size: the gaps between frames of all players, and what `/api/rooms` took, in ms.
    `cpu_share` is the share of a core that the server took.
    """

    gaps_ms: list[float]
    asked_ms: list[float]
    cpu_share: float


async def window(port: int, pid: int, players: int, seconds: float) -> Window:
    """Let the bots play for a while."""
    async with playing(port, players) as seen:
        await asyncio.sleep(SETTLE_S)
        for times in seen:
            times.clear()
        cpu_s, began_s = _cpu_s(pid), time.perf_counter()
        await asyncio.sleep(seconds)
        share = (_cpu_s(pid) - cpu_s) / (time.perf_counter() - began_s)
        gaps = sorted((b - a) * 1000 for times in seen for a, b in pairwise(list(times)))
        asked = await asyncio.to_thread(_ask, port)
    return Window(gaps, asked, share)


def _cpu_s(pid: int) -> float:
    """The CPU time a process has taken, all its threads together (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _ask(port: int) -> list[float]:
    """What so many requests for the list of rooms took, in ms, in order, on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    took: list[float] = []
    for _ in range(ASKED):
        time.sleep(ASK_EVERY_S)
        began_s = time.perf_counter()
        connection.request("GET", "/api/rooms")
        answer = connection.getresponse()
        answer.read()
        took.append((time.perf_counter() - began_s) * 1000)
        if answer.status != http.client.OK:
            raise RuntimeError(f"/api/rooms answered {answer.status}")
    connection.close()
    return sorted(took)


async def compare(running: Sequence[tuple[int, int]], seconds: float, runs: int) -> dict[str, Any]:
    """Windows without and with, in turn, at servers given by port and pid; what they came to."""
    p99: list[list[float]] = [[], []]
    p50: list[list[float]] = [[], []]
    api: list[list[float]] = [[], []]
    cpu: list[list[float]] = [[], []]
    for run in range(runs):
        # Who is first changes: what the first leaves behind meets both.
        for at in (0, 1) if run % 2 == 0 else (1, 0):
            found = await window(*running[at], PLAYERS, seconds)
            p99[at].append(quantile(found.gaps_ms, 0.99))
            p50[at].append(quantile(found.gaps_ms, 0.5))
            api[at].append(quantile(found.asked_ms, 0.5))
            cpu[at].append(found.cpu_share)
    ratios = [with_ / without for without, with_ in zip(*p99, strict=True)]
    return {
        "gap_p50_ms": {"without": _spread(p50[0]), "with": _spread(p50[1])},
        "gap_p99_ms": {"without": _spread(p99[0]), "with": _spread(p99[1])},
        "gap_p99_ratio": _spread(ratios),
        "cpu_share": {"without": _spread(cpu[0]), "with": _spread(cpu[1])},
        "api_rooms_ms": {"without": _spread(api[0]), "with": _spread(api[1])},
        "passes": median(ratios) <= BAR and median(api[1]) <= API_BAR_MS,
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
    }


def sleepers(sleeping: int, closed: int, seconds: float, runs: int) -> dict[str, Any]:
    """`compare` over SQLite, and over a Valkey where there is one."""
    report: dict[str, Any] = {"sleeping": sleeping, "closed": closed, "players": PLAYERS}
    kinds = ["sqlite", "valkey"] if valkey.program() else ["sqlite"]
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            urls = [_store(kind, Path(folder), name, stack) for name in ("without", "with")]
            made_s = asyncio.run(fill(urls[1], sleeping, closed))
            flags = ("--workers", "1", "--secret", SECRET, "--asleep-keep-s", "86400")
            running = [
                stack.enter_context(servers.holdfast("--store", url, *flags)) for url in urls
            ]
            found = asyncio.run(compare(running, seconds, runs))
        report[kind] = {"made_ms_a_room": round(made_s * 1000, 2), **found}
    report["passes"] = all(report[kind]["passes"] for kind in kinds)
    return report


def _store(kind: str, folder: Path, name: str, stack: ExitStack) -> str:
    """The address of a store of its own for one server."""
    if kind == "sqlite":
        return f"sqlite:{folder}/{name}.db"
    (folder / name).mkdir()
    return f"redis://127.0.0.1:{stack.enter_context(valkey.running(str(folder / name)))}/0"
