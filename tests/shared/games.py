"""Games at random: entity classes of any fields for any audience, for the laws."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import strategies as st

from shared.entities import Entity, EntityMeta, Event, Player, Room
from shared.fields import (
    ALL,
    OWNER,
    SERVER,
    Audience,
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
from shared.game import Game, Inputs
from shared.match import Match

Declare = Callable[..., Any]

KINDS: tuple[Declare, ...] = (
    partial(fixed, 1 / 1024),
    partial(fixed, 0.01, 0.505, lo=-50.004, hi=50.006),
    partial(fixed, 1 / 3),
    partial(angle, 2.0),
    partial(bounded, 5, 9),
    partial(bounded, -(2**53), 2**53),
    u8,
    partial(i8, -1),
    u16,
    i16,
    u32,
    i32,
    partial(f32, 0.1),
    partial(f64, -0.0),
    partial(text, 8),
    flag,
    partial(ref, Player),
)

Declared = list[tuple[Declare, Audience]]
audiences: tuple[Audience, ...] = (ALL, ALL, OWNER, SERVER)
fields: st.SearchStrategy[Declared] = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(audiences)), max_size=9
)


def kind(name: str, base: type[Entity], declared: Declared) -> type[Any]:
    """An entity class with these fields beside its base's."""
    namespace = {f"f{index}": declare(to=to) for index, (declare, to) in enumerate(declared)}
    return EntityMeta(name, (base,), namespace)


@st.composite
def games(draw: st.DrawFn) -> Game:
    """A game with two entity classes, an event, a room and a player of random fields."""

    class Random(Game):
        entities = (
            kind("First", Entity, draw(fields)),
            kind("Second", Entity, draw(fields)),
            kind("Bang", Event, draw(fields)),
        )
        room = kind("Court", Room, draw(fields))
        player = kind("Guest", Player, draw(fields))
        event_ticks = 3

        def step(self, match: Match, inputs: Inputs[Any]) -> None:
            """Nothing happens by itself; the tests play."""

    game = Random()
    game.check()
    return game
