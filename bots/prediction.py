"""Prediction: the rows a player owns, ahead of the server by the inputs it has not answered.

The browser's client has the same in client/prediction.js. What it says is only drawn: the server
moves rows by the inputs alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from math import exp
from typing import Any

from shared.fields import Field
from shared.inputs import Input
from shared.overflow import commit_column
from shared.view import View

from .interpolation import add, gap, move, moving

# A correction fades by 63 % in this time.
SMOOTH_S = 0.1
# How far a row is carried on when the next sample is late, in ticks.
PART_MAX = 1.5

# The game's own step for one row: changes `row` as one tick of `dt` seconds under `input` does;
# the view is the newest the server sent, for what stands in the way.
Rule = Callable[[Any, Any, float, View], None]


@dataclass(slots=True)
class _Own:
    """The server's row, the same after all inputs, one tick further, and what it is off by."""

    truth: Any
    state: Any
    next: Any
    off: dict[str, float] = field(default_factory=dict[str, float])


class Prediction:
    """One table's rows of one player. `ahead` counts inputs that the server has not answered.

    `peek` reads the controls as they are now, so that they show with the next picture and not with
    the next tick; `smooth_s` is the time in which a correction fades by 63 %, 0 shows it at once.
    """

    def __init__(
        self,
        table: str,
        rule: Rule,
        dt: float,
        *,
        peek: Callable[[], Input] | None = None,
        smooth_s: float = SMOOTH_S,
    ) -> None:
        self.table = table
        self.rule = rule
        self.dt = dt
        self.peek = peek
        self.smooth_s = smooth_s
        self.ahead = 0
        # How far the last frame moved a row from where it was predicted, by field.
        self.error: dict[str, float] = {}
        self._rows: dict[int, _Own] = {}
        self._view: View | None = None
        self._fields: dict[str, Field] = {}
        self._moving: dict[str, Field] = {}
        self._input: Input | None = None
        self._part = 0.0

    @property
    def row(self) -> Any:
        """The first row as the next input will find it; None where this player has none."""
        return next((own.state for own in self._rows.values()), None)

    def framed(self, view: View, pending: Sequence[Input]) -> None:
        """Take the server's rows, and on top of them the inputs it has not answered, in order.

        KeyError where the view has no such table.
        """
        if self._view is None or view.schema is not self._view.schema:
            self._learn(view)
        self._view = view
        self.ahead = len(pending)
        self._input = pending[-1] if pending else self._input
        before, self._rows, self.error = self._rows, {}, {}
        for row in view.all(self.table, owner=view.player) if view.player else ():
            truth, state = copy(row), copy(row)
            for sample in pending:
                self._step(state, sample)
            own = self._rows[truth.id] = _Own(truth, state, state)
            was = before.get(truth.id)
            if was is not None:
                self.error = gap(self._moving, was.state, state) or {}
            self._changed(own, was, self._part)

    def sampled(self, sample: Input) -> None:
        """Take an input that is being sent, as it will arrive."""
        self.ahead += 1
        self._input = sample
        # The picture's time stays: just before the new state, until it is drawn again.
        part = self._part - 1
        for own in self._rows.values():
            was = copy(own)
            own.state = copy(own.state)
            self._step(own.state, sample)
            self._changed(own, was, part)
        self._part = part

    def seek(self, part: float, passed_s: float) -> None:
        """Move on to a picture's time, `passed_s` after the last picture.

        `part` of a tick has passed since the last input: 0 to 1 and a little more.
        """
        left = exp(-passed_s / self.smooth_s) if self.smooth_s else 0.0
        sample = self.peek() if self.peek is not None else None
        other = sample is not None and sample != self._input
        if other:
            self._input = sample
        for own in self._rows.values():
            if other:
                self._changed(own, copy(own), self._part)
            own.off = {name: by * left for name, by in own.off.items()}
        self._part = min(PART_MAX, part)

    def drawn(self, shown: Any) -> Any:
        """The row to draw, a copy; None where it is not predicted.

        Fields that do not move, and that the rule leaves alone, are those of `shown`.
        """
        own = self._rows.get(shown.id)
        if own is None:
            return None
        row = copy(shown)
        for name in self._fields:
            value = getattr(own.state, name)
            if value != getattr(own.truth, name):
                setattr(row, name, value)
        place = self._placed(own, self._part)
        for name, spec in self._moving.items():
            setattr(row, name, add(spec, getattr(place, name), own.off.get(name, 0.0)))
        return row

    def _learn(self, view: View) -> None:
        """Begin with the fields that rows have in this view."""
        view.all(self.table)
        [table] = [known for known in view.schema.tables if known.name == self.table]
        self._rows.clear()
        self._fields = dict(table.fields.values())
        self._moving = moving(table)

    def _placed(self, own: _Own, part: float) -> Any:
        """A copy of a row, where it is between its inputs."""
        row = copy(own.state)
        for name, spec in self._moving.items():
            setattr(row, name, move(spec, getattr(row, name), getattr(own.next, name), part))
        return row

    def _changed(self, own: _Own, was: _Own | None, part: float) -> None:
        """Make the next tick anew, and keep the picture where it was, to fade from there."""
        own.next = copy(own.state)
        if self._input is not None:
            self._step(own.next, self._input)
        own.off = {}
        if was is None or not self.smooth_s:
            return
        drawn, row = self._placed(was, self._part), self._placed(own, part)
        by = gap(self._moving, drawn, row)
        if by is not None:
            own.off = {name: was.off.get(name, 0.0) + more for name, more in by.items()}
        elif not self._jumped(drawn, row):
            own.off = was.off

    def _jumped(self, before: Any, after: Any) -> bool:
        """Whether a field went so far that it is shown at once."""
        return any(
            spec.snap is not None and abs(getattr(before, name) - getattr(after, name)) > spec.snap
            for name, spec in self._moving.items()
        )

    def _step(self, row: Any, sample: Input) -> None:
        """One tick, rounded and clamped as the server does with what it commits."""
        assert self._view is not None
        self.rule(row, sample, self.dt, self._view)
        for name, spec in self._fields.items():
            _, back = commit_column(spec, [getattr(row, name)], typed=False)
            if back is not None:
                setattr(row, name, back[0])
