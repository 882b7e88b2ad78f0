"""A match rebuilt from its journal is the match, to the last bit, with what others hold of it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from random import Random

import pytest

from holdfast import Match
from server.core.journal import (
    JournalDamaged,
    apply_record,
    commit_of,
    encode_checkpoint,
    encode_record,
    follow_record,
    record_tick,
    restore,
    rows_of,
)
from server.core.seating import FULL, LOCKED, JoinRefusal, RefusalCode
from server.core.versions import LeftAlone
from shared.chunks import bits, pack, unpack_stored
from shared.errors import StoreError
from shared.limits import HISTORY_TICKS
from shared.match import Chunks
from tests.server.core.yard import NOT_YOU, Ground, Rules, Yard, nonce
from tests.shared.ends import opened
from tests.shared.reference import bits as bits_of
from tests.shared.reference import whole

PLAYERS = ("Ada", "Bob", "Cid")


class Run:
    """A long play of the yard with every record, and checkpoints at some ticks."""

    def __init__(self, ticks: int, checkpoints: Sequence[int] = (), seed: int = 5) -> None:
        self.rng = Random(seed)
        self.ground = Ground(Yard(), options=Rules(size=3.25))
        self.checkpoints: list[bytes] = []
        self.ground.seat(*PLAYERS)
        while self.match.tick < ticks:
            self.play()
            if self.match.tick in checkpoints:
                self.checkpoints.insert(0, encode_checkpoint(self.match))

    @property
    def match(self) -> Match:
        return self.ground.match

    @property
    def records(self) -> list[bytes]:
        return self.ground.records

    def play(self) -> None:
        for name in PLAYERS:
            if self.rng.random() < 0.7:
                words = self.rng.choice([(), (), ("hi",), ("no",), ("no", "ho", "no")])
                self.ground.post(name, self.rng.randint(-3, 3), *words)
        if self.rng.random() < 0.1:
            self.ground.post(self.rng.choice(PLAYERS), None, "restart")
        self.ground.tick()

    def after(self, tick: int) -> list[bytes]:
        return [record for record in self.records if record_tick(record) > tick]

    def restored(self, checkpoints: Sequence[bytes], records: Sequence[bytes]) -> Match:
        return restore(Yard(), Rules(size=3.25), 99, checkpoints, records)


@pytest.fixture(scope="module")
def run() -> Run:
    return Run(420, checkpoints=(150, 290))


def spoiled(blob: bytes) -> bytes:
    return blob[:-1] + bytes((blob[-1] ^ 1,))


def told(parts: Chunks) -> list[object]:
    """What a delta says, whatever the order: gone ids, and each value under table, id and bit."""
    said: list[object] = []
    for table, gone, *groups in opened(parts):
        said += [("gone", table, number) for number in gone]
        for mask, ids, *columns in groups:
            for bit, column in zip(bits(mask), columns, strict=True):
                said += [(table, n, bit, bits_of(v)) for n, v in zip(ids, column, strict=True)]
    return sorted(said, key=repr)


def same(one: Match, other: Match, *, reaching: int = HISTORY_TICKS) -> None:
    """Both hold the same rows and tell whoever returns from a recent tick the same."""
    assert whole(one) == whole(other)
    assert (one.tick, one.rng.getstate()) == (other.tick, other.rng.getstate())
    players = [player.id for player in one.players]
    for base in (0, *range(one.tick - reaching, one.tick + 1)):
        assert one.history.reaches(base) == other.history.reaches(base)
        if base:
            assert one.history.reaches(base), base
        assert told(one.delta(base)) == told(other.delta(base))
        for player in players:
            mine, yours = (each.delta_owned(base, player) for each in (one, other))
            assert told(mine) == told(yours)
            if base:
                refusals = one.history.refusals(player, base)
                assert refusals == other.history.refusals(player, base)


def test_from_records_alone_the_match_is_the_same_to_the_last_bit(run: Run) -> None:
    assert run.match.history.refusals(run.ground.row("Ada").id, 300), "or it proves little"
    same(run.restored([], run.records), run.match)


def test_from_checkpoints_the_match_and_its_last_128_ticks_are_the_same(run: Run) -> None:
    same(run.restored(run.checkpoints, run.after(150)), run.match)
    same(run.restored(run.checkpoints, run.records), run.match)


def test_the_restored_match_goes_on_as_the_unbroken_one_does() -> None:
    unbroken, broken = Run(300, (100, 160)), Run(300, (100, 160))
    heir = broken.restored(broken.checkpoints, broken.after(100))
    broken.ground.room.recover(heir)
    # What was held last is not journaled, so here, too, nothing is.
    unbroken.ground.room.recover(unbroken.match)
    for _ in range(150):
        unbroken.play()
        broken.play()
    assert unbroken.records == broken.records
    assert [commit_of(record).tick for record in broken.records] == list(range(1, 451))


def test_a_young_checkpoint_keeps_the_refusals_of_the_ticks_before_it() -> None:
    run = Run(200, checkpoints=(180,))
    match = run.restored(run.checkpoints, run.after(180))
    assert whole(match) == whole(run.match)
    assert not match.history.reaches(179)
    seen = 0
    for player in run.match.players:
        for base in range(200 - HISTORY_TICKS, 200):
            wanted = run.match.history.refusals(player.id, base)
            assert match.history.refusals(player.id, base) == wanted
            seen += len(wanted)
    assert seen > 100
    # The refusals survive a second checkpoint and restore as well.
    again = run.restored([encode_checkpoint(match)], [])
    assert again.history.refusals(run.ground.row("Ada").id, 100) == match.history.refusals(
        run.ground.row("Ada").id, 100
    )


def test_a_damaged_checkpoint_falls_back_to_the_older(run: Run) -> None:
    newer, older = run.checkpoints
    same(run.restored([spoiled(newer), older], run.after(150)), run.match)
    same(run.restored([newer, spoiled(older)], run.after(150)), run.match)


def test_with_every_checkpoint_damaged_nothing_is_made_up(run: Run) -> None:
    with pytest.raises(JournalDamaged, match="no checkpoint can be read"):
        run.restored([spoiled(one) for one in run.checkpoints], run.after(150))


def test_a_damaged_record_is_gone_around_where_a_newer_checkpoint_allows_it() -> None:
    run = Run(300, (60, 250))
    records = run.after(60)
    records[100] = spoiled(records[100])
    match = run.restored(run.checkpoints, records)
    same(match, run.match, reaching=50)
    assert not match.history.reaches(249)
    records[-2] = spoiled(records[-2])
    with pytest.raises(JournalDamaged, match="a checksum does not match"):
        run.restored(run.checkpoints, records)


def test_no_tail_is_ever_cut_off(run: Run) -> None:
    records = run.after(150)
    for cut in (spoiled(records[-1]), b"", records[-1][:-1]):
        with pytest.raises(JournalDamaged, match="a checksum does not match"):
            run.restored(run.checkpoints, [*records[:-1], cut])


def test_a_missing_record_is_told(run: Run) -> None:
    records = run.after(290)
    del records[40]
    with pytest.raises(JournalDamaged, match="tick 332 follows tick 330"):
        run.restored(run.checkpoints[:1], records)
    with pytest.raises(JournalDamaged, match="tick 3 follows tick 0"):
        run.restored([], run.records[2:])


def test_a_checkpoint_may_be_all_there_is(run: Run) -> None:
    match = run.restored(run.checkpoints[:1], [])
    assert match.tick == 290
    apply_record(match, run.after(290)[0])
    assert match.tick == 291


def test_nothing_stored_is_a_match_that_has_not_begun() -> None:
    match = restore(Yard(), Rules(), 99, [], [])
    assert (match.tick, whole(match)) == (0, [])


def test_damage_is_the_worlds_fault() -> None:
    assert issubclass(JournalDamaged, StoreError)


def sealed(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "little") + body


@pytest.mark.parametrize(
    ("blob", "said"),
    [
        (b"", "checksum"),
        (b"\0\0\0\0", "checksum"),
        (sealed(b"\x93\x01\x02"), "it cannot be read: ValueError"),
        (sealed(pack([])), "no record of format 1"),
        (sealed(pack(7)), "no record of format 1"),
        (sealed(pack({"a": 1})), "no record of format 1"),
        (sealed(pack([0, 1])), "no record of format 1"),
    ],
)
def test_what_is_no_record_is_told_from_one(blob: bytes, said: str) -> None:
    with pytest.raises(JournalDamaged, match=said):
        record_tick(blob)


def test_a_newer_format_is_left_alone() -> None:
    newer = sealed(pack([2, {"tick": 1}]))
    with pytest.raises(LeftAlone, match=r"newer Holdfast \(format 2, this one reads 1\): update"):
        record_tick(newer)
    for checkpoints, records in (([newer], []), ([], [newer])):
        with pytest.raises(LeftAlone, match="format 2"):
            restore(Yard(), Rules(), 99, checkpoints, records)


def test_any_flipped_bit_is_noticed(run: Run) -> None:
    record, rng = run.records[50], Random(1)
    for _ in range(200):
        at = rng.randrange(len(record))
        bad = record[:at] + bytes((record[at] ^ (1 << rng.randrange(8)),)) + record[at + 1 :]
        with pytest.raises(JournalDamaged):
            commit_of(bad)


def test_a_record_holds_its_commit_and_is_applied_in_its_turn_only() -> None:
    ground = Ground(Yard())
    first = ground.seat("Ada")
    follower = ground.restored([])
    for words in ("no", "hi"):
        ground.post("Ada", 1, words)
        step = ground.tick()
        assert commit_of(ground.records[-1]) == step.commit
        assert record_tick(ground.records[-1]) == step.commit.tick
    assert first
    apply_record(follower, ground.records[0])
    with pytest.raises(JournalDamaged, match="tick 3 follows tick 1"):
        apply_record(follower, ground.records[2])
    with pytest.raises(JournalDamaged, match="tick 1 follows tick 1"):
        apply_record(follower, ground.records[0])
    apply_record(follower, ground.records[1])
    apply_record(follower, ground.records[2])
    assert whole(follower) == whole(ground.match)


def test_the_public_part_of_a_record_lies_in_one_piece_for_frames_to_send_on() -> None:
    ground = Ground(Yard())
    ground.seat("Ada")
    ground.post("Ada", 1)
    step = ground.tick()
    assert step.commit.public.data in ground.records[-1]
    body = unpack_stored(ground.records[-1][4:])
    assert body[:2] == [1, step.commit.tick]
    assert encode_record(step.commit) == ground.records[-1]


def test_a_follower_is_shown_what_the_owner_was_and_whom_it_turned_away() -> None:
    ground, follower = Ground(Yard()), Ground(Yard()).match
    ground.ask("Ada", "unwelcome")
    step = ground.room.step()
    record = encode_record(step.commit, step.refused)
    assert follow_record(follower, record) == (step.commit, {nonce("unwelcome"): NOT_YOU})
    assert whole(follower) == whole(ground.match)
    # A tick that turned nobody away says nothing of it.
    step = ground.room.step()
    assert follow_record(follower, encode_record(step.commit, {})) == (step.commit, {})
    with pytest.raises(JournalDamaged, match="tick 1 follows tick 2"):
        follow_record(follower, record)


def test_a_refusal_is_read_with_its_code_and_without_one_as_0_1_wrote_it() -> None:
    ground, follower = Ground(Yard()), Ground(Yard()).match
    record = encode_record(ground.room.step().commit, {nonce("Ada"): FULL, nonce("Bob"): LOCKED})
    body = unpack_stored(record[4:])
    assert body[6] == [[nonce("Ada"), *FULL[::-1]], [nonce("Bob"), *LOCKED[::-1]]]
    body[6] = [[nonce("Ada"), "the room is full"], [nonce("Bob"), "no", 99, "more"]]
    packed = pack(body)
    _, refused = follow_record(follower, zlib.crc32(packed).to_bytes(4, "little") + packed)
    assert refused == {
        nonce("Ada"): JoinRefusal(RefusalCode.GAME, "the room is full"),
        nonce("Bob"): JoinRefusal(RefusalCode.GAME, "no"),
    }


@pytest.mark.parametrize("since", [0, 30, 90])
def test_rows_are_read_without_the_rules_that_wrote_them(since: int) -> None:
    run = Run(100, checkpoints=(30, 90))
    checkpoint = next((one for one in run.checkpoints if record_tick(one) == since), None)
    view = rows_of(checkpoint, run.records[since:])
    assert view.tick == run.match.tick
    for table in run.match.tables:
        name, fields = table.kind.__name__, table.kind._fields  # pyright: ignore[reportPrivateUsage]
        assert [row.id for row in view.all(name)] == sorted(table.rows)
        for row in view.all(name):
            kept = table.rows[row.id]
            assert row.owner == kept.owner
            for field in fields:
                assert getattr(row, field) == getattr(kept, field), (name, field)


def test_rows_are_not_read_past_a_hole_or_damage() -> None:
    run = Run(10)
    with pytest.raises(JournalDamaged, match="tick 7 follows tick 5"):
        rows_of(None, run.records[:5] + run.records[6:])
    with pytest.raises(JournalDamaged, match="nothing says"):
        rows_of(None, run.records[1:])
    with pytest.raises(JournalDamaged, match="checksum"):
        rows_of(None, [*run.records[:5], run.records[5][:-1] + b"x"])
    with pytest.raises(JournalDamaged, match="no rows yet"):
        rows_of(None, [])
