"""The counts: how a session's connection fares, as `room.stats` shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stats:
    """What was counted so far. Times are in seconds, `bytes_per_s` is the last second's.

    `ping_s` is how long a message takes there and back, `jitter_s` how unevenly frames come,
    `gap_s_max` the longest time between two of them; `divergence` counts digests that differed.
    """

    ping_s: float
    jitter_s: float
    tick: int
    frames: int
    frames_skipped: int
    bytes_per_s: int
    resumes: int
    digests: int
    divergence: int
    gap_s_max: float


class Counts:
    """What is counted of frames as they come."""

    def __init__(self) -> None:
        self.gap_s_max = 0.0
        self.bytes_per_s = 0
        # When the newest frame came; when the second that is counted began, with how many bytes.
        self._heard_s: float | None = None
        self._since_s: float | None = None
        self._bytes = 0

    def frame(self, bytes_: int, now_s: float, quiet_s: float = 0.0) -> None:
        """A frame was applied; `bytes_` came so far in all.

        For `quiet_s` before it nothing happened, so that none was due.
        """
        if self._heard_s is not None:
            self.gap_s_max = max(self.gap_s_max, now_s - self._heard_s - quiet_s)
        self._heard_s = now_s
        if self._since_s is None:
            self._since_s, self._bytes = now_s, bytes_
        elif now_s - self._since_s >= 1:
            self.bytes_per_s = round((bytes_ - self._bytes) / (now_s - self._since_s))
            self._since_s, self._bytes = now_s, bytes_
