"""The checker finds nothing in a clean history, and every kind of violation made by hand."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from bench.checker import Kind, Violation, judge, rows_digest, tally
from bench.history import Counts, Recovered, RoomHistory, Seen, Witness
from games.coins.game import Coins
from server.core.journal import encode_record
from server.store.base import Record
from shared.game import Game
from tests.bench.past import EPOCH, ROOM, Past
from tests.server.core.yard import Cave, Yard

TICKS = 40


def lived(game: Game | None = None, seed: int = 3) -> RoomHistory:
    """Two players under two owners: ticks not seen, inputs skipped, one item without an input."""
    past = Past(game or Coins(), seed)
    rng = Random(seed)
    past.join("ada", "bob")
    for number in range(TICKS):
        if number == TICKS // 2:
            past.epoch += 7
        if number == 5:
            # More than may wait, so that the oldest are skipped.
            for client in past.clients.values():
                for _ in range(6):
                    past.send(client, [1, 0])
        item = None if number == 9 else [rng.randint(-1, 1), rng.randint(0, 0)]
        past.tick(item, seen=number not in (12, 13))
    while any(client.ack < client.seq for client in past.clients.values()):
        past.tick(sent=False)
    return past.finished()


def found(history: RoomHistory) -> list[Violation]:
    return judge(history)


def kinds(history: RoomHistory) -> set[Kind]:
    return {violation.kind for violation in found(history)}


def counts(history: RoomHistory) -> Counts:
    told = history.witnesses[0].counts
    assert told is not None
    return told


def change_frame(history: RoomHistory, at: int, **fields: Any) -> Seen:
    """The first player's frame at this place, changed; returns what it was."""
    frames = history.witnesses[0].frames
    before = frames[at]
    frames[at] = before._replace(**fields)
    return before


# What a clean history is.


@pytest.mark.parametrize("game", [Coins(), Yard(), Cave()])
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_a_clean_history_has_no_violation(game: Game, seed: int) -> None:
    history = lived(game, seed)
    assert found(history) == []
    # And it is one in which all sorts of things happened.
    told = counts(history)
    assert told.skipped > 0
    assert told.bare == 1
    assert told.applied > TICKS / 2
    assert len({record.epoch for record in history.writes}) == 2
    assert len(history.witnesses[0].frames) < len(history.writes)
    assert any(seen.crc for seen in history.witnesses[0].frames)


def test_a_history_that_begins_at_a_checkpoint_is_judged_from_there() -> None:
    past = Past(Coins())
    past.join("ada", "bob")
    for _ in range(10):
        past.tick([1, 1])
    past.history.start = past.checkpoint()
    past.history.writes.clear()
    for _ in range(10):
        past.tick([0, 1])
    history = past.finished()
    assert found(history) == []
    change_frame(history, 15, crc=1)
    assert kinds(history) == {Kind.DIFFERENT}
    # Of what was seen before it nothing is known.
    change_frame(history, 15, crc=None)
    change_frame(history, 5, crc=1)
    assert found(history) == []


def test_a_session_that_was_cut_off_is_judged_by_what_it_saw() -> None:
    history = lived()
    history.witnesses[0].counts = None
    assert found(history) == []
    change_frame(history, 3, crc=1)
    assert kinds(history) == {Kind.DIFFERENT}


def test_a_spectator_is_judged_like_a_player() -> None:
    past = Past(Coins())
    past.join("ada")
    past.tick()
    past.tick([1, 0])
    history = past.finished()
    crc = history.witnesses[0].frames[-1].crc
    watcher = Witness("watcher", [(ROOM, 0)], [Seen(2, 2, 0, EPOCH, crc, 0.0)])
    history.witnesses.append(watcher)
    assert found(history) == []
    watcher.frames[0] = watcher.frames[0]._replace(crc=1)
    assert kinds(history) == {Kind.DIFFERENT}


# The journal alone.


