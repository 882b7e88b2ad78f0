"""What an edge asked of a room it only follows, kept until the journal shows that it happened.

Letters may be lost and owners may die, so everything here is asked again: when the room has a new
epoch, and when it was asked before and still does not show.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from server.core.inbox import Item
from server.core.post import Asked, Failed, Leaving, Present, Request, Resumed
from server.core.room import SeatRequest
from shared.limits import INBOX_ITEMS_MAX
from shared.match import Match


class Outbox:
    """The open requests of one edge to one room. `fresh` are those never posted."""

    def __init__(self) -> None:
        self.fresh: list[Request] = []
        self.present = Present(frozenset(), 0)
        self._joins: dict[bytes, SeatRequest] = {}
        self._leaves: dict[int, Leaving] = {}
        self._resumes: dict[int, Resumed] = {}
        self._items: dict[int, deque[Item]] = {}
        self._oldest: dict[int, int] = {}

    @property
    def open(self) -> bool:
        """Whether anything asked does not show yet."""
        return bool(self._joins or self._leaves or self._resumes or self._items)

    @property
    def nonces(self) -> set[bytes]:
        """The joins that are not settled."""
        return set(self._joins)

    def join(self, request: SeatRequest) -> None:
        """A seat is asked for."""
        self._joins[request.nonce] = request
        self.fresh.append(request)

    def leave(self, player: int) -> None:
        """A seat is given up."""
        self._leaves[player] = Leaving(player)
        self._items.pop(player, None)
        self.fresh.append(self._leaves[player])

    def resume(self, player: int, connection: int, first_seq: int) -> None:
        """A session goes on on another connection, or by a poll (0)."""
        waiting = self._items.get(player)
        while waiting and waiting[0].seq < first_seq:
            waiting.popleft()
        if waiting is not None and not waiting:
            del self._items[player]
        request = Resumed(player, connection, first_seq)
        asked = self._resumes.get(player)
        if connection and (asked is None or connection > asked.connection):
            self._resumes[player] = request
        self.fresh.append(request)

    def submit(self, player: int, items: Sequence[Item]) -> None:
        """Inputs and actions, in order; what is here already is not taken twice."""
        waiting = self._items.get(player)
        last = waiting[-1].seq if waiting else 0
        taken = tuple(item for item in items if item.seq > last)
        if taken:
            if waiting is None:
                waiting = self._items[player] = deque(maxlen=INBOX_ITEMS_MAX)
            waiting.extend(taken)
            self.fresh.append(Asked(player, taken))

    def report(self, players: set[int], spectators: int) -> None:
        """Whose connections are open here."""
        self.present = Present(frozenset(players), spectators)
        self.fresh.append(self.present)

    def fail(self, reason: str, place: str = "") -> None:
        """The game failed at this edge."""
        self.fresh.append(Failed(reason, place))

    def refused(self, nonce: bytes) -> None:
        """A join was answered with no."""
        self._joins.pop(nonce, None)

    def settle(self, match: Match) -> dict[bytes, int]:
        """Let go of what the committed rows show; the seats taken, by nonce."""
        seated: dict[bytes, int] = {}
        kind = match.game.player
        if self._joins:
            waiting = {nonce.hex(): nonce for nonce in self._joins}
            for row in match.players:
                nonce = waiting.get(row.nonce)
                if nonce is not None:
                    seated[nonce] = row.id
                    del self._joins[nonce]
        for player in [p for p in self._leaves if match.get(kind, p) is None]:
            del self._leaves[player]
        for player, request in list(self._resumes.items()):
            row = match.get(kind, player)
            if row is None or row.connection >= request.connection:
                del self._resumes[player]
        for player, items in list(self._items.items()):
            row = match.get(kind, player)
            applied = row.input_seq if row is not None else None
            while items and (applied is None or items[0].seq <= applied):
                items.popleft()
            if not items:
                del self._items[player]
        return seated

    def take(self) -> list[Request]:
        """The requests to post now."""
        fresh, self.fresh = self.fresh, []
        return fresh

    def everything(self) -> list[Request]:
        """All that is open and who is here, for an owner who knows nothing of it."""
        self.fresh.clear()
        return [*self._seats(), *self._whole(self._items), self.present]

    def standing(self) -> list[Request]:
        """What was open when this was last asked and is open still; call it now and then."""
        oldest = {player: items[0].seq for player, items in self._items.items()}
        stuck = [player for player, seq in oldest.items() if self._oldest.get(player) == seq]
        self._oldest = oldest
        return [*self._seats(), *self._whole(stuck)]

    def _whole(self, players: Iterable[int]) -> Iterator[Request]:
        """All the items of these players, each time with where they begin.

        Nothing before them is waited for: it was applied, or it was acknowledged by a tick that a
        room running ahead of its journal lost.
        """
        for player in players:
            items = self._items[player]
            yield Resumed(player, 0, items[0].seq)
            yield Asked(player, tuple(items))

    def _seats(self) -> list[Request]:
        return [*self._joins.values(), *self._leaves.values(), *self._resumes.values()]
