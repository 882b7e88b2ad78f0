"""A brain that needs no game: random inputs drawn from the schema, each held for some ticks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor
from random import Random

from shared.columns import Kind
from shared.fields import Field
from shared.inputs import Action, Input
from shared.view import View

from .shapes import Shapes, Value

HOLD_TICKS = (5, 30)
# About one action in ten seconds at 20 ticks a second.
ACTION_CHANCE = 1 / 200
# How wide a range of numbers is drawn from where a field sets no bounds.
SPAN = 200.0
WORDS = ("hello", "here", "go", "wait", "left", "right", "nice", "again", "no", "yes")


class Wanderer:
    """Presses something, holds it, presses something else; now and then it acts.

    It is told the schema by whoever runs it, before it thinks. A game whose input has no field
    still gets neutral inputs, so that actions have items to travel in.
    """

    def __init__(self) -> None:
        self._shapes: Shapes | None = None
        self._held: Input | None = None
        self._until_tick = 0

    def learn(self, shapes: Shapes) -> None:
        """Take in what may be sent; forget what was held."""
        self._shapes = shapes
        self._held = None

    def think(self, view: View, rng: Random) -> tuple[Input | None, Sequence[Action]]:
        """The input for this tick, and rarely an action."""
        shapes = self._shapes
        if shapes is None or not view.player:
            return None, ()
        if self._held is None or view.tick >= self._until_tick:
            self._held = shapes.input(_values(shapes.schema.input, rng))
            self._until_tick = view.tick + rng.randint(*HOLD_TICKS)
        actions: list[Action] = []
        if shapes.actions and rng.random() < ACTION_CHANCE:
            index = rng.randrange(len(shapes.actions))
            _, fields = shapes.schema.actions[index]
            actions.append(shapes.actions[index](**_values(fields, rng)))
        return self._held, actions


def _values(fields: Mapping[str, Field], rng: Random) -> dict[str, Value]:
    return {name: draw(field, rng) for name, field in fields.items()}


def draw(field: Field, rng: Random) -> Value:
    """A value that the field takes: within its bounds, short where it is text."""
    match field.kind:
        case Kind.INTEGER:
            return rng.randint(int(field.lo or 0), int(field.hi or 0))
        case Kind.FLAG:
            return rng.random() < 0.5
        case Kind.ANGLE:
            return rng.uniform(-3.14, 3.14)
        case Kind.TEXT:
            return rng.choice(WORDS)[: int(field.hi or 0)]
        case Kind.REF:
            return 0
        case _:
            lo, hi = _span(field)
            if field.kind is Kind.FIXED:
                # Drawn in wire form: a value between two steps could be rounded out of bounds.
                return rng.randint(ceil(lo * field.scale), floor(hi * field.scale)) / field.scale
            return rng.uniform(lo, hi)


def _span(field: Field) -> tuple[float, float]:
    if field.lo is not None:
        return field.lo, field.lo + SPAN if field.hi is None else field.hi
    hi = SPAN / 2 if field.hi is None else field.hi
    return hi - SPAN, hi