def test_a_hole_in_the_journal_is_found() -> None:
    history = lived()
    lost = history.writes.pop(TICKS // 2)
    [violation] = [one for one in found(history) if one.kind is Kind.HOLE]
    assert violation.tick == lost.tick + 1
    assert str(violation) == (
        f"room {ROOM}, tick {lost.tick + 1}: the record before it is that of tick {lost.tick - 1}"
    )


def test_a_tick_written_twice_is_found() -> None:
    history = lived()
    again = history.writes[20]
    history.writes.insert(21, replace(again, epoch=again.epoch + 1))
    violations = found(history)
    assert {(one.kind, one.tick) for one in violations if one.kind is not Kind.EPOCH} == {
        (Kind.TWICE, again.tick)
    }


def test_an_epoch_that_falls_is_found() -> None:
    history = lived()
    history.writes[30] = replace(history.writes[30], epoch=EPOCH)
    assert [(one.kind, one.tick) for one in found(history)] == [
        (Kind.EPOCH, history.writes[30].tick)
    ]


def test_a_record_that_cannot_be_read_is_found() -> None:
    history = lived()
    history.writes[10] = replace(history.writes[10], record=b"nothing of ours")
    assert (Kind.UNREADABLE, 11) in {(one.kind, one.tick) for one in found(history)}


# What clients saw.


def test_a_view_that_differs_is_found() -> None:
    history = lived()
    seen = change_frame(history, 8, crc=1)
    [violation] = found(history)
    assert (violation.kind, violation.tick) == (Kind.DIFFERENT, seen.tick)
    assert violation.player == history.witnesses[0].player


def test_another_past_s_record_in_its_place_is_found() -> None:
    history, other = lived(Yard()), lived(Yard(), seed=9)
    # Both can be folded, and both count the same inputs: only the views can tell.
    assert history.writes[7] != other.writes[7]
    history.writes[7] = other.writes[7]
    assert kinds(history) >= {Kind.DIFFERENT}


def test_a_hidden_row_that_is_shown_is_found() -> None:
    history = lived(Cave())
    ada, bob = history.witnesses
    # Bob's eyes at Ada's place: the rows are right, and not hers to see.
    ada.frames[20] = ada.frames[20]._replace(crc=bob.frames[20].crc)
    assert kinds(history) == {Kind.DIFFERENT}


def test_a_tick_seen_before_it_was_committed_is_found() -> None:
    history = lived()
    seen = change_frame(history, 8, committed=8)
    assert [(one.kind, one.tick) for one in found(history)] == [(Kind.UNCOMMITTED, seen.tick)]


class Hasty(Coins):
    """Coins that are seen up to three ticks before they are committed."""

    journal_lag_ticks_max = 3


def test_a_game_may_let_ticks_be_seen_early_and_undone_but_no_more_than_it_says() -> None:
    history = lived(Hasty())
    assert found(history) == []
    frames = history.witnesses[0].frames
    at = next(n for n, seen in enumerate(frames) if seen.tick == 20)
    # Two ticks that never were, and then the same ticks as they are in the journal.
    undone = [seen._replace(committed=19, crc=1, ack=900) for seen in frames[at : at + 2]]
    frames[at:at] = undone
    assert found(history) == []
    frames[at] = undone[0]._replace(tick=23)
    assert kinds(history) == {Kind.UNCOMMITTED}
    # What was told to be committed is not undone.
    frames[at] = undone[0]._replace(committed=20, crc=None, ack=0)
    assert kinds(history) == {Kind.BACK}


def test_a_tick_seen_and_undone_is_found() -> None:
    history = lived()
    last = history.witnesses[0].frames[-1]
    ahead = last._replace(tick=last.tick + 1, committed=last.tick + 1)
    history.witnesses[0].frames.append(ahead)
    assert [(one.kind, one.tick) for one in found(history)] == [(Kind.FORGOTTEN, ahead.tick)]


def test_a_tick_committed_otherwise_than_it_was_seen_is_found() -> None:
    """Two owners made the same tick: the client saw one of them, the journal has the other."""
    history = lived()
    other = lived(seed=9)
    seen = history.witnesses[0].frames[20]
    for witness, theirs in zip(history.witnesses, other.witnesses, strict=True):
        witness.frames[20] = theirs.frames[20]
    assert {(one.kind, one.tick) for one in found(history)} == {(Kind.DIFFERENT, seen.tick)}


def test_a_client_sent_back_in_time_is_found() -> None:
    history = lived()
    frames = history.witnesses[0].frames
    frames.insert(20, frames[17])
    assert [(one.kind, one.tick) for one in found(history)] == [(Kind.BACK, frames[17].tick)]


def test_a_session_that_came_back_as_somebody_else_is_found() -> None:
    history = lived()
    history.witnesses[0].seats.append((ROOM, history.witnesses[1].player))
    assert kinds(history) == {Kind.SEAT}


def test_a_session_that_the_server_ended_is_found() -> None:
    history = lived()
    history.witnesses[1].end = "the room failed (4500)"
    [violation] = found(history)
    assert violation.kind is Kind.ENDED
    assert "the room failed (4500)" in str(violation)


# Inputs.


def test_an_acknowledged_input_that_is_not_journaled_is_found() -> None:
    history = lived()
    seen = change_frame(history, 20, ack=900)
    assert [(one.kind, one.tick) for one in found(history)] == [(Kind.ACK, seen.tick)]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"waiting": 2}, Kind.LOST),
        ({"last_seq": 900}, Kind.LOST),
        ({"applied": 900}, Kind.LOST),
        ({"applied": 3}, Kind.DOUBLED),
        ({"skipped": 0}, Kind.LOST),
        ({"bare": 0}, Kind.LOST),
    ],
)
def test_a_client_that_counted_otherwise_is_found(fields: dict[str, int], kind: Kind) -> None:
    history = lived()
    history.witnesses[0].counts = replace(counts(history), **fields)
    assert kinds(history) == {kind}


