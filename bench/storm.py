"""The storm: one process dies with hundreds of rooms, and the others take them up, or find them.

Of the rooms of the process that is killed, some are followed by another one, which takes over by
silence; of the others nobody knows until a sweep finds them. Rooms on the others' side are watched
meanwhile: whether somebody else's storm is felt there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from bench.cluster import Cluster
from bench.gaps import quantile
from bench.players import Player, Players
from server.store.base import Store
from server.store.open import open_store

T = TypeVar("T")

GAME = "./bench/small.py"
NAME = "small"
AT_ONCE = 20
UNTOUCHED = 10
BEFORE_S = 10.0
LOOK_S = 0.25
GIVE_UP_S = 120.0
STEADY_S = 2.0
SHARE_PERCENT = 99


@dataclass(frozen=True, slots=True)
class Storm:
    """Seconds until 99 % of the rooms ticked again (None: never), and ticks of untouched rooms.

    `stopped` counts the rooms that did not tick at the end: lost, or put aside after a few ticks.
    """

    followed: int
    followed_s: float | None
    unfollowed: int
    unfollowed_s: float | None
    stopped: int
    p99_before_ms: float
    p99_during_ms: float

    @property
    def ratio(self) -> float:
        """How much longer a tick of an untouched room took, at the 99th percentile."""
        return self.p99_during_ms / self.p99_before_ms


async def storm(rooms: int, followed: int, folder: Path | None = None) -> Storm:
    """Kill a process with so many rooms, of which so many are followed elsewhere."""
    flags = ("--rooms-max", str(rooms + UNTOUCHED + 1))
    async with Cluster(3, games=(GAME,), flags=flags, proxy="relay", folder=folder) as cluster:
        store = open_store(cluster.valkey.url, lambda: 0)
        await store.open()
        players = Players(cluster, NAME, seed=1, spec=GAME)
        try:
            watchers = [await players.open_room(1 + n % 2) for n in range(UNTOUCHED)]
            untouched = [player for room in watchers for player in players.rooms[room]]
            made = await _at_once([lambda: _deserted(players)] * rooms)
            known, unknown = made[:followed], made[followed:]
            follow = [partial(players.watch, room, 1 + n % 2) for n, room in enumerate(known)]
            await _at_once(follow)
            await asyncio.sleep(BEFORE_S)
            return await _kill(cluster, store, untouched, known, unknown)
        finally:
            await players.leave()
            await store.close()


async def _deserted(players: Players) -> str:
    """A room of the first server's, in which nobody is any more; its id."""
    room = await players.open_room(0)
    [player] = players.rooms.pop(room)
    await players.dismiss(player)
    return room


async def _at_once(work: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Do all of it, a few at a time; what each returned, in order."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(call: Callable[[], Awaitable[T]]) -> T:
        async with gate:
            return await call()

    return list(await asyncio.gather(*(one(call) for call in work)))


async def _kill(
    cluster: Cluster, store: Store, untouched: list[Player], known: list[str], unknown: list[str]
) -> Storm:
    now = asyncio.get_running_loop().time
    before_s = now() - BEFORE_S
    await cluster.servers[0].kill()
    killed_s = now()
    struck = {*known, *unknown}
    ticks = {room: tick for room, tick in (await _ticks(store)).items() if room in struck}
    back: dict[str, float] = {}
    while len(back) < len(struck) and now() - killed_s < GIVE_UP_S:
        await asyncio.sleep(LOOK_S)
        for room, tick in (await _ticks(store)).items():
            if room in ticks and tick > ticks[room] and room not in back:
                back[room] = now() - killed_s
    then = await _ticks(store)
    # At least as long as before, so that both percentiles are of as many ticks.
    await asyncio.sleep(max(STEADY_S, BEFORE_S - (now() - killed_s)))
    until_s, last = now(), await _ticks(store)
    return Storm(
        len(known),
        _share_back_s(back, known),
        len(unknown),
        _share_back_s(back, unknown),
        sum(last.get(room, 0) <= then.get(room, 0) for room in struck),
        _p99_ms(untouched, before_s, killed_s),
        _p99_ms(untouched, killed_s, until_s),
    )


async def _ticks(store: Store) -> dict[str, int]:
    return {entry.room: entry.tick for entry in await store.rooms()}


def _share_back_s(back: dict[str, float], rooms: list[str]) -> float | None:
    """When so many of these rooms had ticked again as must; None where they never did."""
    needed = -(-len(rooms) * SHARE_PERCENT // 100)
    times_s = sorted(back[room] for room in rooms if room in back)
    return times_s[needed - 1] if 0 < needed <= len(times_s) else None


def _p99_ms(players: list[Player], from_s: float, to_s: float) -> float:
    """The time between two frames of these players that 99 % do not exceed."""
    gaps = [
        after.at_s - before.at_s
        for player in players
        for before, after in pairwise(player.witness.frames)
        if from_s <= after.at_s < to_s
    ]
    return round(quantile(sorted(gaps), 0.99) * 1000, 1)
