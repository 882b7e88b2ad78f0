"""What a swarm found: what is counted for each bot, how it adds up, and what makes it a failure.

The report's keys, in order:

    count               bots asked for at any one time
    sessions            sessions begun: the bots, and those that replaced them (churn)
    joined              sessions that were welcomed
    rooms               rooms they were seated in
    seconds             how long the bots played, from the first arrival to the last sample
    frames              frames applied
    gap_ms              time between two frames at one bot, less what was quiet, and from the last
                        frame to the end: p50, p99, max
    ack_ms              from sending an input to the frame that acknowledges it: p50, p99
    bytes_per_player_s  bytes of messages received for each second a bot was seated
    digests             views whose digest was compared with the server's
    divergence          views that differed from the server's
    inputs_sent         items that carried an input
    inputs_lost         inputs acknowledged but not applied, never acknowledged, or given up
    inputs_doubled      inputs applied more often than they were sent
    inputs_skipped      inputs the server reported as skipped, to work off a backlog
    inputs_checked      sessions whose count of applied inputs was compared with the server's
    inputs_unchecked    welcomed players for whom that was not possible
    resumes             times a session was taken up again on another socket
    resume_gap_ms       silence around such a resume: p50, p99, max
    renewals            times another socket took over before the first one ended
    renewal_gap_ms      time between the two frames around such a renewal: p50, p99, max
    polled              sessions that travelled by long polls at some time
    ticks_back          frames whose tick was not above the one before
    player_changed      sessions that came back as another player, or in another room
    errors              what ended sockets or sessions against their will, and how often

A time is null where nothing was measured. Times are kept to a tenth of a millisecond. A session
that ended on purpose is compared before it leaves: every input it sent must be acknowledged, and
the server must have applied as many as it acknowledged without reporting them skipped or failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

# Reasons come from servers; a report names at most this many of them.
REASONS_MAX = 20


class Times:
    """Durations, kept as counts by tenth of a millisecond: any number of them in little memory."""

    __slots__ = ("_counts", "_total")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._total = 0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        tenths = round(seconds * 10_000)
        self._counts[tenths] = self._counts.get(tenths, 0) + 1
        self._total += 1

    def merge(self, other: Times) -> None:
        """Count what `other` counted."""
        for tenths, count in other._counts.items():
            self._counts[tenths] = self._counts.get(tenths, 0) + count
        self._total += other._total

    def ms(self, share: float) -> float | None:
        """The smallest duration that at least this share do not exceed, in ms; None without any."""
        seen = 0
        for tenths in sorted(self._counts):
            seen += self._counts[tenths]
            if seen >= share * self._total:
                return tenths / 10
        return None

    def summary(self, *, most: bool = True) -> dict[str, float | None]:
        """The median, the 99th percentile and, if asked for, the longest."""
        found = {"p50": self.ms(0.5), "p99": self.ms(0.99)}
        return found | {"max": self.ms(1.0)} if most else found


@dataclass(frozen=True, slots=True)
class Applied:
    """What the server counted of one player's inputs: journaled, so true after any takeover."""

    seq: int
    applied: int
    skipped: int


@dataclass(slots=True)
class Tally:
    """What one session saw. `expected` counts acknowledged inputs not reported as refused."""

    joined: bool = False
    player: int = 0
    rooms: set[str] = field(default_factory=set[str])
    seated_s: float = 0.0
    frames: int = 0
    bytes: int = 0
    digests: int = 0
    divergence: int = 0
    resumes: int = 0
    renewals: int = 0
    polled: bool = False
    ticks_back: int = 0
    player_changed: int = 0
    inputs_sent: int = 0
    inputs_skipped: int = 0
    given_up: int = 0
    unacked: int = 0
    expected: int = 0
    applied: Applied | None = None
    gaps: Times = field(default_factory=Times)
    acks: Times = field(default_factory=Times)
    resume_gaps: Times = field(default_factory=Times)
    renewal_gaps: Times = field(default_factory=Times)
    errors: Counter[str] = field(default_factory=Counter[str])

    @property
    def lost(self) -> int:
        """Inputs that were not applied although nobody said so."""
        missing = max(0, self.expected - self.applied.applied) if self.applied else 0
        return missing + self.unacked + self.given_up

    @property
    def doubled(self) -> int:
        """Inputs applied once too often."""
        return max(0, self.applied.applied - self.expected) if self.applied else 0


