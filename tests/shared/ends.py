"""Both ends of the wire and of the journal, joined without either: commit, send, receive."""

from __future__ import annotations

from random import Random
from typing import Any

from shared.chunks import array_head, pack, unpack_stored
from shared.game import Game
from shared.match import Chunks, Commit, Match
from shared.messages import Frame, decode_from_server, frame_bytes
from shared.schema import describe, parse
from shared.view import View
from tests.shared.play import Play


def opened(*parts: Chunks) -> list[Any]:
    """Chunks as a receiver opens them."""
    count = sum(part.count for part in parts)
    chunks: list[Any] = unpack_stored(array_head(count) + b"".join(part.data for part in parts))
    return chunks


def take_in(follower: Match, commit: Commit, *, follows: bool = True) -> None:
    """Apply a commit to a follower as a record does."""
    chunks = opened(commit.public, *commit.owners.values(), commit.server)
    follower.apply(commit.tick, chunks, list(commit.refusals), follows=follows)


def follower_of(match: Match) -> Match:
    """A new match restored from a snapshot."""
    follower = Match(match.game, match.options, seed=1)
    take_in(follower, match.snapshot(), follows=False)
    return follower


def view_of(match: Match, player: int) -> View:
    """An empty view of a match."""
    return View(parse(unpack_stored(pack(describe(match.game)))), player)


def framed(match: Match, base: int, player: int) -> bytes:
    """The frame a player is sent who holds tick `base`."""
    parts = match.delta(base), match.delta_owned(base, player)
    return frame_bytes(match.tick, base, match.tick, 0, None, None, *parts)


def show(view: View, payload: bytes) -> None:
    """Apply a frame's bytes to a view."""
    frame = decode_from_server(payload)
    assert isinstance(frame, Frame)
    view.apply(frame.tick, frame.base, frame.dropped, frame.chunks)


def eyes(match: Match) -> list[int]:
    """Every player, and a spectator."""
    return [0, *(player.id for player in match.players)]


def started(game: Game, seed: int, rows: int) -> Play:
    """A match of some rows, at tick 1."""
    play = Play(game, Random(seed), rows_max=rows + 12)
    for kind in game.entities[:2]:
        play.crowd(kind, rows // 2)
    play.tick(0)
    return play
