"""A whole world in one thread under one seed: servers, a store, a network and players."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from random import Random
from typing import cast

from bots.bot import Bot
from bots.brains import load_brain
from bots.clock import LoopClock as BotsClock
from server.app import App, seeded_chance
from server.config import Config
from server.host.clock import LoopClock
from server.loading import load_game
from server.store.base import Append, Store
from server.store.exchange import Exchange
from server.store.memory import MemoryStore
from server.store.memory_exchange import MemoryExchange
from shared.errors import StoreError
from shared.limits import NONCE_BYTES
from shared.messages import Join
from tests.simulation.network import Network
from tests.simulation.process import CutExchange, CutStore, Process, Way

EPOCH_MS = 1_700_000_000_000
SECRET = b"world" * 8
LOG = logging.getLogger("tests.simulation")


class Archive(MemoryStore):
    """The memory store, which here forgets nothing, and whose answers can be lost."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(lambda: EPOCH_MS + int(loop.time() * 1000))
        self.written: list[Append] = []
        self.hold_asks: asyncio.Event | None = None
        self.hold_answers: asyncio.Event | None = None

    async def append(self, batch: Sequence[Append]) -> list[StoreError | None]:
        if self.hold_asks is not None:
            await self.hold_asks.wait()
        outcomes = await super().append(batch)
        self.written += [one for one, out in zip(batch, outcomes, strict=True) if out is None]
        if self.hold_answers is not None:
            await self.hold_answers.wait()
        return outcomes

    def journal(self) -> bytes:
        """Everything ever committed, in order."""
        return b"".join(
            b"%s %d %d " % (one.room.encode(), one.epoch, one.tick) + one.record
            for one in self.written
        )


class World:
    """One seed's world, in a running loop of virtual time."""

    def __init__(self, seed: int, game: str = "coins", *, archive: type[Archive] = Archive) -> None:
        loop = asyncio.get_running_loop()
        self.seed = seed
        self.game = game
        self.store = archive(loop)
        self.exchange = MemoryExchange(loop.time)
        self.network = Network(seed)
        self.bots: list[Bot] = []
        self._playing: list[asyncio.Task[object]] = []

    async def join_in(self, owner: str) -> Process:
        """One more server over the same store, behind the balancer."""
        way = Way()
        # What passes everything on has every method.
        store = cast("Store", CutStore(self.store, way))
        exchange = cast("Exchange", CutExchange(self.exchange, way))
        app = await self.serve(owner, store, exchange)
        self.network.listener = None
        self.network.pool.append(app.listener)
        return Process(app, way, self.network)

    async def serve(
        self, owner: str, store: Store | None = None, exchange: Exchange | None = None
    ) -> App:
        """A server over the world's store, to which the network leads from now on."""
        loop = asyncio.get_running_loop()
        config = Config(games=(self.game,), store="memory:", digest_ticks=10)
        app = App(
            config,
            [load_game(self.game, self.game)],
            store or self.store,
            exchange or self.exchange,
            LoopClock(lambda: EPOCH_MS / 1000 + loop.time(), loop.time),
            seeded_chance(f"{self.seed} {owner}" if store else self.seed),
            SECRET,
            LOG,
            owner=owner,
        )
        await app.start(None)
        self.network.listener = app.listener
        return app

    async def play(self, count: int, seconds: float) -> None:
        """Let so many players join, and time pass."""
        for number in range(count):
            rng = Random(f"{self.seed} player {number}")
            join = Join(rng.randbytes(NONCE_BYTES), self.game, {"bots": 3}, f"player {number}")
            bot = Bot(
                "ws://server.example/play",
                join,
                load_brain(self.game),
                connect=self.network.connect,
                clock=BotsClock(),
                rng=rng,
            )
            self.bots.append(bot)
            self._playing.append(asyncio.ensure_future(bot.run()))
        await asyncio.sleep(seconds)

    def now(self) -> float:
        """Virtual seconds."""
        return asyncio.get_running_loop().time()

    async def settle(self) -> None:
        """Wait until every input of every player is acknowledged, and count."""
        for bot in self.bots:
            assert await bot.settle(10.0), bot.tally.errors
            bot._count()

    async def part(self) -> None:
        """Every player leaves."""
        for bot in self.bots:
            bot.leave()
        await asyncio.gather(*self._playing)
