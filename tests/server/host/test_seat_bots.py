"""Brains see what was published, as players do, and ask for no more than players may."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from holdfast import Action, Input, Match, Player, View
from server.core.room import Step
from server.host.seat_bots import Brain, SeatBots
from shared.schema import Schema
from tests.server.core.yard import Cave, Dot, Ground, Plain, Push, Say, Yard
from tests.server.host.rig import LOG
from tests.shared.reference import exactly, held, seen

SEED = 4


class Noted:
    """A brain that writes down what it sees and does what it is told to."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []
        self.views: list[View] = []
        self.answer: Any = Push(by=2)

    def think(
        self, view: View, rng: Random, /
    ) -> Input | tuple[Input | None, Sequence[Action]] | None:
        self.seen.append((view.tick, view.player))
        self.views.append(view)
        if isinstance(self.answer, Exception):
            raise self.answer
        answer: Input | tuple[Input | None, Sequence[Action]] | None = self.answer
        return answer


class House:
    """A room of a game with brains in its seats, ticked as a host ticks it."""

    def __init__(self, game: Yard, bots: int = 2) -> None:
        self.ground = Ground(game, bots=bots)
        self.brains: list[Noted] = []
        self.bots = SeatBots(self._make, Random(SEED), LOG)

    def _make(self, schema: Schema) -> Brain:
        self.brains.append(Noted())
        return self.brains[-1]

    def tick(self) -> Step:
        self.bots.think(self.ground.room)
        step = self.ground.tick()
        self.bots.see(self.ground.match, step.commit)
        return step


def test_a_brain_sees_the_last_committed_tick_and_its_input_is_applied_in_the_next() -> None:
    house = House(Yard())
    for _ in range(4):
        house.tick()
    ids = [player.id for player in house.ground.match.players]
    assert [brain.seen for brain in house.brains] == [
        [(tick, n) for tick in (1, 2, 3)] for n in ids
    ]
    assert [dot.x for dot in house.ground.match.all(Dot)] == [1.5, 1.5]
    assert [player.inputs_applied for player in house.ground.match.players] == [3, 3]


@pytest.mark.parametrize(("game", "shared"), [(Plain(), True), (Yard(), False), (Cave(), False)])
def test_brains_see_exactly_what_players_in_their_seats_would(game: Yard, shared: bool) -> None:
    house = House(game)
    for _ in range(30):
        house.tick()
        for index, player in enumerate(house.ground.match.players if house.brains else []):
            brain = house.brains[index]
            assert brain.seen[-1] == (house.ground.match.tick - 1, player.id)
    views = [brain.views[-1] for brain in house.brains]
    assert (views[0] is views[1]) == shared, "one view where all see the same"
    for view, player in zip(views, house.ground.match.players, strict=True):
        if not isinstance(game, Cave):
            assert exactly(held(view)) == exactly(seen(house.ground.match, player.id))
        assert view.tick == house.ground.match.tick


def test_a_brain_may_act_and_may_do_nothing() -> None:
    house = House(Yard(), bots=1)
    house.tick()
    house.tick()
    [brain] = house.brains
    [row] = house.ground.match.players
    brain.answer = (None, [Say(words="a"), Say(words="b")])
    house.tick()
    assert (row.score, row.inputs_applied, row.input_seq) == (2, 1, 2)
    brain.answer = None
    house.tick()
    assert (row.score, row.inputs_applied, row.input_seq) == (2, 1, 3)
    brain.answer = (Push(by=1), [])
    house.tick()
    assert (row.inputs_applied, row.input_seq) == (2, 4)


