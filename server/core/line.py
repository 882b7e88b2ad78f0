"""A line one can turn the knobs of: when bytes handed over now arrive, as TCP would show it.

TCP loses and reorders nothing that a program could see; a lost segment shows as a stall, behind
which everything waits. So bytes arrive whole and in order, only later, by knobs and a seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from random import Random
from typing import Final

SEGMENT_BYTES: Final = 1448
"""What one Ethernet frame carries of a TCP stream; loss strikes by segment."""

RETRIES_MAX: Final = 4
"""A segment lost so often in a row would be a line that is down, which is a knob of its own."""

_MOST: Final = {
    "latency_ms": 10_000.0,
    "jitter_ms": 10_000.0,
    "loss_percent": 90.0,
    "stall_ms": 10_000.0,
    "bytes_per_s": 1e9,
    "dark": 1.0,
    "cut_after_s": 86_400.0,
}


@dataclass(frozen=True, slots=True)
class Knobs:
    """One direction of a line. All at 0: as if it were not there."""

    # The least time under way, one way.
    latency_ms: float = 0.0
    # At most this much more, drawn for each write.
    jitter_ms: float = 0.0
    # How often a segment is lost, and the wait for the first repeat; each further one is doubled.
    loss_percent: float = 0.0
    stall_ms: float = 200.0
    # Bandwidth; 0 is without bound.
    bytes_per_s: float = 0.0
    # Nothing arrives while it is 1: what is written waits, as on a line that is half open.
    dark: float = 0.0
    # The connection is reset so long after it opened, or after this was set; 0 is never.
    cut_after_s: float = 0.0

    @staticmethod
    def of(wishes: Mapping[str, object], known: Knobs | None = None) -> Knobs:
        """Knobs by name, the others as `known` has them. ValueError says what is wrong."""
        values = {field.name: getattr(known or Knobs(), field.name) for field in fields(Knobs)}
        for name, value in wishes.items():
            if name not in values:
                raise ValueError(f"there is no knob {name[:40]!r}; there are {', '.join(values)}")
            most = _MOST[name]
            number = isinstance(value, int | float) and math.isfinite(value)
            if not number or not 0 <= float(value) <= most:  # type: ignore[arg-type]
                raise ValueError(f"{name} is {value!r}; expected a number from 0 to {most:g}"[:120])
            values[name] = float(value)  # type: ignore[arg-type]
        return Knobs(**values)


PLAIN: Final = Knobs()


class Line:
    """One direction. The same seed, knobs and writes give the same arrivals.

    `knobs` may be set at any time, for what is written from then on.
    """

    __slots__ = ("_arrival_s", "_free_s", "_rng", "knobs")

    def __init__(self, rng: Random, knobs: Knobs = PLAIN) -> None:
        self.knobs = knobs
        self._rng = rng
        self._free_s = -math.inf
        self._arrival_s = -math.inf

    def send(self, now_s: float, data: bytes) -> list[tuple[float, bytes]]:
        """Pieces of `data` in order, each with the time it arrives; never, where the line is dark.

        Pieces that arrive together are one; none arrives before what was sent earlier.
        """
        knobs = self.knobs
        if knobs.dark:
            return [(math.inf, data)]
        delay_s = (knobs.latency_ms + knobs.jitter_ms * self._rng.random()) / 1000
        if not knobs.loss_percent and not knobs.bytes_per_s:
            return [(self._in_order(now_s + delay_s), data)]
        pieces: list[tuple[float, bytes]] = []
        for at in range(0, len(data), SEGMENT_BYTES):
            segment = data[at : at + SEGMENT_BYTES]
            left_s = self._sent(now_s, len(segment))
            arrival_s = self._in_order(left_s + delay_s + self._stall_s())
            if pieces and pieces[-1][0] == arrival_s:
                segment = pieces.pop()[1] + segment
            pieces.append((arrival_s, segment))
        return pieces

    def _sent(self, now_s: float, size: int) -> float:
        """When the last byte of a segment has left, behind those that left before it."""
        rate = self.knobs.bytes_per_s
        if not rate:
            return now_s
        self._free_s = max(now_s, self._free_s) + size / rate
        return self._free_s

    def _stall_s(self) -> float:
        knobs, stall_s = self.knobs, 0.0
        for retry in range(RETRIES_MAX):
            if self._rng.random() * 100 >= knobs.loss_percent:
                break
            stall_s += knobs.stall_ms * 2**retry / 1000
        return stall_s

    def _in_order(self, arrival_s: float) -> float:
        self._arrival_s = max(self._arrival_s, arrival_s)
        return self._arrival_s
