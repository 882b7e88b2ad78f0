"""The masks, gone ids and refusals of a match's last ticks, from which any recent delta is merged.

Values are absolute, so a delta from tick t is the OR of the masks since t with the values now.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from .limits import HISTORY_TICKS
from .tables import Change


class Refusal(NamedTuple):
    """An input (part 0) or an item's part-th action that was not applied, and why."""

    player: int
    seq: int
    part: int
    reason: str


@dataclass(slots=True)
class _Tick:
    tick: int
    changes: list[Change]
    refusals: list[Refusal]
    # The newest tick up to this one that changed what a client may see.
    changed: int


@dataclass(slots=True)
class Merged:
    """Masks by id and gone ids of one table over several ticks."""

    masks: dict[int, int]
    gone: list[int]


class History:
    """A ring of the last `HISTORY_TICKS` ticks; ticks in it are contiguous.

    What somebody holds of a tick before `floor` has other fields: no delta leads on from there.
    """

    __slots__ = ("_recalled", "_ring", "floor")

    def __init__(self) -> None:
        self.floor = 0
        self._recalled: list[tuple[int, Refusal]] = []
        self._ring: deque[_Tick] = deque(maxlen=HISTORY_TICKS)

    def note(
        self, tick: int, changes: list[Change], refusals: list[Refusal], *, shown: bool = True
    ) -> None:
        """Remember what tick did; it follows the newest one remembered.

        `shown` says whether a client may see any of it.
        """
        changed = tick
        if self._ring:
            newest = self._ring[-1]
            assert tick == newest.tick + 1, (tick, newest.tick)
            changed = tick if shown else newest.changed
        self._ring.append(_Tick(tick, changes, refusals, changed))

    def changed(self, tick: int) -> int:
        """The newest tick up to `tick` that changed what a client may see, as far as remembered.

        What is remembered counts as changed in its first tick. `tick` itself where it is before.
        """
        ring = self._ring
        at = tick - ring[0].tick if ring else -1
        return ring[at].changed if 0 <= at < len(ring) else tick

    @property
    def newest(self) -> list[Change]:
        """What the newest tick remembered did, by table."""
        return self._ring[-1].changes if self._ring else []

    def reaches(self, base: int) -> bool:
        """Whether a delta leads on from `base`: every tick after it is remembered."""
        return base >= self.floor and self._remembers(base)

    def since(self, base: int) -> dict[int, Merged]:
        """What changed after tick `base`, by table index, in table order."""
        assert self._remembers(base), base
        found: dict[int, Merged] = {}
        for entry in self._ring:
            if entry.tick <= base:
                continue
            for change in entry.changes:
                merged = found.setdefault(change.table, Merged({}, []))
                merged.gone += change.gone
                masks = merged.masks
                for mask, ids in change.masks:
                    for number in ids:
                        masks[number] = masks.get(number, 0) | mask
        return dict(sorted(found.items()))

    def _remembers(self, base: int) -> bool:
        return bool(self._ring) and self._ring[0].tick - 1 <= base <= self._ring[-1].tick

    def refusals(self, player: int, base: int) -> list[Refusal]:
        """Refusals remembered for one player in ticks after `base`."""
        found: list[Refusal] = []
        for entry in reversed(self._ring):
            if entry.tick <= base:
                break
            if entry.refusals:
                found[:0] = [refusal for refusal in entry.refusals if refusal.player == player]
        return [r for tick, r in self._recalled if tick > base and r.player == player] + found

    def refused_since(self, base: int) -> bool:
        """Whether anything was refused in ticks after `base`, of which all are remembered."""
        for entry in reversed(self._ring):
            if entry.tick <= base:
                break
            if entry.refusals:
                return True
        return bool(self._recalled) and any(tick > base for tick, _ in self._recalled)

    def recall(self, tick: int, refusals: list[Refusal]) -> None:
        """Put back refusals a checkpoint kept of a tick whose changes are not remembered."""
        self._recalled += [(tick, refusal) for refusal in refusals]

    def recent(self) -> list[tuple[int, list[Refusal]]]:
        """The refusals of every remembered tick that has some, for a checkpoint."""
        newest = self._ring[-1].tick if self._ring else 0
        recalled = [(t, [r]) for t, r in self._recalled if t > newest - HISTORY_TICKS]
        return recalled + [(entry.tick, entry.refusals) for entry in self._ring if entry.refusals]
