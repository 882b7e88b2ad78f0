"""The arena's rules, by example and over a thousand ticks of sixteen brains."""

from __future__ import annotations

import json
from math import hypot, pi
from random import Random

import pytest

from games.arena import balance as b
from games.arena.map import HEIGHT, PADS, SPAWNS, WALLS, WIDTH
from games.arena.physics import hit_wall
from games.arena.rows import (
    BOUNCE,
    HEAVY,
    HIT,
    RAPID,
    REPAIR,
    WRECK,
    Again,
    Blast,
    Driver,
    Kill,
    Pickup,
    Setup,
    Shell,
    Steer,
    Tank,
    Wall,
)
from holdfast import Refused
from shared.match import Commit
from tests.games.arena.fight import Brains, Fight, seen
from tests.games.arena.make import FILE, text
from tests.shared.ends import opened

AHEAD = Steer(drive=1)
WALL_TABLE = 2


def tables(commit: Commit) -> set[int]:
    """The tables a commit's public part speaks of."""
    return {chunk[0] for chunk in opened(commit.public)}


def inside_a_wall(tank: Tank) -> bool:
    for left, top, right, bottom in WALLS:
        x, y = max(left, min(tank.x, right)), max(top, min(tank.y, bottom))
        if hypot(tank.x - x, tank.y - y) < b.TANK_RADIUS:
            return True
    return False


def sums(fight: Fight) -> tuple[int, int, int]:
    drivers: list[Driver] = fight.match.players
    return (
        sum(d.score for d in drivers),
        sum(d.kills for d in drivers),
        sum(d.deaths for d in drivers),
    )


def test_the_ticks_the_page_is_tested_with_are_those_the_rules_make() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "python -m tests.games.arena.make"


def test_the_map_has_room_for_everybody_and_treats_both_ends_alike() -> None:
    assert len(SPAWNS) >= Fight().game.seats
    assert sum(x < 0 for x, _ in SPAWNS) == sum(x > 0 for x, _ in SPAWNS) == len(SPAWNS) // 2
    assert {(-x, -y) for x, y in SPAWNS + PADS} == set(SPAWNS + PADS)
    area = sum((right - left) * (bottom - top) for left, top, right, bottom in WALLS[4:])
    cells = {
        (x, y)
        for left, top, right, bottom in WALLS[4:]
        for x in range(left, right, 2)
        for y in range(top, bottom, 2)
    }
    assert area == 4 * len(cells), "two walls overlap"


def test_walls_are_sent_once() -> None:
    fight = Fight()
    assert WALL_TABLE in tables(fight.first)
    for _ in range(50):
        assert WALL_TABLE not in tables(fight.tick({driver.id: AHEAD for driver in fight.drivers}))
    assert seen(fight, fight.drivers[0]).count(Wall) == len(WALLS)


def test_a_tank_drives_turns_and_aims() -> None:
    fight = Fight(1)
    (driver,) = fight.drivers
    tank = fight.put(driver, 0, 0)
    tank.heading = 0.0
    fight.tick({driver.id: Steer(drive=1, aim=3.0)}, ticks=4)
    assert tank.x == pytest.approx(4 * b.TANK_SPEED / b.TICK_RATE, abs=0.01)
    assert tank.turret == pytest.approx(4 * b.TURRET_TURN / b.TICK_RATE, abs=0.01)
    fight.tick({driver.id: Steer(turn=-1)}, ticks=2)
    assert tank.heading == pytest.approx(-2 * b.HULL_TURN / b.TICK_RATE, abs=0.01)
    x = tank.x
    fight.tick({driver.id: Steer(drive=-1)})
    assert tank.x < x


def test_a_turret_goes_the_shorter_way() -> None:
    fight = Fight(1)
    (driver,) = fight.drivers
    tank = fight.put(driver, 0, 0, turret=3.0)
    fight.tick({driver.id: Steer(aim=-3.0)})
    assert tank.turret == pytest.approx(-3.0, abs=0.01)


