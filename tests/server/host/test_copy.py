"""A copy takes what fits and nothing else, and knows what it has missed."""

from __future__ import annotations

import pytest

from holdfast import Entity, Match, Player, u16
from server.core.journal import JournalDamaged, encode_record
from server.core.ports import Publication
from server.host.follower import RECENT_RECORDS, STARTS_KEPT, Copy, Heard
from server.store.base import Held, Record, Status, Tail
from server.store.exchange import NewEpoch
from tests.server.core.yard import NOT_YOU, Ground, Yard, nonce
from tests.shared.reference import whole


class Pit(Entity):
    depth: int = u16()


class Wide(Yard):
    """The yard as other rules have it, with a table more."""

    entities = (*Yard.entities, Pit)

    def join(self, match: Match, player: Player) -> None:
        super().join(match, player)
        match.spawn(Pit())


class Owner:
    """A room whose ticks are records, and a copy of it from before its first tick."""

    def __init__(self) -> None:
        self.ground = Ground(Yard())
        self.epoch = 5
        self.records: list[Record] = []
        self.copy = Copy(Ground(Yard()).match, 5)

    def tick(self, count: int = 1) -> Record:
        for _ in range(count):
            step = self.ground.room.step()
            record = encode_record(step.commit, step.refused)
            self.records.append(Record(self.epoch, step.commit.tick, record))
        return self.records[-1]

    def told(self, count: int = 1) -> None:
        """Ticks that the copy hears of, each in its turn."""
        for _ in range(count):
            assert isinstance(self.copy.take(self.tick()), Publication)

    def tail(self, *records: Record, tick: int | None = None, epoch: int | None = None) -> Tail:
        last = self.ground.match.tick if tick is None else tick
        return Tail(epoch or self.epoch, last, "owner", Status.LIVE, records)

    def same(self) -> bool:
        return whole(self.copy.match) == whole(self.ground.match)


def test_the_next_tick_is_shown_as_the_owner_showed_it() -> None:
    owner = Owner()
    owner.ground.ask("Ada", "Bob", "unwelcome")
    shown = owner.copy.take(owner.tick())
    assert isinstance(shown, Publication)
    assert (shown.commit.tick, shown.committed_tick, shown.seated, shown.left) == (1, 1, {}, ())
    assert shown.refused == {nonce("unwelcome"): NOT_YOU}
    bob = owner.ground.row("Bob").id
    owner.ground.room.leave(bob)
    shown = owner.copy.take(owner.tick())
    assert isinstance(shown, Publication)
    assert shown.left == (bob,), "of all rows that are gone, the players'"
    assert owner.same()
    assert owner.copy.tick == 2


def test_what_is_known_is_old_and_what_leaves_a_hole_is_not_taken() -> None:
    owner = Owner()
    owner.told(2)
    take = owner.copy.take
    assert take(owner.records[0]) is take(owner.records[1]) is Heard.OLD
    owner.tick()
    assert take(owner.tick()) is Heard.BEHIND
    assert owner.copy.tick == 2
    assert isinstance(take(owner.records[2]), Publication)
    assert isinstance(take(owner.records[3]), Publication)
    assert owner.same()


def test_a_new_owner_is_followed_from_where_both_are() -> None:
    owner = Owner()
    owner.told(3)
    take, copy = owner.copy.take, owner.copy
    assert take(NewEpoch(5, 3, "owner")) is Heard.OLD
    assert take(NewEpoch(4, 3, "elder")) is Heard.OLD
    for tick in (2, 4):
        assert take(NewEpoch(7, tick, "heir")) is Heard.BEHIND
    assert copy.epoch == 5
    assert take(NewEpoch(7, 3, "heir")) is Heard.EPOCH
    assert (copy.epoch, copy.tick) == (7, 3)
    # What the owner before says still was never committed.
    assert take(owner.tick()) is Heard.OLD
    assert copy.tick == 3


