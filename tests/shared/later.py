"""The zoo of the vectors as a later release may have it: every change that keeps what there is."""

from __future__ import annotations

from holdfast import (
    OWNER,
    Entity,
    Event,
    Game,
    Input,
    Inputs,
    Match,
    Player,
    Room,
    bounded,
    f32,
    f64,
    fixed,
    flag,
    i16,
    i32,
    ref,
    text,
    u8,
    u16,
    u32,
)


class Enclosure(Room):
    """Renamed, which a room may be; a riddle less, a sign more."""

    phase: int = u16()
    sign: str = text(9, "open")
    clock: float = fixed(1 / 120)


class Keeper(Player):
    badge: int = u8(5)
    score: int = i32()
    purse: int = u32(1)
    luck: float = f64(to=OWNER)


class Pond(Entity):
    depth: int = u8()


class Nest(Entity):
    depth: float = fixed(1 / 2)
    warmth: float = f64()
    eggs: float = f32()


class Beast(Entity):
    stripes: int = u8(3)
    x: float = fixed(1 / 2048)
    y: float = fixed(0.005, lo=-200, hi=200)
    heading: float = f64()
    level: int = bounded(0, 1000)
    wide: float = f64()
    huge: int = bounded(-(2**53), 2**53)
    weight: float = f32()
    whole: float = f64()
    name: str = text(20)
    awake: int = u8(to=OWNER)
    home: int = ref(Pond)
    hunger: float = fixed(1 / 6)
    dream: str = text(12, to=OWNER)
    fear: float = f64(to=OWNER)


class Stone(Entity):
    moss: int = u8(1)
    wet: bool = flag(True, to=OWNER)


class Howl(Event):
    line: str = text(20)
    pitch: float = f64()
    loud: int = i16(7)


class LaterZoo(Game):
    """Its cards are gone."""

    version = "2"
    compatible = ("1",)
    entities = Pond, Stone, Beast, Nest, Howl
    room = Enclosure
    player = Keeper
    event_ticks = 4

    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        """Nothing happens by itself; the tests play."""
