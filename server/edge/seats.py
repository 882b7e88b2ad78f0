"""On which connection each player of a room is served, and which one that is about to retire."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar


class Holder(Protocol):
    """A connection as far as its seat is concerned."""

    @property
    def renewing(self) -> bool:
        """Whether it was told to renew, so that it may go on beside its successor for a while."""
        ...


H = TypeVar("H", bound=Holder)


class Seats(Generic[H]):
    """At most two connections a player: the one in service, and the one it is to retire.

    A connection that was told to renew is served on until its successor has proven that frames
    arrive on it; should the successor be lost before, it is in service again.
    """

    def __init__(self) -> None:
        self._serving: dict[int, H] = {}
        self._retiring: dict[int, H] = {}

    @property
    def players(self) -> set[int]:
        """Who is here."""
        return set(self._serving)

    @property
    def connections(self) -> int:
        """How many connections they hold together."""
        return len(self._serving) + len(self._retiring)

    def holder(self, player: int) -> H | None:
        """The connection in service."""
        return self._serving.get(player)

    def take(self, player: int, newer: H) -> H | None:
        """Serve a player here from now on; the connection that this ends, if any."""
        older = self._serving.get(player)
        self._serving[player] = newer
        if older is not None and older.renewing and player not in self._retiring:
            self._retiring[player] = older
            return None
        return older

    def prove(self, player: int, holder: H) -> H | None:
        """Frames arrive on the connection in service; the one that has served its time."""
        return self._retiring.pop(player, None) if self._serving.get(player) is holder else None

    def drop(self, player: int, holder: H) -> None:
        """A connection is gone."""
        if self._retiring.get(player) is holder:
            del self._retiring[player]
        elif self._serving.get(player) is holder:
            kept = self._retiring.pop(player, None)
            if kept is None:
                del self._serving[player]
            else:
                self._serving[player] = kept

    def clear(self, player: int) -> list[H]:
        """A player left; the connections this ends."""
        found = (self._serving.pop(player, None), self._retiring.pop(player, None))
        return [holder for holder in found if holder is not None]