def doctored(**fields: int) -> RoomHistory:
    """A past in which the journal itself says so of the first player's row at tick 21."""
    past = Past(Coins())
    past.join("ada")
    for _ in range(20):
        past.tick([1, 0])
    match = past.match
    match.begin_tick()
    row = match.players[0]
    for name, change in fields.items():
        setattr(row, name, getattr(row, name) + change)
    past.history.writes.append(Record(EPOCH, match.tick, encode_record(match.commit())))
    past.history.witnesses = [client.witness for client in past.clients.values()]
    return past.history


@pytest.mark.parametrize(
    "fields",
    [
        {"inputs_applied": 1},
        {"input_seq": 1, "inputs_applied": 2},
        {"input_seq": 1, "inputs_applied": 1, "inputs_skipped": 1},
        {"input_seq": 3, "inputs_applied": 2},
        {"input_seq": -1},
    ],
)
def test_an_input_applied_twice_is_found(fields: dict[str, int]) -> None:
    [violation] = found(doctored(**fields))
    assert (violation.kind, violation.tick) == (Kind.DOUBLED, 21)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"input_seq": 1, "inputs_applied": 1},
        {"input_seq": 4, "inputs_applied": 1, "inputs_skipped": 3},
    ],
)
def test_inputs_that_came_and_ended_once_are_right(fields: dict[str, int]) -> None:
    assert found(doctored(**fields)) == []


def test_inputs_passed_over_are_found() -> None:
    history = doctored(input_seq=3, inputs_applied=1)
    assert found(history) == []
    history.witnesses[0].counts = Counts(22, 0, 20, 0, 0)
    assert kinds(history) == {Kind.LOST}


# Recovery.


def test_recovered_rows_that_differ_are_found() -> None:
    history = lived()
    history.recovered = [Recovered("the next owner", 20, 1)]
    assert [(one.kind, one.tick) for one in found(history)] == [(Kind.RECOVERED, 20)]


def test_a_recovered_tick_the_journal_does_not_have_is_found() -> None:
    history = lived()
    history.recovered = [Recovered("the next owner", 900, 1)]
    assert [(one.kind, one.tick) for one in found(history)] == [(Kind.RECOVERED, 900)]


def test_the_digest_of_rows_sees_what_only_the_server_sees() -> None:
    past = Past(Yard())
    past.join("ada")
    past.tick()
    before = rows_digest(past.match)
    past.match.open_rows()
    past.match.players[0].inputs_applied += 1
    assert rows_digest(past.match) != before


def test_violations_are_counted_by_kind() -> None:
    history = lived()
    change_frame(history, 8, crc=1)
    change_frame(history, 9, crc=1)
    assert tally(found(history)) == {Kind.DIFFERENT.value: 2}
