"""The failure detector: how long a follower hears nothing before it asks the store for the room."""

from __future__ import annotations

from random import Random

SILENCE_TICKS = 3
SILENCE_LEAST_S = 0.15
# Spreads the followers of one owner, so that most of them find the room taken.
SILENCE_JITTER_S = 0.03
# After an answer that the owner lives, so many ticks more.
AGAIN_TICKS = 1.5
IDLE_DOUBLINGS_MAX = 4


class FailureDetector:
    """Time since a room was last heard of, against the patience this follower has with it."""

    def __init__(self, tick_rate: int, rng: Random, now_s: float) -> None:
        self.heard_s = now_s
        self._period_s = 1 / tick_rate
        self._rng = rng
        self._patience_s = 0.0
        self.be_patient(0)

    def be_patient(self, idle_epochs: int) -> None:
        """Draw the patience anew; owners that took the room and committed nothing double it.

        All followers count epochs alike, so all of them slow down together.
        """
        least_s = max(SILENCE_LEAST_S, SILENCE_TICKS * self._period_s)
        doublings = min(max(0, idle_epochs - 1), IDLE_DOUBLINGS_MAX)
        self._patience_s = least_s * 2**doublings + self._rng.uniform(0, SILENCE_JITTER_S)

    def left_s(self, now_s: float) -> float:
        """Seconds of patience left; none at 0 and below."""
        return self.heard_s + self._patience_s - now_s

    def asked(self, now_s: float) -> None:
        """The store said that there was news: wait a little longer."""
        self.heard_s = now_s - self._patience_s + AGAIN_TICKS * self._period_s

    def ask_in(self, seconds: float, now_s: float) -> None:
        """The store did not answer: ask again after so long."""
        self.heard_s = now_s - self._patience_s + seconds
