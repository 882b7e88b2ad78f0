"""What is counted and compared of committed rows, the same for owners and followers."""

from __future__ import annotations

from collections.abc import Sequence

from server.core.ports import Census
from shared.match import Match


def census_of(match: Match, spectators: int, tick_s: float, load: float = 0.0) -> Census:
    """A committed match in numbers, by counting every player."""
    if not match.tick:
        return Census()
    return Census(match.tick, *people(match), spectators, match.room.finished > 0, tick_s, load)


def people(match: Match) -> tuple[int, int]:
    """How many seats are people's, and how many brains'."""
    bots = sum(1 for player in match.players if player.bot)
    return len(match.players) - bots, bots


def diverges(starts: Sequence[tuple[int, int]], epoch: int, held: int) -> bool:
    """Whether tick `held` of `epoch` was never committed: a later epoch has one of its own.

    `starts` are epochs and their first ticks, rising.
    """
    later = next((first for started, first in starts if started > epoch), None)
    return later is not None and held >= later
