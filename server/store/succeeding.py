"""What a store notes when a room gets another owner: the epoch, and whether the last crashed."""

from __future__ import annotations

from dataclasses import dataclass

from server.store.base import RECOVERY_TICKS


def next_epoch(stored: int, journaled: int, wall_ms: int) -> int:
    """Return the epoch of a new owner, above every epoch that was ever handed out.

    `journaled` is the epoch of the journal's last record, 0 for none.
    """
    return max(stored + 1, journaled + 1, wall_ms)


@dataclass(frozen=True, slots=True)
class Crashes:
    """How many owners running crashed, and the tick at which the first of them did."""

    count: int = 0
    first_at: int = 0

    def after(self, old: str, new: str, tick: int, *, blameless: bool) -> Crashes:
        """Return the crashes once `new` has acquired the room from `old` at `tick`."""
        if not old:
            return Crashes()
        if old == new or blameless:
            return self
        if self.count and tick - self.first_at < RECOVERY_TICKS:
            return Crashes(self.count + 1, self.first_at)
        return Crashes(1, tick)
