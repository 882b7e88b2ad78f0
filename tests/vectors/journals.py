"""Write the journals that a release leaves behind: `python -m tests.vectors.journals 0.1`.

It is run once, for the release that is about to be made, and never for one that was: the files say
what that release wrote, and every later one must read them. See README.md.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from games.coins.game import Coins
from server.core.inbox import decode_items
from server.core.journal import encode_checkpoint, encode_record, restore
from server.core.lobby import RoomMeta
from server.core.room import Room, SeatRequest
from server.core.seating import FULL
from shared.chunks import pack
from shared.columns import Kind
from shared.entities import Entity, EntityMeta, Event
from shared.game import Game
from shared.history import Refusal
from shared.inputs import InputMeta
from shared.match import Match
from shared.messages import InputItem
from shared.schema import describe, parse
from tests.shared.later import LaterZoo
from tests.shared.play import Play
from tests.vectors.zoo import Zoo

FOLDER = Path(__file__).parent
TICKS = 36
CHECKPOINT_TICKS = 12
Rows = dict[str, dict[str, dict[str, Any]]]


@dataclass
class Kept:
    """A journal under way: what a store would hold, had it never dropped a record."""

    meta: RoomMeta
    records: list[bytes] = field(default_factory=list[bytes])
    checkpoints: list[bytes] = field(default_factory=list[bytes])

    def keep(self, match: Match, record: bytes) -> None:
        """A record, and now and then a checkpoint (the newest first, as a store gives them)."""
        self.records.append(record)
        if match.tick % CHECKPOINT_TICKS == 0:
            self.checkpoints.insert(0, encode_checkpoint(match))

    def file(self, match: Match) -> dict[str, Any]:
        """As it is kept in a file, with the rows that reading it must give."""
        refused = match.history.recent()
        return {
            "tick": match.tick,
            "version": match.game.version,
            "meta": self.meta.encode().hex(),
            "options": self.meta.options_of(match.game).to_wire(),
            "refusals": [[tick, list(one)] for tick, found in refused for one in found],
            "rows": rows_of(match),
            "checkpoints": [blob.hex() for blob in self.checkpoints],
            "records": [blob.hex() for blob in self.records],
        }


def rows_of(match: Match) -> Rows:
    """Every row with every column, hidden ones too, by table's name and id."""
    return {
        table.kind.__name__: {
            str(number): {"owner": row.owner, **{key: getattr(row, key) for key in row._fields}}
            for number, row in table.rows.items()
        }
        for table in match.tables
    }


def game_of(version: str, wire: list[Any]) -> Game:
    """A game with the tables of a schema, and with no rules, to read what it wrote."""
    plain, schema = Game(), parse(wire, hidden=True)
    bases: tuple[Any, ...] = (Entity, plain.room, plain.player, Event)
    kinds: list[Any] = []
    for table in schema.tables:
        base = bases[table.kind]
        fields = {name: spec for name, spec in table.fields.values() if name not in base._fields}
        kinds.append(EntityMeta(table.name, (base,), fields))
    for kind, (_, _, entries) in zip(kinds, wire[0], strict=True):
        for _, name, number, _, _, *parameters in entries:
            if number == Kind.REF:
                kind._fields[name] = replace(kind._fields[name], table=kinds[parameters[0]])
    options = InputMeta("Options", (plain.options,), dict(schema.options))
    parts = {"room": kinds[0], "player": kinds[1], "entities": tuple(kinds[2:])}
    return type("Read", (Game,), {**parts, "options": options, "version": version})()  # type: ignore[no-any-return]


def meta_of(name: str, game: Game) -> RoomMeta:
    """What a room of this game was created with."""
    options = tuple(game.options().to_wire())
    declared = pack(describe(game)[3])
    return RoomMeta(name, options, 5, 0, False, 1_700_000_000_000, game.version, declared)


def coins() -> dict[str, Any]:
    """Two players of coins who run about, one of them turned away at first."""
    game, rng = Coins(), Random(1)
    kept = Kept(meta_of("coins", game))
    room = Room("coinscoinscoins", Match(game, game.options(), kept.meta.seed), 1)
    for name in ("Ada", "Bob"):
        room.join(SeatRequest(name.encode().ljust(16), name, f"{name}@example"))
    away = {b"Cid".ljust(16): FULL}
    for seq in range(TICKS):
        for player in room.match.players:
            wire = [rng.randint(-1, 1), rng.randint(-1, 1)]
            room.submit(player.id, decode_items(game, [InputItem(seq, wire)]))
        step = room.step()
        kept.keep(room.match, encode_record(step.commit, away if seq == 5 else None))
    return kept.file(room.match)


def zoo() -> tuple[dict[str, Any], dict[str, Any]]:
    """Every kind of field for every audience; and how the same match went on by later rules."""
    play = Play(Zoo(), Random(2), rows_max=16)
    kept = Kept(meta_of("zoo", play.match.game))
    for number in range(TICKS):
        refusals = [Refusal(2, number, 1, "not now")] if number % 10 == 9 else []
        kept.keep(play.match, encode_record(play.tick(refusals=refusals)))
    before = kept.file(play.match)
    return before, _later(kept)


def _later(kept: Kept) -> dict[str, Any]:
    game = LaterZoo()
    play = Play(game, Random(3), rows_max=16)
    play.match = restore(game, game.options(), kept.meta.seed, kept.checkpoints, kept.records)
    for _ in range(CHECKPOINT_TICKS + 2):
        kept.keep(play.match, encode_record(play.tick()))
    return kept.file(play.match)


def main(release: str) -> None:
    """Write a release's folder, if it is not there."""
    folder = FOLDER / f"journal-{release}"
    if folder.exists():
        sys.exit(f"{folder} is there: what release {release} wrote is never written again")
    folder.mkdir()
    before, later = zoo()
    for name, content in {"coins": coins(), "zoo": before, "zoo-later": later}.items():
        text = json.dumps(content, indent=1, ensure_ascii=True)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.vectors.journals RELEASE, as in 0.1")
    main(sys.argv[1])