def test_a_wall_stops_a_tank_which_slides_along_it() -> None:
    fight = Fight(1)
    (driver,) = fight.drivers
    tank = fight.put(driver, 10, 17)
    tank.heading = 1.0
    fight.tick({driver.id: AHEAD}, ticks=20)
    assert tank.y == HEIGHT / 2 - b.TANK_RADIUS - b.WALL_SKIN
    assert tank.x > 11


def test_tanks_push_each_other_apart() -> None:
    fight = Fight(2)
    one, two = (fight.put(driver, x, 0) for driver, x in zip(fight.drivers, (0, 0.5), strict=True))
    fight.tick()
    assert two.x - one.x == pytest.approx(2 * b.TANK_RADIUS, abs=0.01)


def test_a_gun_reloads() -> None:
    fight = Fight(1)
    (driver,) = fight.drivers
    fight.put(driver, 0, 0)
    fight.tick({driver.id: Steer(fire=True)}, ticks=b.RELOAD_TICKS)
    assert fight.match.count(Shell) == 1
    fight.tick({driver.id: Steer(fire=True)})
    assert fight.match.count(Shell) == 2


def test_four_hits_wreck_a_tank_and_it_comes_back_whole_and_protected() -> None:
    fight = Fight(2)
    shooter, other = fight.drivers
    fight.put(shooter, -5, 0)
    tank = fight.put(other, 5, 0)
    for left in range(b.ARMOUR - 1, -1, -1):
        fight.shoot(shooter, 3.5, 0, 0.0)
        fight.tick()
        assert tank.armour == left
    kinds = [blast.kind for blast in fight.match.all(Blast)]
    assert kinds == [HIT] * (b.ARMOUR - 1) + [WRECK]
    (kill,) = fight.match.all(Kill)
    assert (kill.killer, kill.victim) == (shooter.id, other.id)
    assert (shooter.score, shooter.kills, other.deaths) == (b.KILL_SCORE, 1, 1)
    fight.tick({other.id: Steer(drive=1, fire=True)}, ticks=b.RESPAWN_TICKS - 1)
    assert (tank.armour, tank.x, tank.y, fight.match.count(Shell)) == (0, 5, 0, 0)
    fight.tick()
    assert tank.armour == b.ARMOUR
    assert (tank.x, tank.y) in SPAWNS
    assert hypot(tank.x + 5, tank.y) >= b.SPAWN_DISTANCE - 1


def test_spawn_protection_ends_by_itself_and_with_the_first_shot() -> None:
    fight = Fight(3)
    shooter, *others = fight.drivers
    peaceful, eager = (fight.tank(driver) for driver in others)
    fight.tick({others[1].id: Steer(fire=True)})
    for tank in (peaceful, eager):
        fight.shoot(shooter, tank.x, tank.y, 0.0)
    fight.tick()
    assert (peaceful.armour, eager.armour) == (b.ARMOUR, b.ARMOUR - 1)
    fight.tick(ticks=b.PROTECTED_TICKS)
    fight.shoot(shooter, peaceful.x, peaceful.y, 0.0)
    fight.tick()
    assert peaceful.armour == b.ARMOUR - 1


def test_a_shell_bounces_once_and_may_then_hit_who_fired_it() -> None:
    fight = Fight(1)
    (driver,) = fight.drivers
    tank = fight.put(driver, 0, 0, turret=0.0)
    shell = fight.shoot(driver, 0, -10, -pi / 2)
    fight.tick(ticks=4)
    assert [blast.kind for blast in fight.match.all(Blast)] == [BOUNCE]
    assert shell.heading == pytest.approx(pi / 2)
    assert shell.bounces == 0
    fight.tick(ticks=40)
    assert tank.armour == b.ARMOUR - 1
    assert fight.match.count(Shell) == 0
    tank.armour = 1
    shell = fight.shoot(driver, 0, 2, -pi / 2)
    shell.bounces = 0
    fight.tick(ticks=2)
    assert (driver.score, driver.kills, driver.deaths) == (b.OWN_GOAL_SCORE, 0, 1)


