"""The calm tick: a room that leaves out what has nothing to do commits what one does that never."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any, ClassVar

import pytest

from holdfast import Action, Inputs, Match, Player
from server.core.hooks import HookFailed, OutOfMemory
from server.core.inbox import Item
from server.core.journal import encode_record
from server.core.room import Room, SeatRequest, Step
from tests.server.core.yard import Ground, Yard, item, nonce
from tests.shared.reference import whole

SEEDS = range(8)
MOVES = 120
NAMES = ("Ada", "Bob", "Cid", "Dan", "Eve")
WORDS = ("hello", "no", "kick Ada", "finish", "flash", "lock", "restart", "act!")


class Still(Yard):
    """A yard where only what is pushed moves, each second tick; what it is to raise comes once."""

    failures: ClassVar[dict[str, BaseException]] = {}

    def join(self, match: Match, player: Player) -> None:
        super().join(match, player)
        self._fail("join")

    def act(self, match: Match, player: Player, action: Action) -> None:
        super().act(match, player, action)
        self._fail("act")

    def step(self, match: Match, inputs: Inputs[Any]) -> None:
        # What is held over a tick that changes nothing is to be there in the one after it.
        if match.tick % 2 == 0:
            super().step(match, inputs)
        self._fail("step")

    def _spring(self, match: Match, dot: Any, trap: int) -> None:
        if trap:
            super()._spring(match, dot, trap)

    def _fail(self, hook: str) -> None:
        if hook in self.failures:
            raise self.failures.pop(hook)


class Watched(Room):
    """A room that counts the ticks in which it looked who is there, which a calm one does not."""

    looked = 0

    def _presence(self) -> set[int]:
        self.looked += 1
        return super()._presence()


class Thorough(Watched):
    """Does in every tick all that a tick may have to do."""

    def step(self, now_s: float | None = None) -> Step:
        self._calm = False
        return super().step(now_s)


class Blind(Watched):
    """Stays calm whoever comes or goes."""

    def step(self, now_s: float | None = None) -> Step:
        self._calm_with = set(self.present), self.spectators
        return super().step(now_s)


class Deaf(Watched):
    """Looks into no inbox in a calm tick."""

    def step(self, now_s: float | None = None) -> Step:
        self._asked = False
        return super().step(now_s)


class Hasty(Watched):
    """Is calm after a tick that changed nothing, though somebody's grace is running."""

    def step(self, now_s: float | None = None) -> Step:
        step = super().step(now_s)
        if step.commit.empty:
            self._calm, self._calm_with = True, (set(self.present), self.spectators)
        return step


class Forgetful(Watched):
    """Puts what a tick that never was had taken in back, and asks no inbox for it."""

    def put_back(self) -> None:
        super().put_back()
        self._asked, self._calm = False, True
        self._calm_with = set(self.present), self.spectators


@dataclass(frozen=True)
class Move:
    """Something that happens to a room, and the ticks after it: how many, the first how late."""

    what: str
    name: str
    number: int
    words: str
    ticks: int
    late_s: float


def script(seed: int) -> list[Move]:
    rng = Random(seed)
    kinds = {
        "join": 6,
        "odd join": 1,
        "leave": 1,
        "resume": 2,
        "push": 4,
        "burst": 1,
        "again": 1,
        "say": 4,
        "unlock": 2,
        "trap": 1,
        "away": 3,
        "back": 2,
        "watch": 2,
        "bots": 1,
        "no bots": 3,
        "raise": 2,
        "no memory": 2,
    }
    moves: list[Move] = []
    for what in rng.choices(list(kinds), list(kinds.values()), k=MOVES):
        ticks = rng.choice((0, 0, 1, 2, 4, 8, 14))
        late_s = rng.choice((0.0, 0.0, 0.0, 0.02, 0.6, 9.0))
        words = rng.choice(WORDS)
        moves.append(Move(what, rng.choice(NAMES), rng.randrange(1, 6), words, ticks, late_s))
    return moves


