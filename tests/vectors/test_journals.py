"""This release reads what every release before it wrote, to the last bit.

The files in the folders `journal-RELEASE` are never written again: where this test fails, what
is wrong is the code. A new release gets a folder of its own (`python -m tests.vectors.journals`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from games.coins.game import Coins
from server.core.journal import apply_record, restore
from server.core.lobby import RoomMeta
from shared.chunks import unpack_stored
from shared.game import Game
from shared.match import Match
from tests.shared.later import LaterZoo
from tests.shared.reference import exactly
from tests.vectors.journals import FOLDER, Rows, game_of, main, rows_of

RELEASES = ["0.1"]
FILES = [
    FOLDER / f"journal-{release}" / f"{name}.json"
    for release in RELEASES
    for name in ("coins", "zoo", "zoo-later")
]


class Kept:
    """One file: a journal, and what it says."""

    def __init__(self, path: Path) -> None:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        self.content = content
        self.checkpoints = [bytes.fromhex(blob) for blob in content["checkpoints"]]
        self.records = [bytes.fromhex(blob) for blob in content["records"]]
        self.meta = RoomMeta.decode(bytes.fromhex(content["meta"]))
        version, schema = unpack_stored(self.checkpoints[0][4:])[7]
        assert version == content["version"]
        self.game = game_of(version, schema)

    def read(self, game: Game, checkpoints: list[bytes], records: list[bytes]) -> Match:
        return restore(game, self.meta.options_of(game), self.meta.seed, checkpoints, records)

    def same(self, match: Match) -> None:
        """The match is what the file says; fields that a room or player has now may be more."""
        assert match.tick == self.content["tick"]
        wanted: dict[str, Any] = self.content["rows"]
        found: Any = rows_of(match)
        for name, rows in found.items():
            first = next(iter(wanted[name].values()), {"owner": 0})
            for row in rows.values():
                for added in row.keys() - first.keys():
                    del row[added]
        assert exactly(by_number(found)) == exactly(by_number(wanted))
        assert [[tick, list(one)] for tick, many in match.history.recent() for one in many] == (
            self.content["refusals"]
        )


def by_number(rows: Rows) -> dict[str, dict[int, dict[str, Any]]]:
    """Rows of a file by their ids, which JSON keeps as text."""
    return {name: {int(n): row for n, row in table.items()} for name, table in rows.items()}


@pytest.fixture(params=FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def kept(request: pytest.FixtureRequest) -> Kept:
    return Kept(request.param)


def test_from_any_checkpoint_and_from_none_the_rows_are_those(kept: Kept) -> None:
    kept.same(kept.read(kept.game, [], kept.records))
    for at in range(len(kept.checkpoints)):
        kept.same(kept.read(kept.game, kept.checkpoints[at:], kept.records))
    assert len(kept.checkpoints) > 2


def test_a_follower_has_the_same_rows_as_one_who_begins_there(kept: Kept) -> None:
    oldest = kept.checkpoints[-1]
    match = kept.read(kept.game, [oldest], [])
    for record in kept.records[match.tick :]:
        apply_record(match, record)
    kept.same(match)


def test_what_a_room_was_created_with_is_read(kept: Kept) -> None:
    assert (kept.meta.seed, kept.meta.created_ms) == (5, 1_700_000_000_000)
    assert kept.meta.options_of(kept.game).to_wire() == kept.content["options"]
    assert kept.meta.options == ((10, "roar") if kept.meta.game == "zoo" else ())


def test_the_game_as_it_is_now_reads_what_it_still_has() -> None:
    kept = Kept(FOLDER / "journal-0.1" / "coins.json")
    match = kept.read(Coins(), kept.checkpoints, kept.records)
    now, before = rows_of(match), kept.content["rows"]
    compared = 0
    for name, rows in now.items():
        assert rows.keys() == before[name].keys()
        for number, row in rows.items():
            shared = row.keys() & before[name][number].keys()
            assert {key: row[key] for key in shared} == {k: before[name][number][k] for k in shared}
            compared += len(shared)
    assert compared > 60
    assert {row["name"] for row in now["Player"].values()} == {"Ada", "Bob"}


def test_rules_changed_in_the_midst_of_one(kept: Kept) -> None:
    versions = [unpack_stored(record[4:])[7:] for record in kept.records]
    told = [written[0][0] for written in versions if written]
    assert told == (["1", "2"] if "Enclosure" in kept.content["rows"] else ["1"])
    if len(told) > 1:
        kept.same(kept.read(LaterZoo(), kept.checkpoints, kept.records))


def test_what_a_release_wrote_is_never_written_again() -> None:
    with pytest.raises(SystemExit, match=r"what release 0\.1 wrote is never written again"):
        main("0.1")
    folders = {path.name for path in FOLDER.glob("journal-*") if path.is_dir()}
    assert folders == {f"journal-{one}" for one in RELEASES}, "name every release in RELEASES"
