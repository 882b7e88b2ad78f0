"""A swarm: many bots that arrive, play, leave, are replaced, and are checked to the last input."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from shared.errors import CloseCode, ConfigError
from shared.limits import DIGEST_S_MAX, NONCE_BYTES
from shared.messages import Join, Role

from .bot import Bot
from .brains import Brain
from .clock import Clock
from .counters import Ask
from .line import Transport
from .report import Report, report
from .websocket import Connect

# From the last sample on, every input should be acknowledged within this.
SETTLE_S = 10.0
# The first bot finds out whether the server takes bots of this kind at all.
SCOUT_S = 15.0
# The server sends a digest at least every five seconds, unless it is told to send none.
DIGEST_WAIT_S = DIGEST_S_MAX + 1
DIGEST_LOOK_S = 0.1
# How often progress is shown.
LOOK_S = 1.0

# A first bot that is told one of these need not be followed by others.
HOPELESS = frozenset(
    {
        CloseCode.BAD_MESSAGE,
        CloseCode.REFUSED,
        CloseCode.NOT_FOUND,
        CloseCode.BAD_OPTION,
        CloseCode.UNSUPPORTED_DATA,
    }
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a swarm does.

    `seconds` None means until it is stopped; `churn` is the share of bots replaced in a minute;
    with `again`, a bot whose room ended is replaced too.
    """

    url: str
    game: str
    count: int
    seconds: float | None = None
    arrive_s: float = 0.0
    churn: float = 0.0
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    role: Role = Role.PLAYER
    name: str = "bot"
    again: bool = False
    transport: Transport = Transport.WEBSOCKET


@dataclass(frozen=True, slots=True)
class Progress:
    """How a swarm is doing now: what its status line shows."""

    seconds: float
    seated: int
    count: int
    frames: int
    inputs: int
    rooms: int
    troubles: int
    divergence: int


class _Nobody:
    """Hears nothing: for a socket that is opened to see whether it can be."""

    def message(self, payload: bytes) -> None:
        pass

    def ended(self, code: int, reason: str) -> None:
        pass


