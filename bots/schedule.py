"""The schedule: which tick to show now, so far in the past that the next one is mostly there.

The browser's client has the same in client/schedule.js, with the same figures.
"""

from __future__ import annotations

from .timeline import Pace, ServerClock

# How far beyond the newest tick what moves steadily is carried on.
BEYOND_S_MAX = 0.2


class Schedule:
    """Follows a clock; `send_every` are the ticks between frames."""

    def __init__(self, clock: ServerClock, send_every: int) -> None:
        self.clock = clock
        self.send_every = send_every
        self._pace = Pace(clock.tick_s)
        self._shown = 0.0

    def reset(self) -> None:
        """Begin anew, as after a tick that went back."""
        self._pace = Pace(self.clock.tick_s)
        self._shown = 0.0

    @property
    def delay(self) -> float:
        """How many ticks playback is behind the newest: one frame, and the jitter measured."""
        return self.send_every + self.clock.jitter_s / self.clock.tick_s

    def playback(self, now_s: float, newest: int) -> float:
        """The tick to show, with its fraction.

        Never before what was shown, and beyond the newest tick held only by a little.
        """
        clock = self.clock
        if not clock.running:
            return newest
        most = newest + BEYOND_S_MAX / clock.tick_s
        target = clock.heard(now_s) - self.delay
        self._shown = max(self._shown, self._pace.follow(target, now_s, most))
        return self._shown
