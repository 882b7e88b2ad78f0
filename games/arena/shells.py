"""What shells do: fly, bounce, meet tanks, and bring points to whoever fired them."""

from __future__ import annotations

from math import copysign, cos, pi, sin

from games.arena import balance as b
from games.arena.physics import Walls, hit_circle, hit_wall
from games.arena.rows import BOUNCE, HIT, SPARK, WRECK, Blast, Driver, Kill, Shell, Tank
from holdfast import Match


def fly(match: Match, shell: Shell, tanks: list[Tank], walls: Walls) -> None:
    """A tick of a shell's way, swept: it meets what lies between, however fast it is."""
    if match.tick >= shell.until:
        match.despawn(shell)
        return
    way = b.SHELL_SPEED / b.TICK_RATE
    while True:
        dx, dy = cos(shell.heading) * way, sin(shell.heading) * way
        wall = hit_wall(shell.x, shell.y, dx, dy, walls)
        part_free = wall[0] if wall else 1.0
        dx, dy = dx * part_free, dy * part_free
        tank = first_met(shell, dx, dy, tanks)
        if tank is not None:
            strike(match, shell, tank)
            return
        shell.x, shell.y = shell.x + dx, shell.y + dy
        if wall is None:
            return
        kind = BOUNCE if shell.bounces else SPARK
        match.spawn(Blast(owner=shell.owner, x=shell.x, y=shell.y, kind=kind))
        if not shell.bounces:
            match.despawn(shell)
            return
        shell.bounces -= 1
        way *= 1 - part_free
        turn_back(shell, wall[1])


def turn_back(shell: Shell, sideways: bool) -> None:
    """Mirror a shell's heading on a wall's face; lifted off, rounding cannot put it inside."""
    if sideways:
        shell.heading = pi - shell.heading
        shell.x += copysign(b.WALL_SKIN, cos(shell.heading))
    else:
        shell.heading = -shell.heading
        shell.y += copysign(b.WALL_SKIN, sin(shell.heading))


def first_met(shell: Shell, dx: float, dy: float, tanks: list[Tank]) -> Tank | None:
    """The tank a shell meets first: any but a team mate's, its own only after a bounce."""
    x, y, first, met = shell.x, shell.y, 2.0, None
    radius = b.TANK_RADIUS + b.SHELL_RADIUS
    for tank in tanks:
        if abs(tank.x - x) > radius + abs(dx) or abs(tank.y - y) > radius + abs(dy):
            continue
        if tank.owner == shell.owner:
            spared = shell.bounces == b.SHELL_BOUNCES
        else:
            spared = tank.team > 0 and tank.team == shell.team
        if spared or not tank.armour:
            continue
        at = hit_circle(x, y, dx, dy, (tank.x, tank.y), radius)
        if at is not None and at < first:
            first, met = at, tank
    return met


def strike(match: Match, shell: Shell, tank: Tank) -> None:
    """A shell meets a tank, which may be protected, hurt or wrecked by it."""
    match.despawn(shell)
    kind = SPARK
    if match.tick >= tank.safe:
        tank.armour = max(0, tank.armour - shell.power)
        kind = HIT if tank.armour else WRECK
    match.spawn(Blast(owner=shell.owner, x=tank.x, y=tank.y, kind=kind, tank=tank.id))
    if kind != WRECK:
        return
    tank.back = match.tick + b.RESPAWN_TICKS
    tank.pace, tank.heavy, tank.rapid = 0.0, 0, 0
    killer, victim = driver_of(match, shell.owner), driver_of(match, tank.owner)
    match.spawn(Kill(killer=killer.id, victim=victim.id))
    points = b.OWN_GOAL_SCORE if killer is victim else b.KILL_SCORE
    victim.deaths += 1
    killer.kills += killer is not victim
    killer.score += points
    if killer.team == 1:
        match.room.red += points
    elif killer.team == 2:
        match.room.blue += points


def driver_of(match: Match, player: int) -> Driver:
    """The row of a player whose tank or shell is about; both go when the player does."""
    driver = match.get(Driver, player)
    assert driver is not None
    return driver