def test_a_record_of_an_epoch_not_heard_of_is_not_taken() -> None:
    owner = Owner()
    owner.told(3)
    owner.epoch = 7
    assert owner.copy.take(owner.tick()) is Heard.BEHIND
    assert (owner.copy.epoch, owner.copy.tick) == (5, 3)


def test_owners_that_commit_nothing_are_counted() -> None:
    owner = Owner()
    owner.told()
    for epoch in (6, 7, 8):
        owner.copy.take(NewEpoch(epoch, 1, "heir"))
    assert owner.copy.idle_epochs == 3
    owner.epoch = 8
    owner.told()
    assert owner.copy.idle_epochs == 0


def test_what_was_missed_is_taken_in_tick_by_tick_through_every_epoch() -> None:
    owner = Owner()
    owner.ground.ask("Ada")
    owner.told(2)
    owner.tick(3)
    owner.epoch = 9
    owner.tick(2)
    tail = owner.tail(*owner.records[1:], epoch=11)
    assert not owner.copy.fits(tail)
    shown = list(owner.copy.catch_up(tail))
    assert [one.commit.tick for one in shown] == [3, 4, 5, 6, 7]
    assert owner.same()
    assert (owner.copy.fits(tail), owner.copy.epoch) == (True, 11)
    assert owner.copy.idle_epochs == 1, "of the last owner nothing is there"


def test_the_first_ticks_of_epochs_are_remembered_for_those_who_come_back() -> None:
    owner = Owner()
    owner.told(2)
    owner.copy.take(NewEpoch(6, 2, "luckless"))
    owner.copy.take(NewEpoch(7, 2, "heir"))
    owner.epoch = 7
    owner.told(3)
    owner.tick()
    owner.epoch = 9
    owner.tick()
    list(owner.copy.catch_up(owner.tail(*owner.records[5:])))
    assert owner.copy.starts == [(5, 1), (7, 3), (9, 7)], "of those that committed something"
    for epoch in range(10, 10 + STARTS_KEPT):
        owner.copy.take(NewEpoch(epoch, owner.ground.match.tick, "heir"))
        owner.epoch = epoch
        owner.told()
    assert len(owner.copy.starts) == STARTS_KEPT
    assert owner.copy.starts[-1] == (9 + STARTS_KEPT, owner.ground.match.tick)


def test_a_tail_that_leads_elsewhere_says_so() -> None:
    owner = Owner()
    owner.told(4)
    copy = owner.copy
    # The journal ends before what is held: this copy shows what never was, or the store lost it.
    assert list(copy.catch_up(owner.tail(tick=2))) == []
    assert not copy.fits(owner.tail(tick=2))
    # It no longer holds everything that was missed.
    owner.tick(3)
    assert list(copy.catch_up(owner.tail(*owner.records[5:]))) == []
    assert not copy.fits(owner.tail(*owner.records[5:]))
    # Its records are of an epoch before this one.
    copy.take(NewEpoch(9, 4, "heir"))
    assert list(copy.catch_up(owner.tail(*owner.records[4:]))) == []
    assert (copy.tick, copy.epoch) == (4, 9)
    assert not copy.fits(owner.tail(tick=4)), "of an older epoch, though of the same tick"


def test_the_newest_records_are_held_for_taking_over() -> None:
    owner = Owner()
    assert owner.copy.held() == Held(5, 0, ())
    owner.told(RECENT_RECORDS + 10)
    held = owner.copy.held()
    assert (held.epoch, held.tick) == (5, RECENT_RECORDS + 10)
    assert held.recent == tuple(owner.records[-RECENT_RECORDS:])
    again = Copy(owner.copy.match, 5, tuple(owner.records))
    assert again.held() == held


def test_a_record_that_does_not_fit_the_rows_is_damage_and_not_a_crash() -> None:
    owner = Owner()
    owner.ground.ask("Ada")
    owner.told()
    wide = Ground(Wide())
    wide.tick()
    wide.ask("Ada")
    wide.tick()
    for spoiled in (b"", b"spoiled", wide.records[1], owner.records[0].record):
        with pytest.raises(JournalDamaged):
            owner.copy.take(Record(5, 2, spoiled))
