"""How things move among walls: pure functions of places in units; web/predict.js repeats `move`.

Tanks are circles, walls boxes, shells points. Angles are radians, times are ticks.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import cos, floor, pi, sin, sqrt
from typing import Protocol

from games.arena.balance import (
    HULL_TURN,
    TANK_RADIUS,
    TANK_REVERSE_SPEED,
    TANK_SPEED,
    TICK_RATE,
    TURRET_TURN,
    WALL_SKIN,
)

Walls = Iterable[tuple[float, float, float, float]]
Place = tuple[float, float]


class Mover(Protocol):
    """A tank: a row of the match, of a view, or a copy that a client plays ahead."""

    x: float
    y: float
    heading: float
    turret: float


class Pull(Protocol):
    """What a driver pulls, as `rows.Steer` has it."""

    @property
    def drive(self) -> float: ...
    @property
    def turn(self) -> float: ...
    @property
    def aim(self) -> float: ...


def move(tank: Mover, pull: Pull, walls: Walls) -> None:
    """One tick of a tank's driving and aiming: the game's own, and what clients predict by."""
    tank.turret = swing(tank.turret, pull.aim)
    tank.x, tank.y, tank.heading = drive(tank.x, tank.y, tank.heading, pull.drive, pull.turn, walls)


def wrap(angle: float) -> float:
    """The same angle in [-pi, pi)."""
    return angle - 2 * pi * floor((angle + pi) / (2 * pi))


def drive(
    x: float, y: float, heading: float, pace: float, turn: float, walls: Walls
) -> tuple[float, float, float]:
    """Where a tank is and heads after a tick, by how its driver pulls (-1 to 1 each)."""
    if not pace and not turn:
        return x, y, heading
    heading += turn * HULL_TURN / TICK_RATE
    step = pace * (TANK_SPEED if pace > 0 else TANK_REVERSE_SPEED) / TICK_RATE
    place = push_out(x + cos(heading) * step, y + sin(heading) * step, walls)
    return (*(place or (x, y)), heading)


def swing(turret: float, aim: float) -> float:
    """The turret's angle after a tick of turning towards its aim."""
    most = TURRET_TURN / TICK_RATE
    return turret + max(-most, min(most, wrap(aim - turret)))


def push_out(x: float, y: float, walls: Walls) -> Place | None:
    """The place nearest to (x, y) where a tank stands clear of the walls; None if none is near."""
    near = TANK_RADIUS + WALL_SKIN / 2
    clear = TANK_RADIUS + WALL_SKIN
    for _ in range(3):
        pushed = False
        for left, top, right, bottom in walls:
            if x <= left - near or x >= right + near or y <= top - near or y >= bottom + near:
                continue
            edge_x = left if x < left else min(x, right)
            edge_y = top if y < top else min(y, bottom)
            away_x, away_y = x - edge_x, y - edge_y
            distance = sqrt(away_x * away_x + away_y * away_y)
            if distance >= near:
                continue
            if distance == 0:
                return None
            x = edge_x + away_x * clear / distance
            y = edge_y + away_y * clear / distance
            pushed = True
        if not pushed:
            return x, y
    return None


def hit_wall(x: float, y: float, dx: float, dy: float, walls: Walls) -> tuple[float, bool] | None:
    """Where on a way (0 to 1) it first meets a wall, and whether on a left or right face."""
    first, sideways = 2.0, False
    for left, top, right, bottom in walls:
        if (x <= left and x + dx < left) or (x >= right and x + dx > right):
            continue
        if (y <= top and y + dy < top) or (y >= bottom and y + dy > bottom):
            continue
        enter_x = _enter(x, dx, left, right)
        enter_y = _enter(y, dy, top, bottom)
        enter = max(enter_x, enter_y)
        if 0 <= enter < first and enter <= 1:
            # Both sides are inside at that part, or the way passes a corner by.
            at_x, at_y = x + dx * enter, y + dy * enter
            inside = (top <= at_y <= bottom) if enter_x > enter_y else (left <= at_x <= right)
            if inside:
                first, sideways = enter, enter_x > enter_y
    return (first, sideways) if first <= 1 else None


def _enter(at: float, way: float, low: float, high: float) -> float:
    """Where on a way along one axis it comes between low and high; -1 if it starts there."""
    if way > 0 and at <= low:
        return (low - at) / way
    if way < 0 and at >= high:
        return (high - at) / way
    return -1.0


def hit_circle(
    x: float, y: float, dx: float, dy: float, center: Place, radius: float
) -> float | None:
    """The part (0 to 1) of a way at which it first meets a circle, None if it does not."""
    from_x, from_y = x - center[0], y - center[1]
    a = dx * dx + dy * dy
    c = from_x * from_x + from_y * from_y - radius * radius
    if c <= 0:
        return 0.0
    b = from_x * dx + from_y * dy
    root = b * b - a * c
    if b >= 0 or root < 0:
        return None
    part = (-b - sqrt(root)) / a
    return part if part <= 1 else None