class Foreign(Action):
    """An action the game does not declare."""


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ZeroDivisionError("thought too hard"), "ZeroDivisionError: thought too hard"),
        ("forward", "AttributeError"),
        ((None, [Foreign()]), "KeyError: 'Foreign'"),
    ],
)
def test_a_brain_that_fails_stands_still_and_is_named_once(
    answer: object, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(Yard())
    house.tick()
    house.tick()
    house.brains[0].answer = answer
    with caplog.at_level(logging.ERROR):
        for _ in range(6):
            house.tick()
    first, second = house.ground.match.players
    assert (first.inputs_applied, second.inputs_applied) == (1, 7)
    assert len(caplog.records) == 1
    assert f"the brain Noted raised {said}" in caplog.text


def test_a_brain_that_cannot_be_made_is_told_too(caplog: pytest.LogCaptureFixture) -> None:
    def make(schema: Schema) -> Brain:
        raise RuntimeError("no brain today")

    house = House(Yard())
    house.bots = SeatBots(make, Random(SEED), LOG)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            house.tick()
    assert "raised RuntimeError: no brain today" in caplog.text
    assert [player.inputs_applied for player in house.ground.match.players] == [0, 0]


def test_brains_come_and_go_with_their_seats() -> None:
    house = House(Yard(), bots=3)
    house.tick()
    house.tick()
    assert len(house.brains) == 3
    house.ground.ask("Ada", "Bob")
    house.tick()
    house.tick()
    assert (len(house.bots._brains), len(house.bots._seats)) == (2, 2)
    house.ground.room.bots = 0
    house.tick()
    house.tick()
    assert not house.bots._seats
    assert [player.name for player in house.ground.match.players] == ["Ada", "Bob"]


def test_people_are_not_thought_for() -> None:
    house = House(Yard(), bots=1)
    house.ground.ask("Ada")
    for _ in range(4):
        house.tick()
    assert len(house.brains) == 1
    assert house.ground.row("Ada").inputs_applied == 0


def test_a_brain_seated_later_sees_everything_from_its_first_tick() -> None:
    house = House(Yard(), bots=1)
    for _ in range(3):
        house.tick()
    house.ground.room.bots = 2
    for _ in range(3):
        house.tick()
    assert len(house.brains) == 2
    assert house.brains[1].seen[0][0] == 4
    late = house.brains[1].views[-1]
    newcomer = house.ground.match.players[1]
    assert exactly(held(late)) == exactly(seen(house.ground.match, newcomer.id))


def test_no_brain_is_kept_once_its_seat_is_gone() -> None:
    house = House(Yard(), bots=2)
    house.tick()
    house.tick()
    assert len(house.bots._brains) == 2
    house.ground.room.bots = 0
    house.tick()
    assert not house.bots._brains


async def _never() -> Push:
    return Push(by=1)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda: sys.exit(2), "SystemExit: 2"),
        (_never, "AttributeError: 'coroutine' object"),
        (lambda: 7, "AttributeError: 'int' object"),
        (lambda: (Push(by=1), None), "TypeError"),
        (lambda: (None, [Say(words="a")] * 9), "ValueError: 9 actions at once; at most 8"),
    ],
)
def test_a_brain_that_does_the_wrong_thing_stands_still_alone(
    answer: Callable[[], Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(Noted):
        def think(self, view: View, rng: Random, /) -> Any:
            return answer()

    house = House(Yard())
    made: list[Brain] = []

    def make(schema: Schema) -> Brain:
        made.append(Noted() if made else Odd())
        return made[-1]

    house.bots = SeatBots(make, Random(SEED), LOG)
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            house.tick()
    first, second = house.ground.match.players
    assert (first.input_seq, second.inputs_applied) == (0, 4)
    assert len(caplog.records) == 1
    assert f"the brain Odd raised {said}" in caplog.text


def test_a_view_that_fails_for_one_brain_is_seen_by_the_others() -> None:
    class Hall(Yard):
        def visible(self, match: Match, player: Player | None) -> Any:
            if player is not None and player.name == "Bot 1":
                raise RuntimeError("not you")
            return match.all(Dot)

    house = House(Hall())
    for _ in range(4):
        house.bots.think(house.ground.room)
        step = house.ground.tick()
        error = house.bots.see(house.ground.match, step.commit)
        assert str(error) == "not you"
    first, second = house.ground.match.players
    seen_by = {brain.seen[-1][1]: brain.seen[-1][0] for brain in house.brains}
    assert seen_by[second.id] == 3
    assert first.connected
