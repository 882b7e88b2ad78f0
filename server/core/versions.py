"""Which rooms a process may take up: those of its own rules, and of the older ones it knows.

The rules' version says what rows mean, the schema how they are written. An older process never
takes a room of rules it has not heard of; it leaves the room alone, for a process that knows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.errors import StoreError
from shared.game import Game
from shared.match import Match
from shared.schema import describe, parse
from shared.translation import Translation

NAMED_MAX = 5
"""So many fields are named in a sentence."""


class LeftAlone(StoreError):
    """Nothing is wrong with the room, but this process is not the one to run or to show it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a process may take a room up, and why not."""

    may: bool
    reason: str = ""


def may_take_up(
    game: Game, version: str, schema: Sequence[Any] | None = None, *, development: bool = False
) -> Verdict:
    """Judge a room by the rules and the schema (None: no rows yet) that wrote its newest rows.

    Rules of one version may add fields; with `development`, they may also leave some out. What may
    lose a value needs another version and a `migrate`. ValueError if the schema is none.
    """
    ours, name = game.version, type(game).__name__
    if version != ours and version not in game.compatible:
        return Verdict(
            False,
            f"it is played by version {version!r} of its rules; {name}.version here is {ours!r}, "
            f"and {name}.compatible does not name {version!r}",
        )
    if schema is None or list(schema) == describe(game, hidden=True):
        return Verdict(True)
    translation = Translation(parse(schema, hidden=True), game)
    if translation.lossy and (version == ours or not migrates(game)):
        wanted = "" if version != ours else f"another {name}.version and "
        return Verdict(
            False,
            f"{_named(translation.lossy)} had another kind, whose values may be lost: "
            f"that takes {wanted}{name}.migrate",
        )
    if translation.removed and version == ours and not development:
        return Verdict(
            False,
            f"version {ours!r} of its rules has {_named(translation.removed)}, and here it has "
            f"not: if these rules are newer, raise {name}.version and name {ours!r} in "
            f"{name}.compatible",
        )
    return Verdict(True)


def check_rules(match: Match, created: str, *, development: bool = False) -> None:
    """LeftAlone if the match's rows were written by rules that this game may not take up.

    `created` is the version that the room was made by, for one that has no rows yet.
    """
    version, schema = match.origin.written or (created, None)
    verdict = may_take_up(match.game, version, schema, development=development)
    if not verdict.may:
        raise LeftAlone(verdict.reason)


def migrates(game: Game) -> bool:
    """Whether the game has a `migrate` of its own."""
    return type(game).migrate is not Game.migrate


def _named(fields: Sequence[str]) -> str:
    shown = ", ".join(fields[:NAMED_MAX])
    return shown if len(fields) <= NAMED_MAX else f"{shown} and {len(fields) - NAMED_MAX} more"
