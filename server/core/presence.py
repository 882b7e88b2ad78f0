"""Who is there: each edge says whose connections are open at it, and is believed for a while."""

from __future__ import annotations

from dataclasses import dataclass

PRESENCE_S = 3.0
"""Three missed reports: a dead edge is not waited for, and a lost letter sends nobody away."""
REPORT_S = 1.0


@dataclass(frozen=True, slots=True)
class _Report:
    players: frozenset[int]
    spectators: int
    until: int | None


class Presence:
    """The reports of all edges on one room; time is counted in the room's ticks.

    `inherited` are the players whom the owner before had seen: their edges have not spoken to
    this one yet, and are given the time of one report's life.
    """

    def __init__(self, tick_rate: int, tick: int, inherited: frozenset[int]) -> None:
        self._life = int(PRESENCE_S * tick_rate) + 1
        self._reports = {"": _Report(inherited, 0, tick + self._life)}

    def report(
        self, edge: str, players: frozenset[int], spectators: int, tick: int, *, lasting: bool
    ) -> None:
        """An edge's whole word on the room; `lasting` for one in this process, which would know."""
        until = None if lasting else tick + self._life
        self._reports[edge] = _Report(players, spectators, until)

    def edges(self, tick: int) -> set[str]:
        """The edges whose word counts: those follow the room."""
        return {edge for edge, one in self._reports.items() if edge and (one.until or tick) >= tick}

    def at(self, tick: int) -> tuple[set[int], int]:
        """Players and the number of spectators who are there; outdated reports are forgotten."""
        kept = self._reports
        late = [edge for edge, one in kept.items() if one.until is not None and one.until < tick]
        for edge in late:
            del kept[edge]
        players: set[int] = set()
        for one in kept.values():
            players |= one.players
        return players, sum(one.spectators for one in kept.values())
