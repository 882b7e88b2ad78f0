"""The connections of one room's sessions at this edge: which are over, and which polls may go on.

What the numbers mean is server/core/generation.py's; SESSION.md, rule 8, is the rule.
"""

from __future__ import annotations

from typing import Any

from server.core.generation import (
    OPENED,
    POLLED,
    PROVEN,
    Issuer,
    generation,
    is_over,
    issued_in,
    may_poll,
)
from server.core.ports import RoomPort
from shared.match import PLAYER_TABLE


class Generations:
    """Numbers connections, and asks the room to show the highest of a seat in the player's row."""

    def __init__(self, port: RoomPort, issuer: Issuer) -> None:
        self._port = port
        self._issuer = issuer
        # The number of the connection each player's session has here.
        self._here: dict[int, int] = {}

    def may_poll(self, player: int, issued: int) -> bool | None:
        """Whether a poll is served that names a token issued then; None is too early to tell."""
        if not player:
            return True
        newest = self._newest(player)
        passed_s = 0.0 if issued >= issued_in(newest) else self._issuer.since(newest)
        return may_poll(issued, newest, passed_s)

    def sit(self, player: int, named: int | None, first_seq: int, *, polling: bool) -> int:
        """A player is served here from now on; when the token of the connection was issued, in ms.

        `named` is when the token was that a RESUME names (None: a JOIN). Polls come and go,
        anywhere: they are of the connection whose token they name, and have none of their own but
        where they join or take a seat back. A new connection is later than the one whose token it
        names, also where the row does not show that one yet and its edge's clock goes ahead.
        """
        newest = self._newest(player)
        if polling and named is not None and named >= issued_in(newest):
            issued, number = named, generation(named, POLLED)
        else:
            issued = self._issuer.draw(max(newest, generation(named or 0, OPENED)))
            number = generation(issued, OPENED)
        self._here[player] = number
        self._port.resume(player, number if number > self._shown(player) else 0, first_seq)
        return issued

    def polled(self, player: int, issued: int) -> None:
        """A poll that may be served names a token issued then: connections before it are over."""
        self._rise(player, generation(issued, POLLED))

    def proven(self, player: int) -> None:
        """Frames are known to arrive on the player's socket here."""
        self._rise(player, self._here.get(player, 0) | PROVEN)

    def forget(self, player: int) -> None:
        """The player is not served here any more."""
        self._here.pop(player, None)

    def replaced(self) -> list[int]:
        """The players who went on elsewhere, as the rows changed by the newest tick say."""
        newest = self._port.match.history.newest
        if not newest:
            return []
        table = self._port.match.tables[PLAYER_TABLE]
        bit = 1 << (1 + list(table.kind._fields).index("connection"))  # pyright: ignore[reportPrivateUsage]
        changes = [change for change in newest if change.table == PLAYER_TABLE]
        changed = [n for c in changes for mask, ids in c.masks if mask & bit for n in ids]
        return [n for n in changed if n in self._here and is_over(self._here[n], self._shown(n))]

    def _rise(self, player: int, number: int) -> None:
        """Give the connection in service a higher number, for the row to show."""
        if player in self._here and number > self._here[player]:
            self._here[player] = number
            if number > self._shown(player):
                self._port.resume(player, number, 0)

    def _newest(self, player: int) -> int:
        """The highest number the player's seat has, as far as it is known here."""
        return max(self._shown(player), self._here.get(player, 0))

    def _shown(self, player: int) -> int:
        row: Any = self._port.match.tables[PLAYER_TABLE].rows.get(player)
        return row.connection if row is not None else 0
