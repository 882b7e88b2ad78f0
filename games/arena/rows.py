"""What there is in arena: its rows, what drivers may ask for, and a room's options."""

from __future__ import annotations

from games.arena import balance as b
from holdfast import (
    SERVER,
    Action,
    Entity,
    Event,
    Input,
    Options,
    Player,
    Room,
    angle,
    bounded,
    fixed,
    flag,
    i8,
    i16,
    ref,
    u8,
    u16,
    u32,
)

REPAIR, RAPID, HEAVY = range(3)
SPARK, BOUNCE, HIT, WRECK = range(4)


class Battle(Room):
    round: int = u16(1)
    ends: int = u32()
    teams: bool = flag()
    level: int = u8()
    red: int = i16()
    blue: int = i16()
    next_pickup: int = u32(to=SERVER)


class Driver(Player):
    score: int = i16()
    kills: int = u16()
    deaths: int = u16()
    again: bool = flag()


class Wall(Entity):
    left: int = i8()
    top: int = i8()
    right: int = i8()
    bottom: int = i8()


class Tank(Entity):
    """A driver's tank. At armour 0 it is a wreck until the tick `back`."""

    x: float = fixed(1 / 1024, snap=4)
    y: float = fixed(1 / 1024, snap=4)
    heading: float = angle()
    turret: float = angle()
    pace: float = fixed(1 / 16)
    armour: int = u8(b.ARMOUR)
    heavy: int = u8()
    ready: int = u32()
    back: int = u32()
    safe: int = u32()
    rapid: int = u32()
    team: int = u8()


class Shell(Entity):
    x: float = fixed(1 / 1024)
    y: float = fixed(1 / 1024)
    heading: float = angle()
    power: int = u8(1)
    bounces: int = u8(b.SHELL_BOUNCES)
    team: int = u8()
    until: int = u32(to=SERVER)


class Pickup(Entity):
    x: float = fixed(1 / 64)
    y: float = fixed(1 / 64)
    kind: int = bounded(REPAIR, HEAVY)


class Blast(Event):
    """Where a shell of `owner` ended or bounced; `tank` is what it met."""

    x: float = fixed(1 / 64)
    y: float = fixed(1 / 64)
    kind: int = bounded(SPARK, WRECK)
    tank: int = ref(Tank)


class Kill(Event):
    killer: int = ref(Player)
    victim: int = ref(Player)


class Steer(Input):
    """What a driver pulls: ahead and round, -1 to 1 each, where the turret is to aim, and fire."""

    drive: float = fixed(1 / 16, lo=-1, hi=1)
    turn: float = fixed(1 / 16, lo=-1, hi=1)
    aim: float = angle()
    fire: bool = flag()


class Again(Action):
    """Ready for the next round; it begins at once when every driver present is."""


class Setup(Options):
    teams: bool = flag()
    level: int = bounded(1, 3, 2)
    minutes: int = bounded(1, b.MINUTES_MAX, 4)
