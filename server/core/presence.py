"""Presence of a room's players, as the edges report their open connections, once a second each."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

PRESENCE_S = 3.0
"""Three missed reports: a dead edge is not waited for, and a lost letter sends nobody away."""
REPORT_S = 1.0


@dataclass(frozen=True, slots=True)
class _Report:
    players: frozenset[int]
    spectators: int
    until_s: float | None

    def counts(self, age_s: float) -> bool:
        """Whether it has not expired."""
        return self.until_s is None or age_s <= self.until_s


class Presence:
    """The reports of all edges on one room; times are seconds of the room's age.

    `inherited` are the players whom the owner before had seen: their edges have not spoken to
    this one yet, and are given the time of one report's life.
    """

    def __init__(self, age_s: float, inherited: frozenset[int]) -> None:
        self._reports = {"": _Report(inherited, 0, age_s + PRESENCE_S)}
        # What was answered last, and until when it stays so; -1 after a report.
        self._there: tuple[set[int], int] = (set(), 0)
        self._until_s = -1.0

    def report(
        self, edge: str, players: frozenset[int], spectators: int, age_s: float, *, lasting: bool
    ) -> None:
        """An edge's whole word on the room; `lasting` for one in this process, which would know."""
        until_s = None if lasting else age_s + PRESENCE_S
        self._reports[edge] = _Report(players, spectators, until_s)
        self._until_s = -1.0

    def edges(self, age_s: float) -> set[str]:
        """The edges whose reports count: those follow the room."""
        return {edge for edge, one in self._reports.items() if edge and one.counts(age_s)}

    def at(self, age_s: float) -> tuple[set[int], int]:
        """Players and the number of spectators who are there; outdated reports are forgotten."""
        if age_s <= self._until_s:
            return self._there
        kept = self._reports
        for edge in [edge for edge, one in kept.items() if not one.counts(age_s)]:
            del kept[edge]
        players: set[int] = set()
        for one in kept.values():
            players |= one.players
        spectators = sum(one.spectators for one in kept.values())
        self._there = players, spectators
        self._until_s = min(
            (o.until_s for o in kept.values() if o.until_s is not None), default=inf
        )
        return set(players), spectators
