"""What the end of a worker says, and whether and when the next one is started."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Sequence
from typing import Final

EXIT_OK: Final = 0
EXIT_GAVE_UP: Final = 1
# Settings or the store are wrong: starting again changes nothing.
EXIT_CONFIG: Final = 2
# The worker asks to be started again, with the game as it was saved just now.
EXIT_RELOAD: Final = 3
# The store is away, and may be back in a moment.
EXIT_STORE: Final = 4

# A worker that lived this long had started well: its death is counted anew.
LIVED_S: Final = 5.0
# A worker that keeps dying at once will not be healed by the eleventh try.
DEATHS_MAX: Final = 10
DEATHS_WINDOW_S: Final = 30.0
# Delays before restarts after quick deaths in a row; the last one repeats.
BACKOFF_S: Final = (0.0, 0.1, 0.5, 1.0)
# While the store is away a worker is started so often, for as long as it takes.
STORE_RETRY_S: Final = 1.0
# A worker that was given up rests while others serve: what it stumbles over may pass.
REST_S: Final = 30.0


class Backoff:
    """Decides whether and when a dead worker is started again; knows no clock of its own."""

    def __init__(self, delays_s: Sequence[float] = BACKOFF_S) -> None:
        self._delays_s = tuple(delays_s)
        self._deaths: deque[float] = deque(maxlen=DEATHS_MAX)
        self._quick = 0

    def died(self, now: float, lived_s: float) -> float | None:
        """Return the delay before the next start, in seconds, or None to give up."""
        if lived_s > LIVED_S:
            self.forget()
        self._deaths.append(now)
        if len(self._deaths) == DEATHS_MAX and now - self._deaths[0] <= DEATHS_WINDOW_S:
            return None
        delay_s = self._delays_s[min(self._quick, len(self._delays_s) - 1)]
        self._quick += 1
        return delay_s

    def forget(self) -> None:
        """Begin anew, as if nothing had died."""
        self._deaths.clear()
        self._quick = 0


def cause(status: int) -> str:
    """How a process ended, in words, from its status as Popen gives it."""
    if status >= 0:
        return f"exited with {status}"
    try:
        return f"died by {signal.Signals(-status).name}"
    except ValueError:
        return f"died by signal {-status}"