@dataclass(frozen=True, slots=True)
class Report:
    """A swarm's findings. `failures` names what must not be; empty means success."""

    values: dict[str, Any]
    failures: list[str]

    def table(self) -> str:
        """The findings for a person to read, one a line."""
        width = max(map(len, self.values))
        return "\n".join(f"{key:<{width}}  {_shown(value)}" for key, value in self.values.items())


def report(
    count: int, seconds: float, tallies: Iterable[Tally], troubles: Iterable[str] = ()
) -> Report:
    """The findings of all sessions together; `troubles` are errors of no one session."""
    all_ = list(tallies)
    gaps, acks, resume_gaps, renewal_gaps = Times(), Times(), Times(), Times()
    errors = Counter(troubles)
    for tally in all_:
        gaps.merge(tally.gaps)
        acks.merge(tally.acks)
        resume_gaps.merge(tally.resume_gaps)
        renewal_gaps.merge(tally.renewal_gaps)
        errors.update(tally.errors)
    seated_s = sum(tally.seated_s for tally in all_)
    players = [tally for tally in all_ if tally.joined and tally.player]
    values: dict[str, Any] = {
        "count": count,
        "sessions": len(all_),
        "joined": sum(tally.joined for tally in all_),
        "rooms": len(set[str]().union(*(tally.rooms for tally in all_))),
        "seconds": round(seconds, 1),
        "frames": sum(tally.frames for tally in all_),
        "gap_ms": gaps.summary(),
        "ack_ms": acks.summary(most=False),
        "bytes_per_player_s": round(sum(t.bytes for t in all_) / seated_s, 1) if seated_s else None,
        "digests": sum(tally.digests for tally in all_),
        "divergence": sum(tally.divergence for tally in all_),
        "inputs_sent": sum(tally.inputs_sent for tally in all_),
        "inputs_lost": sum(tally.lost for tally in all_),
        "inputs_doubled": sum(tally.doubled for tally in all_),
        "inputs_skipped": sum(tally.inputs_skipped for tally in all_),
        "inputs_checked": sum(tally.applied is not None for tally in players),
        "inputs_unchecked": sum(tally.applied is None for tally in players),
        "resumes": sum(tally.resumes for tally in all_),
        "resume_gap_ms": resume_gaps.summary(),
        "renewals": sum(tally.renewals for tally in all_),
        "renewal_gap_ms": renewal_gaps.summary(),
        "polled": sum(tally.polled for tally in all_),
        "ticks_back": sum(tally.ticks_back for tally in all_),
        "player_changed": sum(tally.player_changed for tally in all_),
        "errors": _most_common(errors),
    }
    return Report(values, failures(values))


def failures(values: dict[str, Any]) -> list[str]:
    """What of a report's values must not be, each with what would be right."""
    must_be_zero = (
        "divergence",
        "inputs_lost",
        "inputs_doubled",
        "inputs_unchecked",
        "player_changed",
    )
    found = [f"{key} is {values[key]}, must be 0" for key in must_be_zero if values[key]]
    if values["joined"] != values["sessions"] or values["sessions"] < values["count"]:
        asked = max(values["sessions"], values["count"])
        found.insert(0, f"joined is {values['joined']}, must be {asked}")
    if not values["digests"]:
        found.append("digests is 0: no view was compared with the server's")
    return found


def _most_common(errors: Counter[str]) -> dict[str, int]:
    found = dict(errors.most_common(REASONS_MAX))
    rest = errors.total() - sum(found.values())
    return found | {"other": rest} if rest else found


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        parts = cast("dict[str, Any]", value)
        return "  ".join(f"{key} {_shown(part)}" for key, part in parts.items()) or "none"
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
