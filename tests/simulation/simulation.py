"""One seed's run: processes, players and troubles drawn from it, and what must be so at the end.

Everything that can fail may fail, for some seconds. Then nothing fails any more, what was cut is
mended and what hung goes on; within a bounded time every room must be run by one process and tick,
and every input must be acknowledged. What was written and seen is judged at the end.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine
from contextvars import Context
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bench.recorder import Recorder
from bots.bot import Bot
from bots.clock import LoopClock
from server.core.lifecycle import Event, State
from server.core.lobby import RoomMeta
from server.core.post import encode_move
from server.loading import LoadedGame
from server.store.base import Status
from shared.errors import StoreError
from shared.match import Match
from shared.messages import Role
from tests.simulation import inside, judgement
from tests.simulation.controls import NOTHING_BROKEN, Control
from tests.simulation.faults import BrokenClient, Chances, Decider
from tests.simulation.judgement import Wrong
from tests.simulation.loop import Killed, uncollected, virtually
from tests.simulation.mischief import Mischief
from tests.simulation.patrol import Dash, Fog, Patrol, rules
from tests.simulation.process import Process
from tests.simulation.world import LOG, World

KINDS = {"patrol": Patrol, "fog": Fog, "dash": Dash}
# How long after the last fault something may still be ill. A room that only the store knows is
# found by a sweep of the whole store, every 30 s; a copy is whole again with the next record.
HEALED_S = {"stale copy": 10.0, "sees nothing": 15.0}
HEALED_MOST_S = 45.0
LOOK_S = 0.5
SETTLE_S = 20.0
# No call takes so many looks.
ANSWERED_LOOKS = 8
DIGEST_TICKS = 3
# Three owners lost within five ticks put a room aside by design. In worlds that are not rough, a
# process is left alone for so long after another one was lost, so that no room comes to that.
REST_S = 2.0
# By how much a machine's wall clock is wrong from the start, and steps while it runs.
CLOCKS_OFF_S = (0.0, 0.0, -0.7, 0.7, 5.0)
CLOCK_STEPS_S = (-5.0, -0.3, 0.3, 5.0)


@dataclass(frozen=True, slots=True)
class Size:
    """How big a world is and how rough; `seconds` is how long it is."""

    name: str
    processes: int
    players: int
    seconds: float
    games: tuple[str, ...]
    calls: float
    messages: float
    mischief: float
    rolls: bool = False
    # Whether rooms may end of what happens to them: games fail for good, stores are damaged, what
    # is outside of all processes closes rooms. `development` as with --dev.
    doomed: bool = False
    development: bool = False


SIZES = (
    Size("alone", 1, 2, 8.0, ("patrol",), 0.3, 0.1, 0.01),
    Size("pair", 2, 3, 9.0, ("patrol", "dash"), 0.3, 0.2, 0.006),
    Size("three", 3, 4, 9.0, ("patrol",), 0.2, 0.2, 0.004),
    Size("doomed", 2, 3, 9.0, ("patrol", "dash"), 0.1, 0.1, 0.02, doomed=True),
    Size("develop", 2, 3, 9.0, ("patrol",), 0.1, 0.1, 0.02, doomed=True, development=True),
    Size("rolling", 2, 3, 9.0, ("patrol", "fog"), 0.2, 0.2, 0.004, rolls=True),
)


@dataclass(slots=True)
class Outcome:
    """What came of a seed."""

    seed: int
    size: str
    digest: str
    seconds: float
    wrong: list[Wrong]
    counts: Counter[str] = field(default_factory=Counter[str])
    transitions: Counter[tuple[State, Event]] = field(default_factory=Counter[tuple[State, Event]])
    lines: list[str] | None = None


class Simulation:
    """One seed's run, in a running loop of virtual time."""

    def __init__(
        self,
        seed: int,
        *,
        control: Control | None = None,
        lines: bool = False,
        size: Size | None = None,
        decider: Decider | None = None,
    ) -> None:
        control = control or NOTHING_BROKEN
        self.seed = seed
        self.size = size or SIZES[seed % len(SIZES)]
        self.rng = Random(f"simulation {seed}")
        calm = self.rng.choice((0.0, 0.3, 1.0, 1.0))
        chances = Chances(
            Random(f"faults {seed}"),
            calls=self.size.calls * calm,
            messages=self.size.messages,
            dooms=0.003 if self.size.doomed else 0.0,
        )
        chances.rates.update(control.rates)
        self.decider = decider or chances
        self.moves = control.moves
        self.world = World(seed, archive=control.archive, decider=self.decider, lines=lines)
        self.world.forgetful = control.forgetful
        self.world.development = self.size.development
        self.world.game = "wanderer"
        self.trace = self.world.trace
        self.mischief = Mischief(
            Random(f"mischief {seed}"),
            self.trace,
            self._spend,
            self.size.mischief,
            doomed=self.size.doomed,
        )
        self.processes: list[Process] = []
        self.wrong: list[Wrong] = []
        self.recorders: list[Recorder] = []
        self.version = 1
        self._later: list[asyncio.Task[None]] = []
        self._started = 0
        # Whether processes may be lost so soon after each other that a room may be put aside.
        self.rough = self.rng.random() < 0.4
        self._rested_s = 0.0
        self._over = False

    async def run(self) -> Outcome:
        """Play, with trouble, mend everything, and judge."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._raised)
        complaints = _Complaints(self)
        LOG.addHandler(complaints)
        LOG.propagate = False
        try:
            await self.happen()
            await self._mend()
            await self._judge()
            digest = self.trace.digest
            await self._the_end()
        finally:
            LOG.removeHandler(complaints)
            LOG.propagate = True
        return Outcome(
            self.seed,
            self.size.name,
            digest,
            self.world.now(),
            self.wrong,
            self.trace.counts,
            self.world.transitions,
            self.trace.lines,
        )

    def blame(self, kind: str, what: str) -> None:
        """Note something that must not be; a doomed world's own bugs are to be."""
        if self.size.doomed and "simulated" in what:
            self.trace.log(f"{kind}: {what}")
            return
        self.wrong.append(Wrong(kind, what))
        self.trace.log(f"WRONG {kind}: {what}")

    # What happens.

    async def happen(self) -> None:
        """What goes on, and goes wrong, until all is mended."""
        for _ in range(self.size.processes):
            await self.start()
        for number in range(self.size.players):
            self.join(f"player {number}", self.rng.choice(self.size.games))
        self._spawn(self._visits())
        end_s = self.world.now() + self.size.seconds
        await asyncio.sleep(1)
        while self.world.now() < end_s:
            await self._trouble()
            await asyncio.sleep(self.rng.uniform(0.1, 1.2))

    async def _trouble(self) -> None:
        rng = self.rng
        troubles = [
            self._kill,
            self._hang,
            self._cut,
            self._cut_all,
            self.drain,
            self.move,
            self._drop,
            self._step_clock,
        ]
        if self.moves:
            troubles += [self.move] * 12
        if self.size.rolls:
            troubles += [self._roll, self._roll]
        if self.size.doomed:
            troubles += [self._decree, self._decree]
        trouble = rng.choice(troubles)
        whole = [process for process in self.processes if process.link.is_whole]
        if whole:
            trouble(rng.choice(whole))

    def _rests(self, seconds: float) -> bool:
        """Whether no process is lost now; else one is, for so long."""
        if not self.rough and self.world.now() < self._rested_s:
            return True
        self._rested_s = self.world.now() + seconds + REST_S
        return False

    def _kill(self, process: Process) -> None:
        if self._rests(0):
            return
        process.die()

    def _died(self, process: Process) -> None:
        """A process was killed, and its keeper starts another."""
        self.trace.note("killed", process.name)
        if process in self.processes:
            self.processes.remove(process)
            self._spawn(self._start_again())

    def drain(self, process: Process) -> None:
        """A process is told to end, and another is started."""
        self.processes.remove(process)
        self.trace.note("drained", process.name)
        self._spawn(self._leave(process))
        self._spawn(self._start_again())

    def _roll(self, process: Process) -> None:
        """A deployment: the next process runs newer rules, an older one leaves."""
        if self.version == 1:
            self.version = 2
            self.trace.note("rolled", process.name)
        if process.version == "1":
            self.drain(process)

    def _hang(self, process: Process) -> None:
        seconds = self.rng.choice((0.1, 0.4, 1.0, 3.0)) * self.rng.uniform(0.5, 1.5)
        if self._rests(seconds):
            return
        self.trace.note("hung", f"{process.name} {seconds:.3f}")
        process.hang(seconds)

    def _cut(self, process: Process) -> None:
        seconds = self.rng.uniform(0.05, 4)
        if self._rests(seconds):
            return
        self.trace.note("cut", process.name)
        process.link.cut()
        self._spawn(self._mend_later([process], seconds))

    def _cut_all(self, process: Process) -> None:
        seconds = self.rng.uniform(0.05, 1.5)
        if self._rests(seconds):
            return
        self.trace.note("store_away", process.name)
        cut = [one for one in self.processes if one.link.is_whole]
        for one in cut:
            one.link.cut()
        self._spawn(self._mend_later(cut, seconds))

    def move(self, process: Process) -> None:
        """Its rooms are asked to go to another process."""
        for room in process.owns():
            self.trace.note("moved", f"{process.name} {room}")
            self.world.exchange.post(room, encode_move(None))

    def _drop(self, process: Process) -> None:
        del process
        bots = [bot for bot in self.world.bots if bot.seated]
        if bots:
            bot = self.rng.choice(bots)
            self.trace.note("dropped_socket", bot.session.name)
            bot.connection.drop()

    def _step_clock(self, process: Process) -> None:
        step_s = self.rng.choice(CLOCK_STEPS_S)
        self.trace.note("clock_stepped", f"{process.name} {step_s:g}")
        process.clocks.offset_s += step_s

    def _decree(self, process: Process) -> None:
        """Somebody outside says what is to become of a room: an operator, or an older release."""
        live = [room for room in inside.kept(self.world.store) if room.status == "live"]
        if live:
            room = self.rng.choice(live).room
            status = self.rng.choice((Status.CLOSED, Status.QUARANTINED, Status.ASLEEP))
            self.trace.note("decreed", f"{room} {status} beside {process.name}")
            self._spawn(self._decreed(room, status))

    async def _decreed(self, room: str, status: Status) -> None:
        store = self.world.store
        try:
            loaded = await store.acquire(room, "an operator")
            await store.set_status(room, loaded.epoch, status)
            await store.release(room, loaded.epoch)
        except StoreError:
            return

    async def _visits(self) -> None:
        """Somebody comes, goes, and comes again to the room, which may sleep by then."""
        rng = self.rng
        options: dict[str, Any] = {"private": True, "short": rng.random() < 0.4, "bots": 1}
        options["again"] = rng.random() < 0.5
        game = rng.choice(self.size.games)
        visitor = self.join("visitor 0", game, options)
        for number in range(1, 4):
            await asyncio.wait_for(visitor.arrived.wait(), None)
            await asyncio.sleep(rng.uniform(0.3, 1.5))
            room = visitor.room
            watcher = self.join(f"watcher {number}", game, {"room": room}, Role.SPECTATOR)
            visitor.leave()
            await asyncio.sleep(rng.uniform(0.2, 1.0))
            watcher.leave()
            await asyncio.sleep(rng.uniform(0.1, 2.5))
            if self._over or not room:
                return
            self.trace.note("visited_again", room)
            visitor = self.join(f"visitor {number}", game, {"room": room})

    # Its parts.

    async def start(self) -> None:
        """Start a process; one that cannot start ends, and its keeper starts another."""
        for _ in range(40):
            self._started += 1
            name = f"server {self._started}"
            offset_s = self.rng.choice(CLOCKS_OFF_S)
            version = str(self.version)
            try:
                process = await self.world.join_in(name, self._games(version), offset_s=offset_s)
            except (StoreError, Killed, BrokenClient):
                self.trace.note("failed_start", name)
                await asyncio.sleep(0.3)
                continue
            process.version = version
            process.died = self._died
            self.processes.append(process)
            return
        self.blame("no start", "forty processes in a row could not start")

    async def _start_again(self) -> None:
        await asyncio.sleep(self.rng.uniform(0.1, 2))
        await self.start()

    async def _leave(self, process: Process) -> None:
        try:
            await process.drain()
        except Killed:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the run looks for.
            self.blame("drain failed", f"{process.name}: {error!r}")
            # Its process ends of that.
            process.die()
            return
        # What was under way at the store ends with the store's answer.
        for _ in range(ANSWERED_LOOKS):
            if not process.turns.unfinished():
                break
            await asyncio.sleep(LOOK_S)
        self.wrong += judgement.of_the_end(process)

    async def _mend_later(self, processes: list[Process], after_s: float) -> None:
        await asyncio.sleep(after_s)
        for process in processes:
            if not process.turns.killed:
                process.link.mend()

    def join(
        self,
        name: str,
        game: str,
        options: dict[str, Any] | None = None,
        role: Role = Role.PLAYER,
    ) -> Bot:
        """A player or a spectator comes."""
        bot = self.world.player(name, game, options or {}, role=role)
        self.recorders.append(Recorder(bot, LoopClock(), digest_ticks=DIGEST_TICKS))
        return bot

    def _games(self, version: str) -> list[LoadedGame]:
        return [
            LoadedGame(
                name, "wanderer", rules(KINDS[name], self.mischief, version), name, None, None
            )
            for name in self.size.games
        ]

    def _spend(self, name: str, seconds: float) -> None:
        for process in self.processes:
            if process.name == name:
                process.spend(seconds)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        # Also where a process's own turn is what makes it necessary.
        self._later.append(asyncio.get_running_loop().create_task(work, context=Context()))

    def _raised(self, loop: asyncio.AbstractEventLoop, about: dict[str, Any]) -> None:
        del loop
        self.blame("raised", f"{about.get('message')}: {about.get('exception')!r}")

    # The end.

    async def _mend(self) -> None:
        """Nothing goes wrong any more; wait until all is well, or for too long."""
        self.decider.on = self.mischief.on = False
        self._over = True
        for process in self.processes:
            process.link.mend()
        for work in list(self._later):
            await work
        for process in list(self.processes):
            # In development a room that stands still goes on once its author saves the game.
            if self.size.development or process.version != str(self.version):
                self.drain(process)
        for work in list(self._later):
            await work
        began_s = self.world.now()
        while True:
            ill = await self._ill()
            if not ill:
                break
            spent_s = self.world.now() - began_s
            late = [one for one in ill if spent_s > HEALED_S.get(one.kind, HEALED_MOST_S)]
            if late:
                self.wrong += late
                break
        self.trace.log(f"healed after {self.world.now() - began_s:.3f} s")

    async def _ill(self) -> list[Wrong]:
        """What is not well yet."""
        store = self.world.store
        before = {room.room: room.tick for room in inside.kept(store)}
        seen = {bot: _tick(bot) for bot in self.world.bots if bot.seated}
        await asyncio.sleep(LOOK_S)
        ill = judgement.of_the_owners(store, self.processes, rough=self.rough or self.size.doomed)
        ill += judgement.of_the_ticks(store, before, LOOK_S, self._quiet_games())
        ill += judgement.of_the_copies(store, self.processes)
        for bot in self.world.bots:
            if not bot.seated and not bot.connection.gone:
                what = f"{bot.session.name}: {dict(bot.tally.errors)}"
                ill.append(Wrong("never seated", what))
        for bot, tick in seen.items():
            if bot.seated and not bot.connection.gone and _tick(bot) <= tick:
                ill.append(Wrong("sees nothing", f"{bot.session.name} since tick {tick}"))
        return ill

    async def _judge(self) -> None:
        for bot in [bot for bot in self.world.bots if not bot.connection.gone]:
            settled = await bot.settle(SETTLE_S)
            if not settled and not bot.connection.gone:
                what = f"{bot.session.name}: {bot.session.waiting} inputs"
                self.blame("not acknowledged", what)
        for recorder in self.recorders:
            if not _left(recorder.bot):
                recorder.finish()
        store, games = self.world.store, self._quiet_games()
        metas = {room.room: RoomMeta.decode(room.meta) for room in inside.kept(store)}
        for witness in [recorder.witness for recorder in self.recorders]:
            meta = metas.get(witness.room)
            if meta is None:
                continue
            ends = bool(meta.options_of(games[meta.game]).to_wire()[0])
            kind = KINDS[meta.game]
            fair = judgement.ended_fairly(witness.end, kind, ends=ends, rough=self.rough)
            if fair or (self.size.doomed and witness.end):
                witness.end, witness.counts = "", None
        found = judgement.histories(store.written, inside.kept(store), games, self.recorders)
        nonces: dict[str, list[str]] = {}
        for room, history in found.items():
            try:
                nonces[room] = await judgement.recover(history, store, self.processes)
            except StoreError as error:
                self.blame("unreadable", f"room {room}: {error}")
            self.wrong += judgement.of_the_journal(history)
        # Where rooms are put to sleep from outside, a player in one is told that it is over, and
        # joins another; the seat in the sleeping room is nobody's then.
        seated_in = ("live",) if self.size.doomed else ("live", "asleep")
        going_on = {room.room for room in inside.kept(store) if room.status in seated_in}
        seats = {room: seated for room, seated in nonces.items() if room in going_on}
        self.wrong += judgement.of_the_seats(seats)
        self.wrong += judgement.of_the_followers(self.processes)
        for one in self.wrong:
            self.trace.log(str(one))
        self.trace.log(f"journal {len(store.written)}")
        for append in store.written:
            self.trace.log(
                f"record {append.room} {append.epoch} {append.tick} {append.record.hex()}"
            )

    def _quiet_games(self) -> dict[str, Patrol]:
        return {name: rules(KINDS[name], _quiet, str(self.version)) for name in self.size.games}

    async def _the_end(self) -> None:
        await self.world.part()
        for process in list(self.processes):
            await self._leave(process)


class _Complaints(logging.Handler):
    """What a server itself calls a bug of its own."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(logging.CRITICAL)
        self._simulation = simulation

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._simulation.blame("critical", f"{record.getMessage()} {error!r}")


def _quiet(hook: str, match: Match) -> None:
    """A game that does nothing wrong."""


def _tick(bot: Bot) -> int:
    """The tick of what it sees, 0 for nothing."""
    return bot.session.view.tick if bot.session.view else 0


def _left(bot: Bot) -> bool:
    """Whether it gave its seat up, or never had one: then nothing is known of its last inputs."""
    closed = bot.session.closed
    return bot.session.welcome is None or (closed is not None and closed.reason == "left")


def simulate(seed: int, *, control: Control | None = None, lines: bool = False) -> Outcome:
    """Run one seed from beginning to end."""

    async def scenario() -> Outcome:
        return await Simulation(seed, control=control, lines=lines).run()

    with (control or NOTHING_BROKEN).broken(), uncollected():
        return virtually(scenario())
