"""20,000 rows over real sockets: joined, watched, polled, followed, resumed, taken over."""

from __future__ import annotations

import asyncio
import os
from random import Random

import pytest

from bench.cluster import Cluster
from bots.clock import LoopClock
from bots.connection import Connection
from bots.line import Transport
from bots.websocket import open_websocket
from shared.errors import CloseCode
from shared.inputs import Input
from shared.limits import NONCE_BYTES, PART_BYTES
from shared.messages import Close, Join, Role
from shared.session import ClientSession, Outcome
from tests.end_to_end.games.vast import Steer
from tests.end_to_end.server import GAMES

ROWS = 20_000
# Eight numbers of eight bytes, an id and an owner: a frame from nothing has at least so many parts.
PARTS_MIN = ROWS * 64 // PART_BYTES


class Caller:
    """A session that keeps its view, and counts what it took to have it."""

    def __init__(self, url: str, name: str, *, role: Role = Role.PLAYER, **how: str) -> None:
        self.from_nothing = 0
        self.end: Close | None = None
        options = {"room": how["room"]} if "room" in how else {"private": True}
        transport = Transport(how.get("transport", "websocket"))
        self.session = ClientSession(Join(os.urandom(NONCE_BYTES), "vast", options, name, role))
        self.connection = Connection(
            f"{url.replace('http', 'ws', 1)}/play",
            self.session,
            self,
            connect=open_websocket,
            clock=LoopClock(),
            rng=Random(1),
            transport=transport,
        )
        self._framed = asyncio.Event()
        self.task = asyncio.ensure_future(self.connection.run())

    def welcomed(self) -> None:
        """Nothing to do before a frame."""

    def framed(self, outcome: Outcome, /) -> None:
        assert outcome.frame is not None
        self.from_nothing += outcome.frame.base == 0
        self._framed.set()

    def troubled(self, code: int, reason: str, /) -> None:
        """The session resumes by itself."""

    async def has(self, first: float, *, after: int = 0) -> None:
        """Wait for a view, after a tick, whose first row has this value; then compare it all."""
        while (view := self.session.view) is None or view.tick <= after or self.first != first:
            self._framed.clear()
            await asyncio.wait_for(self._framed.wait(), 60)
        assert view.count("Cell") == ROWS
        assert {row.h for row in view.all("Cell")} == {0.0}
        assert self.session.stats.divergence == 0

    async def moved(self, first: float) -> None:
        """Wait until the first row has another value."""
        while self.first == first:
            self._framed.clear()
            await asyncio.wait_for(self._framed.wait(), 60)

    @property
    def first(self) -> float:
        view = self.session.view
        return view.one("Cell").a if view is not None and view.count("Cell") else -1.0

    def post(self, sample: Input) -> None:
        self.session.post(sample)
        self.connection.flush()


async def settled(callers: list[Caller]) -> float:
    """The first row's value, once all have the same at two looks that are a second apart."""
    before: set[float] = set()
    while True:
        seen = {caller.first for caller in callers}
        if len(seen) == 1 and seen == before:
            return seen.pop()
        before = seen
        await asyncio.sleep(1)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_everybody_has_all_of_it_wherever_they_are_and_whoever_dies() -> None:
    flags = ("--digest-ticks", "20")
    async with Cluster(2, games=(f"{GAMES}/vast.py",), flags=flags, proxy="relay") as cluster:
        here, there = (server.url for server in cluster.servers)
        ada = Caller(here, "Ada")
        callers = [ada]
        await ada.has(1.5)
        assert ada.session.welcome is not None
        room = ada.session.welcome.room
        assert ada.session.stats.bytes > PARTS_MIN * PART_BYTES
        bob = Caller(there, "Bob", room=room)
        eve = Caller(there, "Eve", room=room, role=Role.SPECTATOR)
        pol = Caller(here, "Pol", room=room, transport="polling")
        callers += [bob, eve, pol]
        for caller in callers:
            await caller.has(1.5)
        # What one does, all see, each by one small frame.
        sizes = [caller.session.stats.bytes for caller in callers]
        ada.post(Steer(x=1))
        bob.post(Steer(x=1))
        for caller in callers:
            await caller.moved(1.5)
        # The steps are over once the inputs are held no longer.
        now = await settled(callers)
        assert [caller.from_nothing for caller in callers] == [1] * len(callers)
        assert all(
            caller.session.stats.bytes - size < PART_BYTES
            for caller, size in zip(callers, sizes, strict=True)
        )
        # A connection that is lost goes on by a delta; the room, when its owner dies.
        bob.connection.drop()
        assert bob.session.view is not None
        await bob.has(now, after=bob.session.view.tick)
        tick, epoch = bob.session.view.tick, bob.session.epoch
        await cluster.servers[0].kill()
        for caller in (bob, eve):
            await caller.has(now, after=tick)
        assert bob.session.epoch > epoch
        assert bob.from_nothing == eve.from_nothing == 1, "the follower's rows were all there"
        for caller in callers:
            caller.connection.leave()
        ends = await asyncio.gather(*(caller.task for caller in callers))
        assert {end.code for end in ends} == {CloseCode.NORMAL}
