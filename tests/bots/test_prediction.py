"""Prediction in Python: arena's own step, ahead of a real match that answers late."""

from __future__ import annotations

from collections import deque
from math import hypot
from random import Random

import pytest

from bots.prediction import Prediction
from games.arena.physics import move
from games.arena.rows import Steer, Tank, Wall
from holdfast import Inputs, View
from tests.games.arena.fight import Fight
from tests.shared.ends import framed, show, view_of

TICKS = 120
AHEAD = Steer(drive=1)


def drive(tank: Tank, pull: Steer, dt: float, view: View) -> None:
    """Arena's own step, from its physics."""
    del dt
    if tank.armour and not view.room.finished:
        move(tank, pull, [(w.left, w.top, w.right, w.bottom) for w in view.all(Wall)])


def through_walls(tank: Tank, pull: Steer, dt: float, view: View) -> None:
    """What a cheat would like to be true."""
    del dt, view
    move(tank, pull, [])


class Match:
    """A driver alone in arena, whose inputs arrive `late` ticks after they are made."""

    def __init__(self, late: int = 3, **options: float) -> None:
        self.fight = Fight(1)
        [self.driver] = self.fight.drivers
        self.view = view_of(self.fight.match, self.driver.id)
        self.prediction = Prediction("Tank", drive, 0.05, **options)  # type: ignore[arg-type]
        self._late = late
        self._pending: deque[tuple[int, Steer]] = deque()
        self._held: Steer | None = None
        self._show(0)

    @property
    def tank(self) -> Tank:
        """The tank as the server has it."""
        return self.fight.tank(self.driver)

    def tick(self, pull: Steer, *, lose: bool = False) -> None:
        """The client samples, the server steps, and the client hears of it."""
        match = self.fight.match
        self._pending.append((match.tick, pull))
        self.prediction.sampled(pull)
        if not lose and self._pending[0][0] + self._late <= match.tick:
            self._held = self._pending.popleft()[1]
        held = match.tick
        match.begin_tick()
        # Nothing turns the turret before the first input is there.
        held_pull = self._held or Steer(aim=self.tank.turret)
        self.fight.game.step(match, Inputs(Steer(), {self.driver.id: held_pull}))
        match.commit()
        match.open_rows()
        self._show(held)

    def drawn(self, part: float) -> Tank:
        """The tank as it is drawn, 16 ms after the last time."""
        self.prediction.seek(part, 0.016)
        [seen] = self.view.all(Tank, owner=self.driver.id)
        row: Tank = self.prediction.drawn(seen)
        return row

    def _show(self, held: int) -> None:
        show(self.view, framed(self.fight.match, held, self.driver.id))
        self.prediction.framed(self.view, [pull for _, pull in self._pending])


def pulls(seed: int) -> list[Steer]:
    """Mostly full ahead, so that there are walls to slide along."""
    rng, pull, found = Random(seed), AHEAD, list[Steer]()
    for _ in range(TICKS):
        if rng.random() < 0.12:
            turn = rng.choice((0.0, 1.0, -1.0))
            pull = Steer(drive=rng.choice((1.0, 1.0, -1.0)), turn=turn, aim=rng.uniform(-3, 3))
        found.append(pull)
    return found


@pytest.mark.parametrize("late", [0, 1, 3, 8])
def test_the_prediction_is_where_the_server_will_be_to_the_last_bit(late: int) -> None:
    match = Match(late)
    ahead: list[tuple[float, float, float, float]] = []
    truth: list[tuple[float, float, float, float]] = []
    for pull in pulls(3):
        match.tick(pull)
        tank, row = match.tank, match.prediction.row
        truth.append((tank.x, tank.y, tank.heading, tank.turret))
        ahead.append((row.x, row.y, row.heading, row.turret))
    assert match.prediction.ahead == late
    # The server gets there as many ticks later as its answers are late.
    assert ahead[: TICKS - late] == truth[late:]
    assert max(x for x, *_ in ahead) - min(x for x, *_ in ahead) > 1


def test_a_client_that_predicts_its_walls_away_is_pulled_back() -> None:
    fair, cheat = Match(2), Match(2)
    cheat.prediction = Prediction("Tank", through_walls, 0.05)
    for pull in [AHEAD] * TICKS:
        fair.tick(pull)
        cheat.tick(pull)
    assert fair.tank.x == cheat.tank.x
    assert not any(fair.prediction.error.values())
    assert abs(cheat.prediction.error["x"]) + abs(cheat.prediction.error["y"]) > 0.1


def test_an_input_the_server_did_without_is_put_right() -> None:
    match = Match(2)
    errors: list[float] = []
    for number, pull in enumerate(pulls(5)):
        match.tick(pull, lose=number == 40)
        error = match.prediction.error
        errors.append(abs(error.get("x", 0.0)) + abs(error.get("y", 0.0)))
    assert max(errors) > 0
    assert not any(errors[60:])


def test_a_correction_fades_and_without_smoothing_shows_at_once() -> None:
    steps: dict[float, float] = {}
    for smooth_s in (0.0, 0.1):
        match = Match(0, smooth_s=smooth_s)
        match.tick(Steer())
        before = match.drawn(0)
        match.tank.x += 1
        match.tick(Steer())
        after = match.drawn(0)
        steps[smooth_s] = after.x - before.x
        [last] = [match.drawn(0) for _ in range(100)][-1:]
        assert last.x == pytest.approx(match.tank.x, abs=0.001)
    assert steps[0.0] == pytest.approx(1)
    assert abs(steps[0.1]) < 0.2


def test_a_respawn_is_a_jump() -> None:
    match = Match(0)
    match.tick(Steer())
    match.drawn(0)
    match.tank.x += 10
    match.tick(Steer())
    assert match.drawn(0).x == match.tank.x


def test_a_key_shows_at_once_where_the_controls_can_be_read() -> None:
    controls = [Steer()]
    match = Match(0)
    match.prediction = Prediction("Tank", drive, 0.05, peek=lambda: controls[0])
    match.tick(Steer())
    before = match.drawn(0.2)
    controls[0] = AHEAD
    match.drawn(0.4)
    after = match.drawn(0.8)
    assert 0.05 < hypot(after.x - before.x, after.y - before.y) < 0.35
