"""A game with every kind of field for every audience; the vectors and the laws are played in it."""

from __future__ import annotations

from holdfast import (
    OWNER,
    SERVER,
    Action,
    Entity,
    Event,
    Game,
    Input,
    Inputs,
    Match,
    Options,
    Player,
    Room,
    angle,
    bounded,
    f32,
    f64,
    fixed,
    flag,
    i8,
    i16,
    i32,
    ref,
    text,
    u8,
    u16,
    u32,
)


class Zone(Room):
    phase: int = u8()
    clock: float = fixed(1 / 60)
    riddle: str = text(40, to=SERVER)


class Keeper(Player):
    score: int = i16(-1)
    purse: int = u32(7, to=OWNER)
    luck: float = f64(to=SERVER)


class Nest(Entity):
    eggs: int = u16()
    warmth: float = f32(36.6)
    depth: int = i8()


class Beast(Entity):
    x: float = fixed(1 / 1024, snap=4)
    y: float = fixed(0.01, 1.005, lo=-100, hi=100)
    heading: float = angle(3.0)
    level: int = bounded(3, 300)
    wide: int = i32()
    huge: int = bounded(-(2**53), 2**53)
    weight: float = f32()
    whole: float = f64(-0.0)
    name: str = text(12, "é")
    awake: bool = flag(True)
    home: int = ref(Nest)
    hunger: float = fixed(1 / 3, to=OWNER)
    dream: str = text(12, "none", to=OWNER)
    plan: str = text(12, to=SERVER)
    fear: float = f64(to=SERVER)


class Card(Entity):
    face: int = u8(52, to=OWNER)
    turn: float = angle(to=OWNER)
    tilt: int = i8(-5, to=OWNER)
    worth: float = f32(0.1, to=OWNER)
    odds: float = f64(0.1, to=OWNER)
    marked: bool = flag(True, to=OWNER)
    holder: int = ref(Beast, to=OWNER)
    trick: int = u16(to=SERVER)


class Stone(Entity):
    """No fields: a row may be no more than its id and owner."""


class Howl(Event):
    line: str = text(20)
    pitch: float = f64(440.0)
    whisper: str = text(20, to=OWNER)


class Steer(Input):
    x: float = fixed(1 / 64, lo=-1, hi=1)
    aim: float = angle()
    run: bool = flag()
    prey: int = ref(Player)


class Say(Action):
    line: str = text(40)
    loud: float = f32()


class Rules(Options):
    beasts: int = bounded(0, 100, 10)
    motto: str = text(20, "roar")


class Zoo(Game):
    entities = Nest, Beast, Card, Stone, Howl
    room = Zone
    player = Keeper
    input = Steer
    actions = (Say,)
    options = Rules
    event_ticks = 4

    def step(self, match: Match, inputs: Inputs[Steer]) -> None:
        """Nothing happens by itself; the tests play."""
