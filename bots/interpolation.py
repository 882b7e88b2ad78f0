"""Interpolation: the view between two ticks, and for a moment beyond the newest.

The browser's client has the same in client/interpolation.js, with the same figures; both are held
to tests/vectors/drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from math import exp, floor, inf, pi
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from shared.columns import Kind
from shared.entities import Entity
from shared.fields import Field
from shared.schema import PLAYER_TABLE_KIND, ROOM_TABLE_KIND, Schema, TableSchema
from shared.view import View

if TYPE_CHECKING:
    from .prediction import Prediction

E = TypeVar("E", bound=Entity)

# Views kept to play back from: longer than the longest delay at the lowest useful tick rate.
HISTORY_VIEWS_MAX = 64
# Views before the one shown that are kept: two tell how steadily a row moves.
BEFORE = 2
# A guess that was wrong fades by 63 % in this time.
FADE_S = 0.15
# An offset of which less is left is none.
NOTHING = 0.005

Fields = Mapping[str, Field]


@dataclass(slots=True)
class _Offset:
    """What a row's picture is off by, by field; `part` of it is left."""

    by: dict[str, float]
    part: float = 1.0


class Playback:
    """A view at a playback time, read as a `View` is. Rows that move are copies made for it.

    Rows appear and go with the tick that says so; `fixed` and `angle` fields move between ticks,
    and go on for a moment when frames are late. The rows that a prediction has are its. `tick` is
    the tick shown, with its fraction; the next `seek` makes another moment of the same object.
    """

    def __init__(self, view: View) -> None:
        self.schema: Schema = view.schema
        self.player = view.player
        self.tick: float = view.tick
        # What is predicted, by table.
        self.predictions: dict[str, Prediction] = {}
        # Copies by rising tick; the one shown, and the one after it.
        self._history = [view.still()]
        self._shown = self._history[0]
        self._next: View | None = None
        self._part = 0.0
        self._sought: float = view.tick
        # Ticks beyond the newest.
        self._beyond = 0.0
        self._moving = {table.name: moving(table) for table in view.schema.tables}
        self._off: dict[str, dict[int, _Offset]] = {name: {} for name in self._moving}
        # What was drawn since the last seek.
        self._drawn: dict[tuple[str, int], Any] = {}

    @property
    def newest(self) -> int:
        """The newest tick there is a view of."""
        return self._history[-1].tick if self._history else 0

    @property
    def me(self) -> Any:
        """This player's row, or None for a spectator."""
        return self.get(self._name(PLAYER_TABLE_KIND), self.player) if self.player else None

    @property
    def room(self) -> Any:
        """The room's row."""
        return self.one(self._name(ROOM_TABLE_KIND))

    @property
    def players(self) -> list[Any]:
        """The players' rows in id order."""
        return self.all(self._name(PLAYER_TABLE_KIND))

    @property
    def names(self) -> list[str]:
        """The names of the tables, in table order."""
        return list(self._moving)

    @overload
    def all(self, kind: type[E], *, owner: int | None = None) -> list[E]: ...
    @overload
    def all(self, kind: str, *, owner: int | None = None) -> list[Any]: ...
    def all(self, kind: type[Any] | str, *, owner: int | None = None) -> list[Any]:
        """Rows of a kind in id order; `owner` narrows to one player's."""
        name = _named(kind)
        return [self._draw(name, row) for row in self._shown.all(name, owner=owner)]

    @overload
    def one(self, kind: type[E], *, owner: int | None = None) -> E | None: ...
    @overload
    def one(self, kind: str, *, owner: int | None = None) -> Any: ...
    def one(self, kind: type[Any] | str, *, owner: int | None = None) -> Any:
        """The first row of a kind (of one owner), or None."""
        name = _named(kind)
        row = self._shown.one(name, owner=owner)
        return None if row is None else self._draw(name, row)

    @overload
    def get(self, kind: type[E], number: int) -> E | None: ...
    @overload
    def get(self, kind: str, number: int) -> Any: ...
    def get(self, kind: type[Any] | str, number: int) -> Any:
        """The row with this id, or None when it is gone or unseen."""
        name = _named(kind)
        row = self._shown.get(name, number)
        return None if row is None else self._draw(name, row)

    def count(self, kind: type[Entity] | str) -> int:
        """How many rows of a kind are seen."""
        return self._shown.count(kind)

    def push(self, view: View, still: int = 0) -> None:
        """Take the newest view; one whose tick went back forgets those after it.

        Up to the tick `still`, the view before it stayed as it was: nothing moved until then.
        """
        history = self._history
        ahead = self._beyond > 0 and view.tick > self.newest
        guessed = self._drawings() if ahead else None
        last = history[-1]
        while history and self.newest >= view.tick:
            history.pop()
        if history and self.newest < still < view.tick:
            last = copy(last)
            last.tick = still
            history.append(last)
        history.append(view.still(last))
        del history[:-HISTORY_VIEWS_MAX]
        if guessed is None:
            return
        # The picture stays where the guess had it, and fades into where it should be.
        self._place(self._sought)
        for name, rows in guessed.items():
            self._fade(name, rows)

    def seek(self, tick: float, passed_s: float = 0.0) -> Self:
        """Show `tick`, which may have a fraction and be a little beyond the newest.

        `passed_s` is the time since the last call.
        """
        self._place(tick)
        left = exp(-passed_s / FADE_S)
        for offsets in self._off.values():
            for offset in offsets.values():
                offset.part *= left
            for number in [n for n, offset in offsets.items() if offset.part < NOTHING]:
                del offsets[number]
        return self

    def _place(self, tick: float) -> None:
        history = self._history
        at = len(history) - 1
        while at and history[at].tick > tick:
            at -= 1
        if at > BEFORE:
            del history[: at - BEFORE]
            at = BEFORE
        start = self._shown = history[at]
        end = self._next = history[at + 1] if at + 1 < len(history) else None
        self._sought, self._drawn = tick, {}
        if end is None:
            self._part, self._beyond, self.tick = 0.0, max(0.0, tick - start.tick), start.tick
        else:
            self._beyond = 0.0
            self._part = max(0.0, (tick - start.tick) / (end.tick - start.tick))
            self.tick = start.tick + (end.tick - start.tick) * self._part

    def _name(self, kind: int) -> str:
        """The room's table is the first, the players' the second."""
        return self.schema.tables[kind - 1].name

    def _draw(self, name: str, row: Any) -> Any:
        key = (name, row.id)
        if key not in self._drawn:
            self._drawn[key] = self._at(name, row)
        return self._drawn[key]

    def _at(self, name: str, start: Any) -> Any:
        """The row to draw, of the one in the view shown."""
        prediction = self.predictions.get(name)
        predicted = prediction.drawn(start) if prediction is not None else None
        if predicted is not None:
            return predicted
        offset = self._off[name].get(start.id)
        if offset is None and not self._stirs(name, start):
            return start
        row = copy(start)
        for field, spec in self._moving[name].items():
            value = self._value(name, field, spec, start)
            if offset is not None:
                value = add(spec, value, offset.by.get(field, 0.0) * offset.part)
            setattr(row, field, value)
        return row

    def _stirs(self, name: str, start: Any) -> bool:
        """Whether the row is elsewhere than its last view has it."""
        if self._next is None:
            return self._beyond > 0
        end = self._next.get(name, start.id)
        return end is not None and end is not start and self._part > 0

    def _value(self, name: str, field: str, spec: Field, start: Any) -> float:
        value: float = getattr(start, field)
        if self._next is None:
            return add(spec, value, self._rate(name, field, spec, start.id) * self._beyond)
        end = self._next.get(name, start.id)
        return value if end is None else move(spec, value, getattr(end, field), self._part)

    def _rate(self, name: str, field: str, spec: Field, number: int) -> float:
        """How far a field goes a tick, if it moves steadily: the smaller of its last two steps."""
        views = self._history[-BEFORE - 1 :]
        if len(views) <= BEFORE:
            return 0.0
        rates: list[float] = []
        for before, after in pairwise(views):
            start, end = before.get(name, number), after.get(name, number)
            gone = start is None or end is None
            step = 0.0 if gone else way(spec, getattr(start, field), getattr(end, field))
            jumps = spec.snap is not None and abs(step) > spec.snap
            rates.append(0.0 if jumps else step / (after.tick - before.tick))
        first, second = rates
        if not first or not second or (first > 0) is not (second > 0):
            return 0.0
        return first if abs(first) < abs(second) else second

    def _drawings(self) -> dict[str, dict[int, Any]]:
        """What is drawn now of every row that moves, by table and id."""
        names = [name for name, fields in self._moving.items() if fields]
        return {
            name: {row.id: copy(self._at(name, row)) for row in self._shown.all(name)}
            for name in names
        }

    def _fade(self, name: str, drawings: dict[int, Any]) -> None:
        for number, drawn in drawings.items():
            self._off[name].pop(number, None)
            row = self._shown.get(name, number)
            by = None if row is None else gap(self._moving[name], drawn, self._at(name, row))
            if by is not None:
                self._off[name][number] = _Offset(by)


