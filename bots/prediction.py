"""Prediction: the rows a player owns, ahead of the server by the inputs it has not answered.

The browser's client has the same in client/prediction.js. What it says is only shown: the server
moves rows by the inputs alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from math import exp, floor, pi
from typing import Any

from shared.columns import Kind, encode_column
from shared.fields import Field
from shared.inputs import Input
from shared.schema import Schema
from shared.view import View

# A correction fades by 63 % in this time.
SMOOTH_S = 0.1
# How far a row is carried on when the next sample is late, in ticks.
PART_MAX = 1.5

# The game's own step for one row: changes `row` as one tick of `dt` seconds under `input` does;
# the view is the newest the server sent, for what stands in the way.
Rule = Callable[[Any, Any, float, View], None]


@dataclass(slots=True)
class _Own:
    """A row after all inputs, one tick further, and what its picture is off by."""

    state: Any
    next: Any
    off: dict[str, float] = field(default_factory=dict[str, float])


class Prediction:
    """One table's rows of one player. `ahead` counts inputs that the server has not answered.

    `peek` reads the controls as they are now, so that they show at once and not with the next tick;
    `smooth_s` is the time in which a correction fades by 63 %, 0 shows it at once.
    """

    def __init__(
        self,
        table: str,
        rule: Rule,
        dt: float,
        schema: Schema,
        *,
        peek: Callable[[], Input] | None = None,
        smooth_s: float = SMOOTH_S,
    ) -> None:
        self.table = table
        self.ahead = 0
        # How far the last frame moved a row from where it was predicted, by field.
        self.error: dict[str, float] = {}
        self._rule = rule
        self._dt = dt
        self._peek = peek
        self._smooth_s = smooth_s
        [found] = [known for known in schema.tables if known.name == table]
        self._fields = dict(found.fields.values())
        moving = (Kind.FIXED, Kind.ANGLE)
        self._moving = {name: f for name, f in self._fields.items() if f.kind in moving}
        self._rows: dict[int, _Own] = {}
        self._view: View | None = None
        self._input: Input | None = None
        self._part = 0.0

    @property
    def row(self) -> Any:
        """The first row as the next input will find it; None where this player has none."""
        return next((own.state for own in self._rows.values()), None)

    def framed(self, view: View, pending: Sequence[Input]) -> None:
        """Take the server's rows, and on top of them the inputs it has not answered, in order."""
        self._view = view
        self.ahead = len(pending)
        self._input = pending[-1] if pending else self._input
        before, self._rows, self.error = self._rows, {}, {}
        for truth in view.all(self.table, owner=view.player) if view.player else ():
            state = copy(truth)
            for sample in pending:
                self._step(state, sample)
            own = self._rows[truth.id] = _Own(state, state)
            was = before.get(truth.id)
            if was is not None:
                self.error = self._gap(was.state, state) or {}
            self._changed(own, was, self._part)

    def sampled(self, sample: Input) -> None:
        """Take an input that is being sent."""
        self.ahead += 1
        self._input = sample
        # The picture's time stays: just before the new state, until it is shown again.
        part = self._part - 1
        for own in self._rows.values():
            was = copy(own)
            own.state = copy(own.state)
            self._step(own.state, sample)
            self._changed(own, was, part)
        self._part = part

    def drawn(self, part: float, passed_s: float) -> list[Any]:
        """The rows to show, `part` of a tick after the last input, `passed_s` after the last call.

        They are copies; fields other than `fixed` and `angle` are those after all inputs.
        """
        left = exp(-passed_s / self._smooth_s) if self._smooth_s else 0.0
        sample = self._peek() if self._peek is not None else None
        other = sample is not None and sample != self._input
        if other:
            self._input = sample
        for own in self._rows.values():
            if other:
                self._changed(own, copy(own), self._part)
            own.off = {name: by * left for name, by in own.off.items()}
        self._part = min(PART_MAX, part)
        return [self._placed(own, self._part, own.off) for own in self._rows.values()]

    def _placed(self, own: _Own, part: float, off: dict[str, float]) -> Any:
        """A copy of a row between its inputs, `off` from where it should be."""
        row = copy(own.state)
        for name, spec in self._moving.items():
            start = getattr(own.state, name)
            way = _way(spec, start, getattr(own.next, name))
            if spec.snap is not None and abs(way) > spec.snap:
                way = 0.0
            setattr(row, name, _add(spec, start, way * part + off.get(name, 0.0)))
        return row

    def _changed(self, own: _Own, was: _Own | None, part: float) -> None:
        """Make the next tick anew, and keep the picture where it was, to fade from there."""
        own.next = copy(own.state)
        if self._input is not None:
            self._step(own.next, self._input)
        own.off = {}
        if was is None or not self._smooth_s:
            return
        gap = self._gap(self._placed(was, self._part, {}), self._placed(own, part, {}))
        # A jump is shown as one.
        if gap is not None:
            own.off = {name: was.off.get(name, 0.0) + by for name, by in gap.items()}

    def _gap(self, shown: Any, row: Any) -> dict[str, float] | None:
        """What a row's picture is off by; None where it is so much that it is a jump."""
        by = {n: _way(f, getattr(row, n), getattr(shown, n)) for n, f in self._moving.items()}
        if any(f.snap is not None and abs(by[n]) > f.snap for n, f in self._moving.items()):
            return None
        return by

    def _step(self, row: Any, sample: Input) -> None:
        """One tick, rounded as the server rounds what it commits."""
        assert self._view is not None
        self._rule(row, sample, self._dt, self._view)
        for name, spec in self._fields.items():
            _, back = encode_column(spec, [getattr(row, name)], typed=False)
            if back is not None:
                setattr(row, name, back[0])


def _way(spec: Field, start: float, end: float) -> float:
    """From one value to another: for an angle, the shorter way."""
    return _wrapped(end - start) if spec.kind is Kind.ANGLE else end - start


def _add(spec: Field, value: float, more: float) -> float:
    """A field's value and something more, within its bounds."""
    if spec.kind is Kind.ANGLE:
        return _wrapped(value + more)
    low = -float("inf") if spec.lo is None else spec.lo
    high = float("inf") if spec.hi is None else spec.hi
    return max(low, min(high, value + more))


def _wrapped(angle: float) -> float:
    """The same angle in [-pi, pi)."""
    return angle - 2 * pi * floor((angle + pi) / (2 * pi))
