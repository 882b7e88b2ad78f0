"""The server's time as a client knows it: which tick it is at, and how late its messages come.

The browser's client has the same in client/clock.js, client/pace.js and client/sampling.js, with
the same figures.
Times are seconds of a monotonic clock, and arguments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import floor, inf, isfinite, nan

# Frames that are judged together; what came before them is forgotten, spikes and drift alike.
FRAMES = 64
# So many late frames running, and the server stood still: they are not jitter.
LATE_FRAMES = 6
# A single frame as late as this says the same.
LATE_S_MAX = 0.5
# The share of frames that jitter covers: a stall now and then is bridged, not waited for.
COVERED = 0.9
JITTER_S_MAX = 0.25
# Round trips that are kept: the middle one is the ping, so that one that met a stall is not.
TRIPS = 9
# A pace that is off by more than this begins anew.
JUMP_S = 0.5
FASTER, SLOWER = 0.12, 0.3
# Without a frame for this long, the server hears no more inputs: it would only skip them.
BRIDGED_S_MAX = 0.5
# A tick counts as begun this much earlier: clocks and frames agree to within rounding.
EARLY_TICKS = 0.01


class ServerClock:
    """Judges by when frames arrive, and by TIME that was answered."""

    def __init__(self, tick_rate: int) -> None:
        self.tick_s = 1 / tick_rate
        # For each of the last frames, when tick 0 would have come just as quickly, and how much
        # later than the quickest it came.
        self._starts: deque[float] = deque(maxlen=FRAMES)
        self._late: deque[float] = deque(maxlen=FRAMES)
        self._trips: deque[float] = deque(maxlen=TRIPS)

    @property
    def running(self) -> bool:
        """Whether there is anything to judge by."""
        return bool(self._starts)

    @property
    def ping_s(self) -> float:
        """There and back, the middle one of the last few; 0 before the first."""
        return _ranked(self._trips, 0.5)

    @property
    def jitter_s(self) -> float:
        """How late frames come behind the quickest, all but the latest few."""
        return min(JITTER_S_MAX, _ranked(self._late, COVERED))

    def reset(self) -> None:
        """Begin anew, as after a tick that went back."""
        self._starts.clear()
        self._late.clear()

    def arrived(self, tick: int, now_s: float) -> None:
        """The frame of this tick came."""
        start = now_s - tick * self.tick_s
        if start - self._start > LATE_S_MAX:
            self.reset()
        self._starts.append(start)
        last = list(self._starts)[-LATE_FRAMES:]
        moved = min(last) - self._start
        if len(last) == LATE_FRAMES and moved > max(self.tick_s, self.jitter_s):
            self._starts = deque(last, maxlen=FRAMES)
        self._late.append(start - self._start)

    def answered(self, sent_s: float, now_s: float) -> None:
        """A TIME sent then was answered."""
        self._trips.append(max(0.0, now_s - sent_s))

    def heard(self, now_s: float) -> float:
        """The tick of the frame that would come now if it came as quickly as any."""
        return (now_s - self._start) / self.tick_s

    def tick(self, now_s: float) -> float:
        """The tick the server is at, with its fraction; -inf before the first frame."""
        # Half a usual trip is how long a usual frame takes, and the quickest so much less.
        way_s = max(0.0, self.ping_s / 2 - _ranked(self._late, 0.5))
        return self.heard(now_s) + way_s / self.tick_s

    @property
    def _start(self) -> float:
        """By the quickest of the last frames."""
        return min(self._starts, default=inf)


class Pace:
    """A tick that follows another and never jumps to it, unless it is far away."""

    def __init__(self, tick_s: float) -> None:
        self._tick_s = tick_s
        self._tick = nan
        self._now_s = -inf

    def follow(self, target: float, now_s: float, most: float = inf) -> float:
        """The tick now; `target` is where it should be, at `most` it waits, to go on from there."""
        passed = max(0.0, now_s - self._now_s) / self._tick_s
        self._now_s = max(now_s, self._now_s)
        error = target - (self._tick + passed)
        if isfinite(error) and abs(error) * self._tick_s < JUMP_S:
            self._tick += passed + max(-passed * SLOWER, min(passed * FASTER, error))
        else:
            self._tick = target
        self._tick = min(self._tick, most)
        return self._tick


class Sampling:
    """When to take a sample: once for each tick the server begins, however frames come."""

    def __init__(self, clock: ServerClock) -> None:
        self._clock = clock
        self._pace = Pace(clock.tick_s)
        self._paced = nan
        self._tick = nan
        self._at_s = -inf

    def due(self, newest: int, now_s: float) -> bool:
        """Whether to take one now; `newest` is the newest tick held."""
        clock = self._clock
        if not clock.running:
            return False
        tick = self._follow(now_s)
        self._tick = min(self._tick, tick)
        if tick == self._tick or now_s - self._at_s < clock.tick_s / 2:
            return False
        return (clock.heard(now_s) - newest) * clock.tick_s <= BRIDGED_S_MAX

    def taken(self, now_s: float) -> None:
        """One that was due was taken."""
        self._tick, self._at_s = self._follow(now_s), now_s

    def part(self, now_s: float) -> float:
        """How much of the last sample's tick has passed; 0 where none was taken."""
        self._follow(now_s)
        part = self._paced - self._tick
        return part if isfinite(part) else 0.0

    def _follow(self, now_s: float) -> float:
        """The server's tick by the clock, without the clock's jumps."""
        if self._clock.running:
            self._paced = self._pace.follow(self._clock.heard(now_s), now_s)
        paced = self._paced + EARLY_TICKS
        return floor(paced) if isfinite(paced) else nan


def _ranked(values: Iterable[float], share: float) -> float:
    """The value below which this share of them lies, 0 where there is none."""
    ordered = sorted(values)
    return ordered[int(len(ordered) * share)] if ordered else 0.0
