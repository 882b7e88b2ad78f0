"""What a game's author imports: only re-exports."""

from shared.entities import Entity, Event, Player, Room
from shared.errors import Full, GameError, Refused
from shared.fields import (
    ALL,
    OWNER,
    SERVER,
    Overflow,
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
from shared.inputs import Action, Input, Options
from shared.match import Match
from shared.past import Moment
from shared.view import View

__all__ = [
    "ALL",
    "OWNER",
    "SERVER",
    "Action",
    "Entity",
    "Event",
    "Full",
    "Game",
    "GameError",
    "Input",
    "Inputs",
    "Match",
    "Moment",
    "Options",
    "Overflow",
    "Player",
    "Refused",
    "Room",
    "View",
    "angle",
    "bounded",
    "f32",
    "f64",
    "fixed",
    "flag",
    "i8",
    "i16",
    "i32",
    "ref",
    "text",
    "u8",
    "u16",
    "u32",
]
