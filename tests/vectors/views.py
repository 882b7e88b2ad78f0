"""Vectors of views: what one seat of a random game is sent, and the rows it then holds."""

from __future__ import annotations

from random import Random
from typing import Any

from shared.chunks import by_mask, pack, unpack_stored
from shared.match import Chunks, Match
from shared.messages import Welcome, decode_from_server, frame_bytes
from shared.schema import describe, parse
from shared.tables import PUBLIC, Table
from shared.view import View
from tests.shared.play import Play
from tests.shared.reference import digest, exactly, held, seen
from tests.vectors.zoo import Beast, Card, Nest, Stone, Zoo

FRAMES = 24


class Seat:
    """One seat's side of the game: which tick it holds and, where it sees not all, which rows."""

    def __init__(self, play: Play, player: int, *, sees_all: bool = True) -> None:
        self.play = play
        self.player = player
        self.held = 0
        self.known: set[int] | None = None if sees_all else set()
        schema = describe(play.match.game)
        self.view = View(parse(unpack_stored(pack(schema))), player)
        self.welcome = Welcome(bytes(24), "room", 3, player, 20, 1, schema)
        self.frames: list[dict[str, Any]] = []

    def frame(self, base: int) -> None:
        """Send the seat a frame from tick `base`; what it holds then is what it should."""
        match = self.play.match
        if self.known is None:
            dropped, parts = None, [match.delta(base), match.delta_owned(base, self.player)]
        else:
            dropped, parts = self._narrowed(base, self.known)
        number = len(self.frames)
        refusals = [[number, 1, "no"], [number, 0, "skipped"]] if number % 5 == 3 else None
        sent = frame_bytes(match.tick, base, match.tick, number, refusals, dropped, *parts)
        frame: Any = decode_from_server(sent)
        self.view.apply(frame.tick, frame.base, frame.dropped, frame.chunks)
        rows = seen(match, self.player, self.known)
        crc = digest(match, self.player, self.known)
        assert exactly(held(self.view)) == exactly(rows)
        assert self.view.digest() == crc
        self.frames.append({"frame": sent.hex(), "digest": crc, "rows": rows})
        self.held = match.tick

    def _narrowed(self, base: int, known: set[int]) -> tuple[list[Any] | None, list[Chunks]]:
        """Chunks of a seat that sees two thirds of the beasts, and the rows that left its sight."""
        match = self.play.match
        if base == 0:
            known.clear()
        since = match.history.since(base) if base else {}
        public: list[bytes] = []
        owned: list[bytes] = []
        dropped: list[Any] = []
        for table in match.tables:
            merged = since.get(table.index)
            sight = {n for n, row in table.rows.items() if self._sees(table, row)}
            before = {n for n in known if n in table.rows or (merged and n in merged.gone)}
            gone = sorted(before - set(table.rows))
            left = sorted((before & set(table.rows)) - sight)
            if left:
                dropped.append([table.index, left])
            masks = dict.fromkeys(sight - before, table.kind._full)
            if merged:
                masks |= {n: m for n, m in merged.masks.items() if n in sight & before}
            groups = by_mask((masks[n], table.rows[n]) for n in sorted(masks))
            chunk = table.encode(PUBLIC, groups, gone)
            if chunk is not None:
                public.append(chunk)
            mine = table.encode_owned(groups).get(self.player)
            if mine is not None:
                owned.append(mine)
            known -= before - sight
            known |= sight
        return dropped or None, [Chunks.of(public), Chunks.of(owned)]

    def _sees(self, table: Table, row: Any) -> bool:
        return (
            table.kind is not Beast
            or row.owner == self.player
            or (row.id + self.play.match.tick // 4) % 3 > 0
        )


def make_views() -> dict[str, Any]:
    """Files of views, by name."""
    # Ids past 2**31 are what a u32 column is for.
    crowd = Play(Zoo(), Random(20260), rows_max=60)
    crowd.match.room.next_id = 2**31 - 30
    for kind, count in ((Nest, 9), (Beast, 12), (Card, 18), (Stone, 8)):
        crowd.crowd(kind, count)
    few = Play(Zoo(), Random(20261), rows_max=14, players=2)
    few.match.room.next_id = 251
    few.crowd(Beast, 4)
    return _play(crowd, 9, ("crowd", "many")) | _play(few, 4, ("few", "quiet"))


def _play(play: Play, deeds_max: int, names: tuple[str, str]) -> dict[str, Any]:
    match, (first, second) = play.match, names
    for _ in range(4):
        play.tick(deeds_max)
    ids = [player.id for player in match.players]
    seats = {
        f"{first}-player": Seat(play, ids[0]),
        f"{first}-narrow": Seat(play, ids[0], sees_all=False),
        f"{second}-player": Seat(play, ids[-1]),
        f"{second}-spectator": Seat(play, 0),
    }
    for number in range(FRAMES):
        parade = play.columns[number * 2 % len(play.columns) :][:2]
        play.tick(deeds_max, parade)
        for index, seat in enumerate(seats.values()):
            anew = number == 12 + index
            # Every fourth frame is skipped; the next covers the gap.
            if anew or not number or (number + index) % 4:
                seat.frame(0 if anew else _base(seat, match, number))
    return {
        name: {"welcome": seat.welcome.encode().hex(), "frames": seat.frames}
        for name, seat in seats.items()
    }


def _base(seat: Seat, match: Match, number: int) -> int:
    """The tick held, or now and then one before it: values are absolute, so that does no harm."""
    if seat.known is not None or number % 7 != 6:
        return seat.held
    return max(seat.held - 2, 1)
