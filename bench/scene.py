"""A cluster with players in its rooms, and the moments at which something was done to it.

Whatever is done, the same is measured in a window just before, in which nothing was: so each figure
stands beside what the machine gives when it is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

from bench.checker import Violation, judge
from bench.cluster import Cluster
from bench.gaps import Spread, longest_gap_s
from bench.observer import Observer
from bench.players import Player, Players
from server.loading import load_game
from server.store.base import Store
from server.store.open import open_store

CALM_S = 1.0
CALM_WAIT_S = 60.0
LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Group:
    """Players whose longest silence at one moment counts as one, and when: from, to, in s.

    `whole` as in `longest_gap_s`.
    """

    players: tuple[Player, ...]
    from_s: float
    to_s: float
    whole: bool

    def longest_s(self) -> float | None:
        """The longest silence any of them saw; None without players."""
        gaps = [
            longest_gap_s(times_s, self.from_s, self.to_s, whole=self.whole)
            for player in self.players
            if (times_s := [seen.at_s for seen in player.witness.frames])
        ]
        return max((gap for gap in gaps if gap is not None), default=None)


@dataclass(slots=True)
class Measured:
    """One statistic and its control: the longest silence of each moment, and without it."""

    with_it: list[Group] = field(default_factory=list[Group])
    without: list[Group] = field(default_factory=list[Group])

    def note(self, players: list[Player], at_s: float, window_s: float, then_s: float) -> None:
        """A moment that concerned these players; `then_s` is how long it may have consequences."""
        if players:
            group = tuple(players)
            self.with_it.append(Group(group, at_s, at_s + then_s, whole=True))
            self.without.append(Group(group, at_s - window_s, at_s, whole=False))

    def spreads(self) -> tuple[Spread | None, Spread | None]:
        """The spread over all moments, and that of the control."""
        return _spread(self.with_it), _spread(self.without)


def _spread(groups: list[Group]) -> Spread | None:
    found = [group.longest_s() for group in groups]
    return Spread.of(gap for gap in found if gap is not None)


class Scene:
    """A cluster under a light load. Times are those of the running loop, in seconds."""

    def __init__(self, cluster: Cluster, store: Store, observer: Observer, game: str) -> None:
        self.cluster = cluster
        self.store = store
        self.observer = observer
        self.players = Players(cluster, game, seed=1, digest_ticks=20)
        self.now = asyncio.get_running_loop().time

    @staticmethod
    @contextlib.asynccontextmanager
    async def set_up(
        rooms: int, seats: int, *, servers: int = 3, game: str = "coins", folder: Path | None = None
    ) -> AsyncGenerator[Scene, None]:
        """A scene of so many rooms, each with so many players on servers in turn."""
        async with Cluster(servers, games=(game,), proxy="relay", folder=folder) as cluster:
            store = open_store(cluster.valkey.url, lambda: 0)
            await store.open()
            observer = Observer(store, {game: load_game(game, game).game})
            watching = asyncio.ensure_future(observer.run())
            scene = Scene(cluster, store, observer, game)
            try:
                for number in range(rooms):
                    room = await scene.players.open_room(number % servers)
                    await scene.players.fill(room, seats)
                yield scene
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
                await scene.players.leave()
                await store.close()

    async def owners(self) -> dict[str, int]:
        """Which of `cluster.servers` runs each room; rooms that nobody runs are left out."""
        names = {server.name: index for index, server in enumerate(self.cluster.servers)}
        entries = await self.store.rooms()
        return {entry.room: names[entry.owner] for entry in entries if entry.owner in names}

    async def epochs(self) -> dict[str, int]:
        """The epoch of every room."""
        return {entry.room: entry.epoch for entry in await self.store.rooms()}

    async def calm(self) -> None:
        """Wait until every server serves and nobody has been kept waiting for a while."""
        for server in self.cluster.servers:
            await server.ready()
        async with asyncio.timeout(CALM_WAIT_S):
            since_s = self.now()
            while self.now() - since_s < CALM_S:
                await asyncio.sleep(LOOK_S)
                # An owner that was just killed is still named until somebody took over.
                if any(self._silent(player) for player in self.players.all):
                    since_s = self.now()

    async def judge(self) -> list[Violation]:
        """End the play, and say what the checker found in all of it."""
        await self.players.settle()
        await self.observer.recover()
        await self.observer.look()
        found: list[Violation] = []
        for player in self.players.all:
            self.observer.histories[player.witness.room].witnesses.append(player.witness)
        for history in self.observer.histories.values():
            found += judge(history)
        return found

    def _silent(self, player: Player) -> bool:
        frames = player.witness.frames
        return not frames or self.now() - frames[-1].at_s > 2 * CALM_S / 4
