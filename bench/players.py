"""Bots in the rooms of a cluster, each with somebody who writes down what it sees.

Their connections lead to the servers in turn, as behind a balancer without affinity; unlike behind
one, it is known which server somebody is connected to.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Any

from bench.cluster import Cluster
from bench.history import Witness
from bench.recorder import DIGEST_TICKS, Recorder
from bots.address import play_url
from bots.bot import Bot
from bots.brains import load_brain
from bots.clock import LoopClock
from bots.websocket import Receiver, Socket, open_websocket
from shared.limits import NONCE_BYTES
from shared.messages import Close, Join, Role

SEATED_S = 30.0
SETTLE_S = 30.0
LOOK_S = 1.0


class Doors:
    """Where connections lead: to the next server each time."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._next = 0

    def next(self) -> int:
        """The number of the server that takes the next connection."""
        self._next += 1
        return self._next % len(self._cluster.servers)

    def url(self, server: int) -> str:
        """Where this server is played on."""
        return play_url(f"ws://127.0.0.1:{self._cluster.servers[server].port}")


class Line:
    """One player's way to the servers (a `bots.websocket.Connect`); `at` is where it led last."""

    def __init__(self, doors: Doors, first: int | None = None) -> None:
        self.at = -1
        self._doors = doors
        self._first = first

    async def __call__(self, url: str, receiver: Receiver) -> Socket:
        """A WebSocket to the next server; `Unreachable` says why there is none."""
        del url
        self.at = self._doors.next() if self._first is None else self._first
        self._first = None
        return await open_websocket(self._doors.url(self.at), receiver)


@dataclass(slots=True)
class Player:
    """A bot, what it saw, where it is connected, and the task that plays it."""

    bot: Bot
    recorder: Recorder
    line: Line
    task: asyncio.Task[Close]

    @property
    def witness(self) -> Witness:
        """What it saw."""
        return self.recorder.witness


class Players:
    """Everybody who plays on a cluster, in rooms of their own."""

    def __init__(
        self,
        cluster: Cluster,
        game: str,
        seed: int,
        *,
        spec: str | None = None,
        digest_ticks: int = DIGEST_TICKS,
    ) -> None:
        self.all: list[Player] = []
        self.rooms: dict[str, list[Player]] = {}
        self.doors = Doors(cluster)
        self._game = game
        self._spec = spec or game
        self._rng = Random(f"players {seed}")
        self._clock = LoopClock()
        self._digest_ticks = digest_ticks

    async def open_room(self, server: int | None = None) -> str:
        """Seat the first player of a new room, at this server; the room's id.

        RuntimeError when nobody is seated in time.
        """
        player = self._begin({"private": True}, first=server)
        await self._seated(player)
        room = player.bot.room
        self.rooms[room] = [player]
        return room

    async def fill(self, room: str, seats: int) -> None:
        """Seat more players, until so many are in this room."""
        here = self.rooms[room]
        newcomers = [self._begin({"room": room}) for _ in range(seats - len(here))]
        for player in newcomers:
            await self._seated(player)
        here += newcomers

    async def settle(self) -> None:
        """Let every input be acknowledged, and take down what became of it."""
        await asyncio.gather(*(player.bot.settle(SETTLE_S) for player in self.all))
        for player in self.all:
            player.recorder.finish()

    async def watch(self, room: str, server: int | None = None) -> Player:
        """Somebody more who only watches this room, from now on, first at this server."""
        watcher = self._begin({"room": room}, Role.SPECTATOR, server)
        await self._seated(watcher)
        return watcher

    async def look(self, room: str) -> Witness:
        """What somebody sees who comes now: a frame from nothing, and those of a moment after.

        Who is not let in has seen nothing, and was sent away.
        """
        watcher = self._begin({"room": room}, Role.SPECTATOR)
        await self._clock.wait(watcher.bot.arrived, SEATED_S)
        witness = watcher.witness
        if watcher.bot.seated:
            await asyncio.sleep(LOOK_S)
        else:
            witness.seats = [(room, 0)]
            witness.end = ", ".join(watcher.bot.tally.errors) or "it was never answered"
        await self.dismiss(watcher)
        return witness

    async def dismiss(self, player: Player) -> None:
        """One leaves, and is not counted among those who play."""
        self.all.remove(player)
        player.bot.leave()
        await player.task

    async def leave(self) -> None:
        """Everybody leaves."""
        for player in self.all:
            player.bot.leave()
        await asyncio.gather(*(player.task for player in self.all), return_exceptions=True)

    def _begin(
        self, options: dict[str, Any], role: Role = Role.PLAYER, first: int | None = None
    ) -> Player:
        rng = Random(self._rng.getrandbits(64))
        name = f"{role.name.lower()} {len(self.all) + 1}"
        join = Join(rng.randbytes(NONCE_BYTES), self._game, options, name, role)
        line = Line(self.doors, first)
        brain = load_brain(self._spec)
        bot = Bot("", join, brain, connect=line, clock=self._clock, rng=rng)
        recorder = Recorder(bot, self._clock, digest_ticks=self._digest_ticks)
        player = Player(bot, recorder, line, asyncio.ensure_future(bot.run()))
        self.all.append(player)
        return player

    async def _seated(self, player: Player) -> None:
        await self._clock.wait(player.bot.arrived, SEATED_S)
        if not player.bot.seated:
            told = ", ".join(player.bot.tally.errors) or "nothing"
            raise RuntimeError(f"a player was not seated within {SEATED_S:g} s; it heard: {told}")
