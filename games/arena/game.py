"""Arena: tanks, walls that bounce shells, and a clock. Alone or in two teams."""

from __future__ import annotations

from math import atan2, hypot

from games.arena import balance as b
from games.arena.map import PADS, SPAWNS, WALLS
from games.arena.physics import Walls, move, push_out
from games.arena.rows import (
    RAPID,
    REPAIR,
    Again,
    Battle,
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
from games.arena.shells import fly
from holdfast import Game, Inputs, Match, Refused


class Arena(Game):
    title = "Arena"
    entities = Wall, Tank, Shell, Pickup, Blast, Kill
    input = Steer
    actions = (Again,)
    room = Battle
    player = Driver
    options = Setup
    tick_rate = b.TICK_RATE

    def start(self, match: Match) -> None:
        room: Battle = match.room
        room.teams, room.level = match.options.teams, match.options.level
        room.ends = match.tick + match.options.minutes * 60 * b.TICK_RATE
        room.next_pickup = match.tick + b.PICKUP_EVERY_TICKS
        for left, top, right, bottom in WALLS:
            match.spawn(Wall(left=left, top=top, right=right, bottom=bottom))

    def join(self, match: Match, player: Driver) -> None:
        if match.room.teams and not player.team:
            reds, blues = (sum(p.team == team for p in match.players) for team in (1, 2))
            player.team = 1 if reds <= blues else 2
        place(match, match.spawn(Tank(owner=player, team=player.team)))

    def act(self, match: Match, player: Driver, action: Again) -> None:
        if not match.room.finished:
            raise Refused("the round is still on")
        player.again = True

    def step(self, match: Match, inputs: Inputs[Steer]) -> None:
        room: Battle = match.room
        if room.finished:
            rest(match, room)
        elif match.tick >= room.ends:
            match.finish(standing(match, room))
        else:
            walls = [(w.left, w.top, w.right, w.bottom) for w in match.all(Wall)]
            for tank in match.all(Tank):
                if tank.armour:
                    steer(match, tank, inputs[tank.owner], walls)
                elif match.tick >= tank.back:
                    place(match, tank)
            tanks = [tank for tank in match.all(Tank) if tank.armour]
            part(tanks, walls)
            for shell in match.all(Shell):
                fly(match, shell, tanks, walls)
            supply(match, room, tanks)


def place(match: Match, tank: Tank) -> None:
    """Put a tank, whole and protected for a while, where no enemy is near; teams have sides."""
    others = [other for other in match.all(Tank) if other.armour and other is not tank]

    def worth(spot: tuple[float, float]) -> float:
        nearest = b.SPAWN_DISTANCE
        for other in others:
            distance = hypot(other.x - spot[0], other.y - spot[1])
            if distance < 2 * b.TANK_RADIUS:
                return -1.0
            if not tank.team or other.team != tank.team:
                nearest = min(nearest, distance)
        return nearest + match.rng.random()

    side = {0: 0, 1: -1, 2: 1}[tank.team]
    tank.x, tank.y = max((spot for spot in SPAWNS if spot[0] * side >= 0), key=worth)
    tank.heading = tank.turret = atan2(-tank.y, -tank.x)
    tank.armour, tank.ready, tank.safe = b.ARMOUR, match.tick, match.tick + b.PROTECTED_TICKS


def steer(match: Match, tank: Tank, pull: Steer, walls: Walls) -> None:
    """Drive, aim and perhaps fire, as the driver pulls."""
    tank.pace = pull.drive
    move(tank, pull, walls)
    if not pull.fire or match.tick < tank.ready:
        return
    heavy = tank.heavy > 0
    # It sets out from the tank's middle: so no muzzle ever pokes through a wall.
    match.spawn(
        Shell(
            owner=tank.owner,
            x=tank.x,
            y=tank.y,
            heading=tank.turret,
            power=b.HEAVY_POWER if heavy else 1,
            team=tank.team,
            until=match.tick + b.SHELL_TICKS,
        )
    )
    tank.heavy -= heavy
    tank.ready = match.tick + (b.RAPID_RELOAD_TICKS if match.tick < tank.rapid else b.RELOAD_TICKS)
    tank.safe = 0


def part(tanks: list[Tank], walls: Walls) -> None:
    """Move tanks that overlap apart, each half of the way unless a wall is there."""
    for index, one in enumerate(tanks):
        for two in tanks[index + 1 :]:
            away_x, away_y = one.x - two.x, one.y - two.y
            distance = hypot(away_x, away_y) or 1.0
            push = b.TANK_RADIUS - distance / 2
            if push > 0:
                x, y = away_x / distance * push, away_y / distance * push
                one.x, one.y = push_out(one.x + x, one.y + y, walls) or (one.x, one.y)
                two.x, two.y = push_out(two.x - x, two.y - y, walls) or (two.x, two.y)


def supply(match: Match, room: Battle, tanks: list[Tank]) -> None:
    """Lay a pickup out now and then, and hand out those that a tank has reached."""
    pickups = match.all(Pickup)
    if match.tick >= room.next_pickup:
        room.next_pickup = match.tick + b.PICKUP_EVERY_TICKS
        free = [pad for pad in PADS if all((p.x, p.y) != pad for p in pickups)]
        if free and len(pickups) < b.PICKUPS_MAX:
            x, y = match.rng.choice(free)
            match.spawn(Pickup(x=x, y=y, kind=match.rng.randrange(3)))
    for pickup in pickups:
        for tank in tanks:
            near = hypot(tank.x - pickup.x, tank.y - pickup.y) < b.PICKUP_RADIUS
            if near and tank.armour and take(match, tank, pickup.kind):
                match.despawn(pickup)
                break


def take(match: Match, tank: Tank, kind: int) -> bool:
    """Give a tank what a pickup holds; False where it has no use for it."""
    if kind == REPAIR and tank.armour == b.ARMOUR:
        return False
    if kind == REPAIR:
        tank.armour = b.ARMOUR
    elif kind == RAPID:
        tank.rapid = match.tick + b.RAPID_TICKS
    else:
        tank.heavy = b.HEAVY_SHELLS
    return True


def rest(match: Match, room: Battle) -> None:
    """The result stands for a while; then, or once all who are present want it, the next round."""
    present: list[Driver] = [p for p in match.players if p.connected and not p.bot]
    eager = present and all(driver.again for driver in present)
    if eager or match.tick >= room.finished + b.RESULT_TICKS:
        played = room.round
        match.restart()
        room.round = played + 1


def standing(match: Match, room: Battle) -> dict[str, object]:
    """The result of a round: drivers from the best down, and the teams' scores."""
    drivers: list[Driver] = sorted(match.players, key=lambda d: (-d.score, d.deaths, d.id))
    return {
        "round": room.round,
        "drivers": [
            {"name": d.name, "team": d.team, "score": d.score, "kills": d.kills, "deaths": d.deaths}
            for d in drivers
        ],
        "teams": [room.red, room.blue] if room.teams else None,
    }
