"""A brain for arena, in three levels: it sees what any player sees, and remembers nothing."""

from __future__ import annotations

from math import asin, atan2, cos, hypot, sin
from random import Random
from typing import NamedTuple

from games.arena import balance as b
from games.arena.map import PADS, WALLS
from games.arena.physics import hit_wall, wrap
from games.arena.routes import next_place
from games.arena.rows import HEAVY, REPAIR, Pickup, Shell, Steer, Tank
from holdfast import View

HULL_PER_TICK = b.HULL_TURN / b.TICK_RATE
# Beyond this angle a tank reaches a direction sooner in reverse.
REVERSE_FROM = 2.0


class Skill(NamedTuple):
    """What sets a level apart. Distances are units, `miss` radians, `pause` tenths of the time."""

    miss: float
    lead: float
    range: float
    keep: float
    pause: int
    fetches: bool
    dodges: bool


SKILLS = {
    1: Skill(miss=0.2, lead=0.0, range=13, keep=5, pause=6, fetches=False, dodges=False),
    2: Skill(miss=0.09, lead=0.7, range=18, keep=7, pause=3, fetches=True, dodges=False),
    3: Skill(miss=0.02, lead=1.0, range=24, keep=9, pause=0, fetches=True, dodges=True),
}


class Gunner:
    """Hunts the nearest enemy. Plays the level it is made with, else the room's."""

    def __init__(self, level: int | None = None) -> None:
        self.level = level

    def think(self, view: View, rng: Random) -> Steer:
        """The input for this tick."""
        me = view.one(Tank, owner=view.player)
        if me is None or not me.armour or view.room.finished:
            return Steer()
        skill = SKILLS.get(self.level or view.room.level, SKILLS[2])
        target, sees = _target(view, me)
        way = _way(view, me, target, sees, skill)
        drive, turn = _pull(me, *way)
        if skill.dodges:
            drive = _dodge(view, me, drive)
        if target is None:
            return Steer(drive=drive, turn=turn, aim=me.heading)
        aim, fire = _aim(view, me, target, skill)
        return Steer(drive=drive, turn=turn, aim=aim, fire=fire and sees)


def _target(view: View, me: Tank) -> tuple[Tank | None, bool]:
    """The enemy to hunt, and whether nothing stands between: one in sight before a nearer one."""
    foes = [
        tank
        for tank in view.all(Tank)
        if tank.armour and tank.owner != me.owner and not (me.team and tank.team == me.team)
    ]
    foes.sort(key=lambda tank: hypot(tank.x - me.x, tank.y - me.y))
    for foe in foes[:4]:
        if view.tick >= foe.safe and _clear(me, foe.x, foe.y):
            return foe, True
    return (foes[0] if foes else None), False


def _clear(me: Tank, x: float, y: float) -> bool:
    return hit_wall(me.x, me.y, x - me.x, y - me.y, WALLS) is None


def _way(
    view: View, me: Tank, target: Tank | None, sees: bool, skill: Skill
) -> tuple[float, float]:
    """The direction to drive: to a pickup worth it, to the enemy, or around it once near."""
    if skill.fetches:
        wanted = [pickup for pickup in view.all(Pickup) if _wants(view, me, pickup)]
        if wanted:
            near = min(wanted, key=lambda pickup: hypot(pickup.x - me.x, pickup.y - me.y))
            return _towards(me, near.x, near.y)
    if target is None:
        pad = PADS[(view.tick // 200 + me.id) % len(PADS)]
        return _towards(me, *pad)
    away_x, away_y = target.x - me.x, target.y - me.y
    distance = hypot(away_x, away_y)
    if not sees or distance > skill.keep + 3:
        return _towards(me, target.x, target.y)
    # Around the enemy, the way about changing now and then, and off it when too near.
    side = 1 if (view.tick // 45 + me.id) % 2 else -1
    off = 0.5 * (distance - skill.keep) / skill.keep
    return away_x * off - away_y * side, away_y * off + away_x * side


def _wants(view: View, me: Tank, pickup: Pickup) -> bool:
    distance = abs(pickup.x - me.x) + abs(pickup.y - me.y)
    if pickup.kind == REPAIR:
        return me.armour <= b.ARMOUR // 2 and distance < 40
    taken = me.heavy > 0 if pickup.kind == HEAVY else view.tick < me.rapid
    return not taken and distance < 14


def _towards(me: Tank, x: float, y: float) -> tuple[float, float]:
    place_x, place_y = next_place(me.x, me.y, x, y)
    return place_x - me.x, place_y - me.y


def _pull(me: Tank, way_x: float, way_y: float) -> tuple[float, float]:
    """Drive and turn that bring a tank to move in a direction."""
    off = wrap(atan2(way_y, way_x) - me.heading)
    reverse = abs(off) > REVERSE_FROM
    if reverse:
        off = wrap(off + 3.14159)
    turn = max(-1.0, min(1.0, off / HULL_PER_TICK))
    pace = max(0.0, cos(off)) if abs(off) < 1.2 else 0.0
    return (-pace if reverse else pace), turn


def _dodge(view: View, me: Tank, drive: float) -> float:
    """Drive out of the way of the next shell that would hit, forwards or back."""
    soonest = 0.8
    ahead_x, ahead_y = cos(me.heading), sin(me.heading)
    for shell in view.all(Shell):
        if shell.owner == me.owner or (shell.team and shell.team == me.team):
            continue
        way_x, way_y = cos(shell.heading), sin(shell.heading)
        off_x, off_y = me.x - shell.x, me.y - shell.y
        seconds = (off_x * way_x + off_y * way_y) / b.SHELL_SPEED
        beside = off_y * way_x - off_x * way_y
        if 0 < seconds < soonest and abs(beside) < 1.6:
            soonest = seconds
            # Which way along the hull takes the tank farther off the shell's line.
            across = ahead_y * way_x - ahead_x * way_y
            drive = 1.0 if across * (beside or 1.0) > 0 else -1.0
    return drive


def _aim(view: View, me: Tank, target: Tank, skill: Skill) -> tuple[float, bool]:
    """The angle to aim at, and whether a shot fired now could hit."""
    off_x, off_y = target.x - me.x, target.y - me.y
    speed = target.pace * (b.TANK_SPEED if target.pace > 0 else b.TANK_REVERSE_SPEED)
    seconds = skill.lead * hypot(off_x, off_y) / b.SHELL_SPEED
    off_x += cos(target.heading) * speed * seconds
    off_y += sin(target.heading) * speed * seconds
    distance = hypot(off_x, off_y)
    # Hands that waver: two slow swings, out of step with everybody else's.
    waver = sin(view.tick * 0.13 + me.id) + sin(view.tick * 0.047 + 2 * me.id)
    aim = atan2(off_y, off_x) + skill.miss * waver
    hits = abs(wrap(aim - me.turret)) < asin(min(1.0, b.TANK_RADIUS / max(distance, 1.0))) + 0.05
    pauses = (view.tick // 8 + me.id * 7) % 10 < skill.pause
    return aim, hits and distance < skill.range and not pauses and view.tick + 1 >= me.ready
