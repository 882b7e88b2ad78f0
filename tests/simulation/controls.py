"""Controls: worlds in which one thing is broken on purpose, so that a blind simulator shows.

Each of them must be found within a few seeds (tests/simulation/test_controls.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

from server.core.lifecycle import TABLE, Event, State, Transition
from server.store.base import Append, Fenced, Held, OutOfOrder, Tail, Taken
from shared.errors import StoreError
from tests.simulation import inside
from tests.simulation.world import Archive


class UnfencedArchive(Archive):
    """A store that takes whatever it is given, from whomever, and says so."""

    async def append(self, batch: Sequence[Append]) -> list[StoreError | None]:
        outcomes = await super().append(batch)
        stale = [isinstance(outcome, Fenced | OutOfOrder) for outcome in outcomes]
        self.written += [one for one, late in zip(batch, stale, strict=True) if late]
        return [None if late else o for o, late in zip(outcomes, stale, strict=True)]


class HastyArchive(Archive):
    """A store that answers before it has written, so that ticks are published uncommitted.

    What a process had not written when it was killed is gone.
    """

    async def append(self, batch: Sequence[Append]) -> list[StoreError | None]:
        asyncio.get_running_loop().call_later(0.15, self._write, tuple(batch))
        return [None] * len(batch)

    def _write(self, batch: Sequence[Append]) -> None:
        for entry in batch:
            if self._append(entry) is None:
                self.written.append(entry)


class CountingArchive(Archive):
    """A store that counts a crash whenever a room is acquired, from oneself too."""

    async def take_over(
        self, room: str, owner: str, held: Held, *, blameless: bool = False
    ) -> Taken | Tail:
        inside.disown(self, room, owner)
        return await super().take_over(room, owner, held, blameless=blameless)


class SilentArchive(Archive):
    """A store that tells followers who missed something that they missed nothing."""

    async def tail(self, room: str, tick: int) -> Tail:
        tail = await super().tail(room, tick)
        return Tail(tail.epoch, tick, tail.owner, tail.status, ())


@dataclass(frozen=True, slots=True)
class Control:
    """One thing that is broken; `name` is how the command line calls it."""

    name: str
    what: str
    archive: type[Archive] = Archive
    forgetful: bool = False
    # Methods that go wrong more often than elsewhere, so that what is broken is met.
    rates: Mapping[str, float] = field(default_factory=dict[str, float])
    # Whether rooms are moved most of the time.
    moves: bool = False
    # What the table of a room's life says instead.
    table: tuple[tuple[State, Event, Transition], ...] = ()

    @contextmanager
    def broken(self) -> Generator[None]:
        """Within, the table of a room's life is as this control has it."""
        before = [(state, event, TABLE[state][event]) for state, event, _ in self.table]
        try:
            for state, event, transition in self.table:
                _pairs(state)[event] = transition
            yield
        finally:
            for state, event, transition in before:
                _pairs(state)[event] = transition


def _pairs(state: State) -> dict[Event, Transition]:
    """The table's own dict: what is behind its read-only face."""
    return cast("dict[Event, Transition]", TABLE[state])


NOTHING_BROKEN = Control("", "")

CONTROLS = (
    Control("unfenced", "the store takes ticks of older epochs", UnfencedArchive),
    Control("hasty", "ticks are published before they are committed", HastyArchive),
    Control(
        "counting",
        "a lost answer is counted as a crash",
        CountingArchive,
        rates={"take_over": 0.8},
    ),
    Control(
        "silent",
        "followers do not read what they missed",
        SilentArchive,
        rates={"follow": 0.3},
    ),
    Control(
        "halted",
        "a room whose handover failed is not stepped again",
        rates={"follow": 0.5},
        moves=True,
        table=((State.HANDING_OVER, Event.SUBSCRIBE_FAILED, (State.RUNNING, ())),),
    ),
    Control("forgetful", "clients do not repeat inputs that were not acknowledged", forgetful=True),
)
