"""By which rules, and with which fields, a match's rows were journaled last.

Rows of other rules or fields are read as the game's own. The first tick after that writes all of
them, whole, and its record names the game's version and schema: what lies behind it is needed no
more, and nobody ever sees half of a change.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .game import Game
from .schema import describe, parse
from .translation import Former, Translation


class Origin:
    """`written` is `[version, schema]` of the rows, None before any were; `now` is the game's."""

    __slots__ = ("_game", "former", "now", "translation", "written")

    def __init__(self, game: Game) -> None:
        self._game = game
        self.now: list[Any] = [game.version, describe(game, hidden=True)]
        self.written: list[Any] | None = None
        self.translation: Translation | None = None
        self.former = Former()

    @property
    def stale(self) -> bool:
        """Whether the rows are to be written whole, under the game's version and schema."""
        return self.written is not self.now

    @property
    def older(self) -> str | None:
        """The version of the rules that wrote the rows, where it is not the game's."""
        if self.written is None or self.written[0] == self.now[0]:
            return None
        return str(self.written[0])

    @property
    def asks_alike(self) -> bool:
        """Whether inputs and actions mean the same to the rules that wrote the rows."""
        return self.written is None or self.written[1][1:3] == self.now[1][1:3]

    def read(self, written: Any) -> None:
        """What follows was written like this; ValueError if it cannot be read."""
        self.former.clear()
        self.translation = None
        if written == self.now:
            self.written = self.now
            return
        version, schema = written
        if type(version) is not str:
            raise ValueError("the version of the rules is no text")
        self.written = written
        if schema[0] != self.now[1][0]:
            self.translation = Translation(parse(schema, hidden=True), self._game)

    def translated(self, chunks: Iterable[list[Any]]) -> Iterable[list[Any]]:
        """Decoded chunks as written, in the game's tables and fields."""
        return chunks if self.translation is None else self.translation.chunks(chunks, self.former)

    def renew(self) -> list[Any] | None:
        """The rows were written whole, like this; None if they had been before."""
        if not self.stale:
            return None
        self.read(self.now)
        return self.now


__all__ = ["Former", "Origin"]
