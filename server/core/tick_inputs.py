"""What a tick takes in, kept until the tick is whole: the game may raise in it."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.history import Refusal

from .inbox import Item
from .seating import SeatRequest


@dataclass(slots=True)
class TickInputs:
    """What a tick consumed; `resumed` has the new connection by player.

    `items` are as they were applied, without the inputs that were skipped; `originals` with them.
    """

    joins: dict[bytes, SeatRequest] = field(default_factory=dict[bytes, SeatRequest])
    leaves: set[int] = field(default_factory=set[int])
    resumed: dict[int, int] = field(default_factory=dict[int, int])
    items: dict[int, list[Item]] = field(default_factory=dict[int, list[Item]])
    originals: dict[int, list[Item]] = field(default_factory=dict[int, list[Item]])
    skipped: list[Refusal] = field(default_factory=list[Refusal])

    @property
    def empty(self) -> bool:
        """Whether nothing was taken in."""
        return not (self.joins or self.leaves or self.resumed or self.items)

    def note(self, player: int, taken: list[Item], skipped: list[Item]) -> None:
        """These items of a player were taken for the tick, the inputs of some skipped."""
        self.items[player] = taken
        self.originals[player] = taken
        if skipped:
            whole = {item.seq: item for item in skipped}
            self.originals[player] = [whole.get(item.seq, item) for item in taken]