@dataclass
class Play:
    """A room of one kind, moved by a script; what can be seen of it, tick by tick."""

    kind: type[Watched]
    seen: list[object] = field(default_factory=list[object])
    happened: Counter[str] = field(default_factory=Counter[str])

    def __post_init__(self) -> None:
        self.game = Still()
        self.game.failures.clear()
        self.ground = Ground(self.game)
        self.room = self.kind("stillstillst", self.ground.restored([]), 1)
        self.ground.room = self.room
        self.now_s = 0.0
        self.seqs: Counter[int] = Counter()
        self.last: dict[int, Item] = {}
        self.told: set[int] = set()

    def run(self, moves: list[Move]) -> Play:
        for move in moves:
            self.make(move)
            for tick in range(move.ticks):
                self.now_s += self.room.match.dt + (move.late_s if tick == 0 else 0.0)
                self.tick()
        return self

    def make(self, move: Move) -> None:
        room, seat = self.room, self.room.seat_of(nonce(move.name))
        match move.what:
            case "join":
                room.join(SeatRequest(nonce(move.name), move.name))
            case "odd join":
                name = ("unwelcome", "gatecrasher", "join!")[move.number % 3]
                room.join(SeatRequest(nonce(name), name))
            case "watch":
                room.spectators = move.number % 3
            case "bots":
                room.bots = move.number % 3
            case "no bots":
                room.bots = 0
            case "raise" | "no memory":
                failure = RuntimeError("once") if move.what == "raise" else MemoryError()
                hook = ("step", "step", "act", "join")[move.number % 4]
                self.game.failures[hook] = failure
            case _ if seat is not None:
                self._ask(move, seat)
            case _:
                pass

    def _ask(self, move: Move, seat: int) -> None:
        room = self.room
        match move.what:
            case "leave":
                self.told.add(seat)
                room.leave(seat)
            case "resume":
                self.seqs[seat] += move.ticks % 3
                room.resume(seat, move.number % 4, self.seqs[seat] + 1)
            case "away":
                room.present.discard(seat)
            case "back":
                room.present = room.present | {seat}
            case "push":
                self._submit(seat, move.number - 3)
            case "burst":
                for by in range(-3, 3):
                    self._submit(seat, by, *([move.words] if by == 0 else []))
            case "again" if seat in self.last:
                room.submit(seat, [self.last[seat]])
            case "say" | "unlock":
                words = "unlock" if move.what == "unlock" else move.words
                self._submit(seat, None, words)
            case "trap":
                self._submit(seat, 1, trap=move.number)
            case _:
                pass

    def _submit(self, seat: int, by: int | None, *words: str, trap: int = 0) -> None:
        self.seqs[seat] += 1
        self.last[seat] = item(self.game, self.seqs[seat], by, *words, trap=trap)
        self.room.submit(seat, [self.last[seat]])

    def tick(self) -> None:
        room, ground = self.room, self.ground
        absent = {row.id for row in room.match.players if not (row.connected or row.bot)}
        failed: object = None
        step: Step | None = None
        try:
            step = ground.committed(room.step(self.now_s))
        except OutOfMemory as error:
            failed = repr(error)
            self.happened["memory"] += 1
            room.recover(ground.restored(ground.records))
            room.put_back()
        except HookFailed as error:
            failed = str(error)
            self.happened["failed"] += 1
            # What else is to fail would fail the tick that does without.
            self.game.failures.clear()
            step = ground.without(str(error))
        if step is not None:
            self.happened += Counter(
                expired=len(absent.intersection(step.left) - self.told),
                skipped=sum(refusal.reason == "skipped" for refusal in step.commit.refusals),
                seated=len(step.seated),
                refused=len(step.refused),
                refusals=len(step.commit.refusals),
                results=step.result is not None,
                empty=step.commit.empty,
            )
            # Who takes a seat is there from then on.
            room.present |= set(step.seated.values())
        self.seen.append((failed, step, step and encode_record(step.commit), self.state()))

    def state(self) -> object:
        room = self.room
        unapplied = {number: items for number, items in room.unapplied().items() if items}
        return (
            (room.age_s, room.empty_for_s, room.finished_for_s, room.may_end),
            (room.free_seats, room.humans, room.bots_seated, room.awaited, set(room.present)),
            (unapplied, whole(room.match)),
        )


@cache
def thorough_play(seed: int) -> Play:
    return Play(Thorough).run(script(seed))


def difference(kind: type[Watched], seed: int) -> int | None:
    """The first tick in which rooms of this kind and thorough ones do not look the same."""
    other, thorough = Play(kind).run(script(seed)), thorough_play(seed)
    assert len(other.seen) == len(thorough.seen)
    pairs = enumerate(zip(other.seen, thorough.seen, strict=True))
    return next((at for at, (one, two) in pairs if one != two), None)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_room_that_may_be_calm_commits_the_same_as_one_that_never_is(seed: int) -> None:
    assert difference(Watched, seed) is None


def test_the_scripts_lead_through_what_may_happen_and_through_calm_ticks() -> None:
    happened: Counter[str] = Counter()
    for seed in SEEDS:
        calm, thorough = Play(Watched).run(script(seed)), thorough_play(seed)
        happened += calm.happened
        happened["ticks"] += len(calm.seen)
        happened["calm"] += thorough.room.looked - calm.room.looked
        assert thorough.room.looked >= len(thorough.seen)
    for what in ("seated", "expired", "refused", "refusals", "failed", "memory", "skipped"):
        assert happened[what] >= 10, happened
    assert happened["results"] >= 3, happened
    assert happened["calm"] > happened["ticks"] / 4, happened
    assert happened["empty"] > happened["calm"], happened


@pytest.mark.parametrize("kind", [Blind, Deaf, Hasty, Forgetful])
def test_a_room_that_is_calm_too_long_is_told_from_one_that_never_is(kind: type[Watched]) -> None:
    assert any(difference(kind, seed) is not None for seed in SEEDS)