class Swarm:
    """Runs a plan. Every bot has a brain and a chance of its own, drawn from the swarm's."""

    def __init__(
        self,
        plan: Plan,
        make_brain: Callable[[], Brain],
        *,
        connect: Connect,
        clock: Clock,
        rng: Random,
        ask: Ask,
    ) -> None:
        self._plan = plan
        self._make_brain = make_brain
        self._connect = connect
        self._clock = clock
        self._rng = rng
        self._ask = ask
        self._made: list[Bot] = []
        self._playing: list[Bot] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._departures: list[asyncio.Task[Any]] = []
        self._troubles: list[str] = []
        self._stopped = asyncio.Event()
        self._began_s = 0.0

    async def run(self, show: Callable[[Progress], None] | None = None) -> Report:
        """Play to the end of the plan; what was found.

        OSError when there is no server; ConfigError when it tells the first bot that it will never
        be taken.
        """
        self._began_s = self._clock.now()
        try:
            await self._scout()
            arriving = self._spawn(self._arrive())
            churning = self._spawn(self._churn())
            await self._watch(show)
            for task in (arriving, churning):
                task.cancel()
            seconds = self._clock.now() - self._began_s
            await self._await_digest()
            await self._retire(self._playing)
            await asyncio.gather(*self._departures)
        finally:
            await self._end()
        tallies = [bot.tally for bot in self._made]
        return report(self._plan.count, seconds, tallies, self._troubles)

    def stop(self) -> None:
        """End before the plan does, in good order."""
        self._stopped.set()
        for bot in self._made[:1]:
            bot.arrived.set()

    @property
    def bots(self) -> Sequence[Bot]:
        """Those that play now, in the order they began."""
        return self._playing

    def progress(self) -> Progress:
        """How things stand now."""
        sessions = [bot.session for bot in self._made]
        return Progress(
            seconds=self._clock.now() - self._began_s,
            seated=sum(bot.seated for bot in self._playing),
            count=self._plan.count,
            frames=sum(session.stats.frames for session in sessions),
            inputs=sum(session.stats.inputs_acked for session in sessions),
            rooms=len({bot.room for bot in self._playing if bot.room}),
            troubles=sum(bot.tally.errors.total() for bot in self._made),
            divergence=sum(session.stats.divergence for session in sessions),
        )

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self._tasks.append(task)
        return task

    def _begin(self) -> Bot:
        plan, rng = self._plan, Random(self._rng.getrandbits(64))
        name = f"{plan.name} {len(self._made) + 1}"
        join = Join(rng.randbytes(NONCE_BYTES), plan.game, plan.options, name, plan.role)
        bot = Bot(
            plan.url,
            join,
            self._make_brain(),
            connect=self._connect,
            clock=self._clock,
            rng=rng,
            transport=plan.transport,
        )
        self._made.append(bot)
        self._playing.append(bot)
        self._spawn(bot.run())
        return bot

    async def _scout(self) -> None:
        """Find out with one bot, at once, what would otherwise be heard from all of them."""
        if self._plan.transport is Transport.WEBSOCKET:
            socket = await self._connect(self._plan.url, _Nobody())
            socket.close()
        bot = self._begin()
        await self._clock.wait(bot.arrived, SCOUT_S)
        if bot.seated or self._stopped.is_set():
            return
        if bot.end is not None and bot.end.code in HOPELESS:
            raise ConfigError(f"the server refuses these bots: {bot.end.reason} ({bot.end.code})")
        told = ", ".join(bot.tally.errors) or "nothing"
        raise ConnectionError(
            f"the first bot was not seated within {SCOUT_S:g} s; it heard: {told}"
        )

    async def _arrive(self) -> None:
        """Spread the arrivals evenly, so that the server is not asked for everything at once."""
        plan = self._plan
        for number in range(1, plan.count):
            due_s = self._began_s + plan.arrive_s * number / plan.count
            if (wait_s := due_s - self._clock.now()) > 0:
                await self._clock.sleep(wait_s)
            self._begin()

    async def _churn(self) -> None:
        """Let bots leave at random moments, each replaced by a new one once it is checked."""
        per_s = self._plan.churn * self._plan.count / 60
        while per_s > 0:
            await self._clock.sleep(self._rng.expovariate(per_s))
            leavers = [bot for bot in self._playing if bot.seated]
            if leavers:
                bot = self._rng.choice(leavers)
                self._playing.remove(bot)
                self._departures.append(self._spawn(self._replace(bot)))

    async def _replace(self, bot: Bot) -> None:
        await self._retire([bot])
        if not self._stopped.is_set():
            self._begin()

    async def _watch(self, show: Callable[[Progress], None] | None) -> None:
        seconds = self._plan.seconds
        while not self._stopped.is_set():
            left_s = LOOK_S
            if seconds is not None:
                left_s = min(LOOK_S, self._began_s + seconds - self._clock.now())
                if left_s <= 0:
                    break
            await self._clock.wait(self._stopped, left_s)
            if show is not None:
                show(self.progress())
            if self._plan.again:
                self._begin_again()
            arrived = len(self._made) >= self._plan.count
            if arrived and self._playing and all(bot.end for bot in self._playing):
                # Nobody plays any more, and nobody will: the report says why.
                break
        self._stopped.set()

    async def _await_digest(self) -> None:
        """Play on until a view was compared with the server's, if a short run has seen none."""
        until_s = self._clock.now() + DIGEST_WAIT_S
        while self._clock.now() < until_s and any(bot.seated for bot in self._playing):
            if any(bot.session.stats.digests for bot in self._made):
                return
            await self._clock.sleep(DIGEST_LOOK_S)

    def _begin_again(self) -> None:
        """Bots whose room came to its end look for another one."""
        for bot in list(self._playing):
            if bot.end is not None and bot.end.code == CloseCode.ROOM_CLOSED:
                self._playing.remove(bot)
                self._begin()

    async def _retire(self, bots: Iterable[Bot]) -> None:
        """Let bots finish what they sent, compare it with what the server applied, and leave."""
        leaving = list(bots)
        await asyncio.gather(*(bot.settle(SETTLE_S) for bot in leaving))
        rooms: dict[str, list[Bot]] = defaultdict(list)
        for bot in leaving:
            if bot.seated and bot.tally.player:
                rooms[bot.room].append(bot)
        await asyncio.gather(*(self._compare(room, here) for room, here in rooms.items()))
        for bot in leaving:
            bot.leave()

    async def _compare(self, room: str, bots: list[Bot]) -> None:
        try:
            counts = await self._ask(room)
        except (OSError, ValueError) as error:
            self._troubles.append(f"inputs not compared: {error}")
            return
        for bot in bots:
            bot.tally.applied = counts.get(bot.tally.player)
            if bot.tally.applied is None:
                self._troubles.append("inputs not compared: the server does not know the player")

    async def _end(self) -> None:
        """Wait for every task this swarm began; bots that are still seated leave."""
        self._stopped.set()
        for bot in self._made:
            if bot.end is None:
                bot.leave()
        if self._tasks:
            # A bot that is opening a socket notices only then that it has left.
            _, late = await asyncio.wait(self._tasks, timeout=SETTLE_S)
            for task in late:
                task.cancel()
        for found in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(found, Exception):
                raise found