def moving(table: TableSchema) -> dict[str, Field]:
    """The fields of a table that are drawn between ticks."""
    kinds = (Kind.FIXED, Kind.ANGLE)
    return {name: spec for name, spec in table.fields.values() if spec.kind in kinds}


def move(spec: Field, start: float, end: float, part: float) -> float:
    """Where a field is, `part` (0 to 1) of the way; a jump waits for its end."""
    by = way(spec, start, end)
    if spec.snap is not None and abs(by) > spec.snap:
        return start
    return _wrapped(start + by * part) if spec.kind is Kind.ANGLE else start + by * part


def gap(fields: Fields, drawn: Any, row: Any) -> dict[str, float] | None:
    """What a row's picture is off by; None where it is nothing, or so much that it is a jump."""
    by: dict[str, float] = {}
    for name, spec in fields.items():
        step = by[name] = way(spec, getattr(row, name), getattr(drawn, name))
        if spec.snap is not None and abs(step) > spec.snap:
            return None
    return by if any(by.values()) else None


def add(spec: Field, value: float, more: float) -> float:
    """A field's value and something more, within its bounds."""
    if not more:
        return value
    if spec.kind is Kind.ANGLE:
        return _wrapped(value + more)
    low = -inf if spec.lo is None else spec.lo
    high = inf if spec.hi is None else spec.hi
    return max(low, min(high, value + more))


def way(spec: Field, start: float, end: float) -> float:
    """From one value to another: for an angle, the shorter way."""
    return _wrapped(end - start) if spec.kind is Kind.ANGLE else end - start


def _wrapped(angle: float) -> float:
    """The same angle in [-pi, pi)."""
    turn = 2 * pi
    return angle - turn * floor((angle + pi) / turn)


def _named(kind: type[Any] | str) -> str:
    return kind if isinstance(kind, str) else kind.__name__
