"""What goes wrong in a chaos run, and when: a plan drawn from a seed, and the hand that does it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from bench.cluster import Cluster
from bench.cluster_server import Server


class Kind(StrEnum):
    """What can be done to a cluster."""

    KILL = "SIGKILL of a worker"
    PAUSE = "SIGSTOP, then SIGCONT, of a worker"
    DRAIN = "SIGTERM of a server, then a start"
    STORE_PAUSE = "SIGSTOP, then SIGCONT, of the store"
    STORE_RESTART = "SIGKILL of the store, then a start on its data"


# One bag is worked off in a random order before the next is opened, so that every kind comes early.
BAG = (
    *[Kind.KILL] * 3,
    *[Kind.PAUSE] * 3,
    Kind.DRAIN,
    Kind.STORE_PAUSE,
    Kind.STORE_RESTART,
)
# Shorter than what counts as silence, and longer than all patience there is.
PAUSE_S = {Kind.PAUSE: (0.05, 4.0), Kind.STORE_PAUSE: (0.05, 1.5), Kind.STORE_RESTART: (0.0, 1.0)}
FIRST_S = 2.0
BETWEEN_S = (0.5, 4.0)
STARTS_MAX = 10
START_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: when it comes, to which server, and how long it lasts, as far as it lasts."""

    at_s: float
    kind: Kind
    server: int
    for_s: float

    def __str__(self) -> str:
        whom = "" if self.kind in (Kind.STORE_PAUSE, Kind.STORE_RESTART) else f" {self.server}"
        lasts = f", {self.for_s:.2f} s" if self.for_s else ""
        return f"{self.at_s:6.2f} s  {self.kind}{whom}{lasts}"


def plan(seed: int, seconds: float, servers: int, kinds: Sequence[Kind] = BAG) -> list[Fault]:
    """The faults of a run of so many seconds; the same for the same arguments."""
    rng = Random(f"faults {seed}")
    found: list[Fault] = []
    bag: list[Kind] = []
    at_s = FIRST_S
    while at_s < seconds:
        if not bag:
            bag = rng.sample(kinds, len(kinds))
        kind = bag.pop()
        for_s = rng.uniform(*PAUSE_S.get(kind, (0.0, 0.0)))
        found.append(Fault(round(at_s, 3), kind, rng.randrange(servers), round(for_s, 3)))
        at_s += rng.uniform(*BETWEEN_S)
    return found


class Hand:
    """Does what a plan says. Faults overlap, but one server or the store suffers one at a time."""

    def __init__(self, cluster: Cluster, say: Callable[[str], None]) -> None:
        self.done: Counter[Kind] = Counter()
        self._cluster = cluster
        self._say = say
        self._servers = [asyncio.Lock() for _ in cluster.servers]
        self._store = asyncio.Lock()

    async def work(self, faults: Sequence[Fault]) -> None:
        """Do all of them at their times; everything runs again when this returns."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        async with asyncio.TaskGroup() as under_way:
            for fault in faults:
                await asyncio.sleep(max(0.0, began_s + fault.at_s - loop.time()))
                under_way.create_task(self._do(fault))

    async def _do(self, fault: Fault) -> None:
        cluster, server = self._cluster, self._cluster.servers[fault.server]
        store = fault.kind in (Kind.STORE_PAUSE, Kind.STORE_RESTART)
        async with self._store if store else self._servers[fault.server]:
            self._say(str(fault))
            match fault.kind:
                case Kind.KILL:
                    await server.kill()
                    await self._up(server)
                case Kind.PAUSE:
                    await server.pause()
                    try:
                        await asyncio.sleep(fault.for_s)
                    finally:
                        await server.resume()
                case Kind.DRAIN:
                    await server.drain()
                    await self._up(server)
                case Kind.STORE_PAUSE:
                    await cluster.valkey.pause(fault.for_s)
                case Kind.STORE_RESTART:
                    await cluster.valkey.restart(fault.for_s)
            self.done[fault.kind] += 1

    async def _up(self, server: Server) -> None:
        """Have it serve, started again as by a platform where it ended: without its store it ends.

        RuntimeError, with the end of its log, where it ends again and again.
        """
        for left in reversed(range(STARTS_MAX)):
            try:
                await (server.ready() if server.alive else server.start())
            except RuntimeError:
                if server.alive or not left:
                    raise
                await asyncio.sleep(START_AGAIN_S)
            else:
                return
