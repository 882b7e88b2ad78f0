"""A whole world in one thread under one seed: servers, a store, a network and players."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, cast

from bots.bot import Bot
from bots.brains import load_brain
from bots.clock import LoopClock as BotsClock
from server.app import App, seeded_chance
from server.config import Config
from server.core.lifecycle import Event, State
from server.core.ports import Clock
from server.host.clock import LoopClock
from server.loading import LoadedGame, load_game
from server.store.base import Append, Store
from server.store.exchange import Exchange
from server.store.memory import MemoryStore
from server.store.memory_exchange import MemoryExchange
from shared.errors import StoreError
from shared.limits import NONCE_BYTES
from shared.messages import Join
from tests.simulation.faults import Decider, Faultless
from tests.simulation.link import Link, Linked
from tests.simulation.loop import PROCESS
from tests.simulation.network import Network
from tests.simulation.process import Clocks, Process, own_turns
from tests.simulation.trace import Trace

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

    def __init__(
        self,
        seed: int | str,
        game: str = "coins",
        *,
        archive: type[Archive] = Archive,
        decider: Decider | None = None,
        lines: bool = False,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.seed = seed
        self.game = game
        self.store = archive(loop)
        self.exchange = MemoryExchange(loop.time)
        self.network = Network(seed)
        self.trace = Trace(loop.time, lines=lines)
        self.decider = decider or Faultless()
        self.transitions: Counter[tuple[State, Event]] = Counter()
        self.bots: list[Bot] = []
        # For a control: clients that send each input once.
        self.forgetful = False
        self.development = False
        self.playing: list[asyncio.Task[object]] = []

    async def join_in(
        self, owner: str, games: Sequence[LoadedGame] = (), *, offset_s: float = 0.0
    ) -> Process:
        """One more server over the same store, behind the balancer; its wall clock is off.

        What it could not start for passes.
        """
        turns, context = own_turns(owner)
        rng = Random(f"{self.seed} link {owner}")
        link = Link(owner, rng, self.decider, self.trace)
        link.context = context
        clocks = Clocks(EPOCH_MS, offset_s)
        # What passes every call on has every method.
        store = cast("Store", Linked(self.store, link))
        exchange = cast("Exchange", Linked(self.exchange, link))
        app = context.run(self._app, owner, store, exchange, clocks, games)
        process = Process(app, link, self.network, turns, context, clocks)
        try:
            await process.start()
        except Exception:
            # A process that cannot start ends.
            await process.kill()
            raise
        return process

    async def serve(self, owner: str) -> App:
        """A server over the world's store, to which the network leads from now on."""
        loop = asyncio.get_running_loop()
        clock = LoopClock(lambda: EPOCH_MS / 1000 + loop.time(), loop.time)
        app = self._app(owner, self.store, self.exchange, clock, ())
        await app.start(None)
        self.network.listener = app.listener
        return app

    def _app(
        self,
        owner: str,
        store: Store,
        exchange: Exchange,
        clock: Clock,
        games: Sequence[LoadedGame],
    ) -> App:
        loaded = list(games) or [load_game(self.game, self.game)]
        config = Config(
            games=tuple(one.spec for one in loaded),
            store="memory:",
            digest_ticks=10,
            dev=self.development,
        )
        chance = seeded_chance(f"{self.seed} {owner}")
        return App(
            config,
            loaded,
            store,
            exchange,
            clock,
            chance,
            SECRET,
            LOG,
            owner=owner,
            observer=self._moved,
        )

    def _moved(self, state: State, event: Event, new: State) -> None:
        """A room went from one state of its life to another, in some process."""
        self.transitions[state, event] += 1
        # Every tick is one; the journal says as much of them.
        if new is not state:
            turns = PROCESS.get()
            self.trace.log(f"life {turns.name if turns else ''}: {state}, {event}: {new}")

    async def play(self, count: int, seconds: float) -> None:
        """Let so many players join, and time pass."""
        for number in range(count):
            self.player(f"player {number}", self.game, {"bots": 3})
        await asyncio.sleep(seconds)

    def player(self, name: str, game: str, options: dict[str, Any], **about: Any) -> Bot:
        """Let one player join."""
        rng = Random(f"{self.seed} {name}")
        join = Join(rng.randbytes(NONCE_BYTES), game, options, name, **about)
        brain = load_brain(self.game)
        bot = Bot(
            "ws://server.example/play",
            join,
            brain,
            connect=self.network.connect,
            clock=BotsClock(),
            rng=rng,
        )
        if self.forgetful:
            bot.session._repeat = lambda: None  # type: ignore[method-assign]
        self.bots.append(bot)
        self.playing.append(asyncio.ensure_future(bot.run()))
        return bot

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
        await asyncio.gather(*self.playing)
