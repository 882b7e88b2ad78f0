"""What a store notes when a room gets another owner: the epoch, and whether the last crashed."""

from __future__ import annotations

from server.store.base import RECOVERY_TICKS


def next_epoch(stored: int, journaled: int, wall_ms: int) -> int:
    """Return the epoch of a new owner, above every epoch that was ever handed out.

    `journaled` is the epoch of the journal's last record, 0 for none.
    """
    return max(stored + 1, journaled + 1, wall_ms)


def counted(owner: str, recoveries: int, counted_at: int, tick: int) -> tuple[int, int]:
    """Return recoveries and the tick of the first, after an acquire from `owner` at `tick`."""
    if not owner:
        return 0, 0
    if recoveries and tick - counted_at < RECOVERY_TICKS:
        return recoveries + 1, counted_at
    return 1, tick