def test_an_own_shell_does_not_hurt_before_it_bounced() -> None:
    fight = Fight(1)
    (driver,) = fight.drivers
    tank = fight.put(driver, 0, 0)
    fight.shoot(driver, -0.5, 0, 0.0)
    fight.tick()
    assert tank.armour == b.ARMOUR


def test_no_shell_gets_through_a_wall_however_thin_the_slice_it_meets() -> None:
    rng = Random(3)
    for _ in range(1500):
        x, y = rng.uniform(-31, 31), rng.uniform(-19, 19)
        dx, dy = rng.uniform(-6, 6), rng.uniform(-6, 6)
        hit = hit_wall(x, y, dx, dy, WALLS)
        points = [(x + dx * i / 60, y + dy * i / 60) for i in range(61)]
        blocked = [
            i
            for i, (px, py) in enumerate(points)
            if any(left < px < right and top < py < bottom for left, top, right, bottom in WALLS)
        ]
        if blocked and blocked[0] == 0:
            continue
        assert not blocked or (hit is not None and hit[0] <= blocked[0] / 60), (x, y, dx, dy)


def test_a_heavy_shell_counts_twice_and_a_magazine_ends() -> None:
    fight = Fight(2)
    shooter, other = fight.drivers
    fight.put(shooter, -3, 0).heavy = b.HEAVY_SHELLS
    tank = fight.put(other, 2, 0)
    fight.tick({shooter.id: Steer(fire=True)}, ticks=6)
    assert tank.armour == b.ARMOUR - b.HEAVY_POWER
    assert fight.tank(shooter).heavy == b.HEAVY_SHELLS - 1


def test_pickups_are_taken_where_they_are_of_use() -> None:
    fight = Fight(1)
    (driver,) = fight.drivers
    tank = fight.put(driver, 0, 0)
    for kind in (REPAIR, RAPID, HEAVY):
        fight.match.spawn(Pickup(x=1.0, y=0.0, kind=kind))
    fight.tick()
    assert [pickup.kind for pickup in fight.match.all(Pickup)] == [REPAIR], "its armour is whole"
    assert (tank.rapid, tank.heavy) == (fight.match.tick + b.RAPID_TICKS, b.HEAVY_SHELLS)
    tank.armour = 1
    fight.tick()
    assert (tank.armour, fight.match.count(Pickup)) == (b.ARMOUR, 0)


def test_pickups_appear_on_pads_up_to_a_number() -> None:
    fight = Fight(1)
    fight.put(fight.drivers[0], 0, 0)
    fight.tick(ticks=b.PICKUP_EVERY_TICKS * (b.PICKUPS_MAX + 3))
    places = {(pickup.x, pickup.y) for pickup in fight.match.all(Pickup)}
    assert len(places) == fight.match.count(Pickup) == b.PICKUPS_MAX
    assert places <= set(PADS)


def test_teams_are_filled_evenly_start_at_their_ends_and_spare_their_own() -> None:
    fight = Fight(4, options=Setup(teams=True, minutes=15))
    assert [driver.team for driver in fight.drivers] == [1, 2, 1, 2]
    assert all((fight.tank(d).x < 0) == (d.team == 1) for d in fight.drivers)
    red, blue, mate, _ = fight.drivers
    fight.put(red, -10, 0)
    friend, enemy = fight.put(mate, 0, 0), fight.put(blue, 4, 0)
    enemy.armour = 1
    fight.shoot(red, -2, 0, 0.0)
    fight.tick(ticks=6)
    assert (friend.armour, enemy.armour) == (b.ARMOUR, 0)
    assert (fight.room.red, fight.room.blue) == (b.KILL_SCORE, 0)


def test_who_leaves_takes_tank_and_shells_along() -> None:
    fight = Fight(2)
    driver, _ = fight.drivers
    fight.shoot(driver, 0, 0, 0.0)
    fight.game.leave(fight.match, driver)
    fight.match.despawn(driver)
    fight.tick(ticks=3)
    assert (fight.match.count(Tank), fight.match.count(Shell)) == (1, 0)


