"""Arena's brains: the higher level wins, and none of them sees or does what a player could not."""

from __future__ import annotations

from random import Random

import pytest

from bots.brains import load_brain
from games.arena import balance as b
from games.arena.brain import Gunner
from games.arena.map import SPAWNS
from games.arena.routes import next_place
from games.arena.rows import Setup, Steer
from tests.games.arena.fight import Brains, Fight, seen

SECONDS = 30


def duel(high: int, low: int, seed: int) -> tuple[int, int]:
    """The scores of three brains of each level that fought one another."""
    fight = Fight(6, seed=seed)
    levels = {driver.id: (high, low)[i % 2] for i, driver in enumerate(fight.drivers)}
    brains = Brains(fight, levels)
    for _ in range(SECONDS * b.TICK_RATE):
        fight.tick(brains.think())
    won = [sum(d.score for d in fight.drivers if levels[d.id] == lvl) for lvl in (high, low)]
    return won[0], won[1]


def test_the_third_level_beats_the_first_on_every_seed() -> None:
    results = [duel(3, 1, seed) for seed in range(3)]
    assert all(high > low for high, low in results), results
    assert sum(high for high, _ in results) > 2 * sum(low for _, low in results), results


def test_the_levels_rise() -> None:
    results = [duel(*levels, seed=11) for levels in ((2, 1), (3, 2))]
    assert all(high > low for high, low in results), results


def test_the_level_is_the_rooms_unless_the_brain_was_made_with_one() -> None:
    def shot(room_level: int, brain: Gunner) -> Steer:
        fight = Fight(2, options=Setup(level=room_level, minutes=15))
        me, other = fight.drivers
        fight.put(me, -8, 0)
        fight.put(other, 8, 0.5)
        fight.tick()
        return brain.think(seen(fight, me), Random(1))

    assert shot(1, Gunner()) == shot(3, Gunner(level=1))
    assert shot(1, Gunner()) != shot(3, Gunner())


def test_a_brain_remembers_nothing() -> None:
    fight = Fight(4)
    brains = Brains(fight, {})
    for _ in range(30):
        pulls = brains.think()
        for player, pull in pulls.items():
            brains.view.player = player
            afresh = Gunner().think(brains.view, Random(2))
            assert Steer.from_wire(afresh.to_wire()) == pull
        fight.tick(pulls)


def test_a_brain_without_a_tank_or_with_a_wreck_or_after_the_round_does_nothing() -> None:
    fight = Fight(2, options=Setup(minutes=1))
    me, _ = fight.drivers
    view = seen(fight, me)
    view.player = 0
    assert Gunner().think(view, Random(1)) == Steer()
    fight.tank(me).armour = 0
    fight.tank(me).back = fight.match.tick + 9
    fight.tick()
    assert Gunner().think(seen(fight, me), Random(1)) == Steer()
    fight.tick(ticks=60 * b.TICK_RATE)
    assert fight.room.finished
    assert Gunner().think(seen(fight, me), Random(1)) == Steer()


def test_it_is_found_by_the_games_name() -> None:
    assert isinstance(load_brain("arena"), Gunner)


@pytest.mark.parametrize("start", SPAWNS[::5])
def test_routes_lead_from_everywhere_to_everywhere(start: tuple[float, float]) -> None:
    for goal in SPAWNS:
        place, steps = start, 0
        while place != goal:
            place = next_place(*place, *goal)
            steps += 1
            assert steps < 60, (start, goal)