def test_a_round_ends_with_a_result_stands_a_while_and_begins_anew() -> None:
    fight = Fight(2, options=Setup(minutes=1))
    winner, _ = fight.drivers
    fight.put(winner, 0, 0)
    winner.score = 3
    fight.tick(ticks=60 * b.TICK_RATE)
    assert fight.room.finished == fight.match.tick
    result = json.loads(fight.room.result)
    assert [driver["score"] for driver in result["drivers"]] == [3, 0]
    assert result["teams"] is None
    before = fight.tank(winner).x
    fight.tick({winner.id: AHEAD}, ticks=b.RESULT_TICKS - 1)
    assert (fight.tank(winner).x, winner.score) == (before, 3)
    fight.tick()
    room = fight.room
    assert (room.finished, room.round, winner.score) == (0, 2, 0)
    assert room.ends == fight.match.tick + 60 * b.TICK_RATE
    assert fight.match.count(Tank) == 2
    assert seen(fight, winner).count(Wall) == len(WALLS)


def test_the_next_round_begins_at_once_when_all_who_are_present_want_it() -> None:
    fight = Fight(2, options=Setup(minutes=1))
    one, two = fight.drivers
    away = fight.join("away")
    away.connected = False
    fight.join("brain", bot=True)
    with pytest.raises(Refused, match="still on"):
        fight.game.act(fight.match, one, Again())
    fight.tick(ticks=60 * b.TICK_RATE)
    fight.game.act(fight.match, one, Again())
    fight.tick()
    assert fight.room.round == 1
    fight.game.act(fight.match, two, Again())
    fight.tick()
    assert (fight.room.round, one.again, two.again) == (2, False, False)


def test_who_comes_late_plays_at_once_also_while_a_result_stands() -> None:
    fight = Fight(1, options=Setup(minutes=1))
    fight.tick(ticks=300)
    late = fight.join("late")
    tank = fight.tank(late)
    assert tank.safe > fight.match.tick
    x, y = tank.x, tank.y
    fight.tick({late.id: AHEAD}, ticks=5)
    assert (tank.x, tank.y) != (x, y)
    fight.tick(ticks=60 * b.TICK_RATE - 305)
    assert fight.room.finished
    later = fight.join("later")
    fight.tick(ticks=b.RESULT_TICKS)
    assert fight.tank(later).armour == b.ARMOUR


def test_all_seats_find_a_place_of_their_own() -> None:
    fight = Fight(16)
    places = {(tank.x, tank.y) for tank in fight.match.all(Tank)}
    assert len(places) == 16
    assert not any(inside_a_wall(tank) for tank in fight.match.all(Tank))


def test_a_thousand_ticks_of_sixteen_brains() -> None:
    fight = Fight(16, seed=5, options=Setup(minutes=1, level=3))
    brains = Brains(fight, {})
    bytes_max = 0
    rounds = set[int]()
    for _ in range(60 * b.TICK_RATE + b.RESULT_TICKS + 20):
        commit = fight.tick(brains.think())
        bytes_max = max(bytes_max, len(commit.public.data))
        rounds.add(fight.room.round)
        tanks = fight.match.all(Tank)
        assert not any(inside_a_wall(tank) for tank in tanks)
        assert all(abs(tank.x) < WIDTH / 2 and abs(tank.y) < HEIGHT / 2 for tank in tanks)
        score, kills, deaths = sums(fight)
        assert score == kills * b.KILL_SCORE + (deaths - kills) * b.OWN_GOAL_SCORE
        if fight.room.finished == fight.match.tick:
            assert kills > 20, "sixteen brains for a minute, and so little happened"
            assert all(driver.deaths for driver in fight.match.players)
    assert rounds == {1, 2}
    # A tick of all sixteen stays far below what a phone's connection takes.
    assert bytes_max < 1400
