"""A room's seats, presence, brains and inputs, tick by tick."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast import Match, Player, Refused
from server.core.hooks import HookFailed, explain
from server.core.room import Room
from shared.history import Refusal
from tests.server.core.yard import Cave, Dot, Ground, Guest, Yard, nonce


class Proud(Yard):
    """Brains may not sit here; or only the first."""

    humble = 0

    def join(self, match: Match, player: Player) -> None:
        super().join(match, player)
        if player.bot and match.count(Guest) > self.humble:
            raise Refused("no brains")


class Humble(Proud):
    humble = 1


class Brittle(Yard):
    """A brain's join raises."""

    def join(self, match: Match, player: Player) -> None:
        super().join(match, player)
        if player.bot:
            raise RuntimeError("brains break it")


def names(ground: Ground) -> list[str]:
    return [player.name for player in ground.match.players]


def test_a_join_is_seated_by_the_next_tick_under_its_nonce() -> None:
    ground = Ground(Yard())
    ground.ask("Ada", "Bob")
    assert ground.room.free_seats == 2
    step = ground.tick()
    ada, bob = (step.seated[nonce(name)] for name in ("Ada", "Bob"))
    assert (step.commit.tick, step.refused, step.left) == (1, {}, ())
    assert names(ground) == ["Ada", "Bob"]
    assert ground.room.seat_of(nonce("Ada")) == ada == ground.row("Ada").owner
    assert [dot.owner for dot in ground.match.all(Dot)] == [ada, bob]
    assert ground.room.seat_of(nonce("Cid")) is None
    assert (ground.room.game.seats, ground.room.humans, ground.room.free_seats) == (4, 2, 2)


def test_a_repeated_nonce_finds_the_same_seat() -> None:
    ground = Ground(Yard())
    ground.ask("Ada", "Ada")
    assert ground.room.holds(nonce("Ada")), "asked for is as good as taken"
    [ada] = ground.tick().seated.values()
    ground.ask("Ada")
    assert ground.tick().seated == {nonce("Ada"): ada}
    assert names(ground) == ["Ada"]
    assert ground.room.holds(nonce("Ada"))
    assert not ground.room.holds(nonce("Bob"))


def test_a_full_room_refuses_and_one_seat_is_one_seat() -> None:
    ground = Ground(Yard())
    ground.ask("Ada", "Bob", "Cid", "Dan", "Eve")
    step = ground.tick()
    assert step.refused == {nonce("Eve"): "the room is full"}
    assert (names(ground), ground.room.free_seats) == (["Ada", "Bob", "Cid", "Dan"], 0)


def test_a_join_the_game_refuses_leaves_nothing_behind() -> None:
    ground = Ground(Yard())
    [ada] = ground.seat("Ada")
    ground.ask("unwelcome")
    step = ground.tick()
    assert step.refused == {nonce("unwelcome"): "not you"}
    assert (names(ground), [dot.owner for dot in ground.match.all(Dot)]) == (["Ada"], [ada])


def test_a_player_leaves_once_and_what_was_owned_goes_too() -> None:
    ground = Ground(Yard())
    ada, bob = ground.seat("Ada", "Bob")
    ground.room.leave(ada)
    ground.room.leave(999)
    assert ground.tick().left == (ada,)
    assert (names(ground), [dot.owner for dot in ground.match.all(Dot)]) == (["Bob"], [bob])
    assert ground.room.present == {bob}
    assert ground.tick().left == ()


def test_who_leaves_and_joins_again_in_one_tick_gets_a_new_seat() -> None:
    ground = Ground(Yard())
    [ada] = ground.seat("Ada")
    ground.room.leave(ada)
    ground.ask("Ada")
    step = ground.tick()
    assert step.left == (ada,)
    assert step.seated[nonce("Ada")] > ada


def test_a_player_whom_the_game_sends_away_has_left() -> None:
    ground = Ground(Yard())
    _, bob = ground.seat("Ada", "Bob")
    ground.post("Ada", None, "kick Bob")
    assert ground.tick().left == (bob,)
    assert bob not in ground.room.present
    ground.room.submit(bob, [])
    ground.room.resume(bob, 5, 9)
    assert ground.tick().left == ()


def test_a_newcomer_sent_away_before_ever_having_an_inbox_harms_nobody() -> None:
    ground = Ground(Yard())
    ground.seat("Ada")
    ground.post("Ada", 3, "kick Bob")
    ground.ask("Bob")
    step = ground.tick()
    assert (names(ground), step.left, ground.dot("Ada").x) == (["Ada"], (), 0.75)
    ground.ask("gatecrasher")
    assert nonce("gatecrasher") in ground.tick().seated
    assert names(ground) == ["Ada"]


def test_absence_is_written_down_and_grace_is_counted_in_ticks() -> None:
    ground = Ground(Yard())
    ada, bob = ground.seat("Ada", "Bob")
    ground.tick()
    ground.room.present = {bob}
    ground.tick()
    row = ground.row("Ada")
    assert (row.connected, row.absent_since) == (False, 3)
    for _ in range(9):
        assert ground.tick().left == ()
    assert (ground.match.tick, ground.tick().left) == (12, (ada,))
    assert names(ground) == ["Bob"]


def test_who_comes_back_in_time_keeps_the_seat() -> None:
    ground = Ground(Yard())
    [ada] = ground.seat("Ada")
    ground.room.present = set()
    for _ in range(9):
        ground.tick()
    ground.room.present = {ada}
    ground.tick()
    assert (ground.row("Ada").connected, ground.row("Ada").absent_since) == (True, 0)
    ground.room.present = set()
    for _ in range(10):
        assert ground.tick().left == (), "the grace begins anew"
    assert ground.tick().left == (ada,)


def test_who_is_seated_and_never_reported_present_is_absent() -> None:
    ground = Ground(Yard())
    ground.ask("Ada")
    [ada] = ground.tick().seated.values()
    ground.tick()
    assert ground.row("Ada").connected is False
    left = [ground.tick().left for _ in range(10)]
    assert left[-1] == (ada,)


def test_a_room_knows_since_when_nobody_is_there() -> None:
    ground = Ground(Yard(), bots=2)
    ground.tick()
    assert ground.room.empty_since == 1, "brains are nobody"
    [ada] = ground.seat("Ada")
    ground.tick()
    assert ground.room.empty_since is None
    ground.room.present = set()
    ground.tick()
    assert ground.room.empty_since == 4
    ground.tick()
    assert ground.room.empty_since == 4
    ground.room.spectators = 1
    ground.tick()
    assert ground.room.empty_since is None
    assert ada in [player.id for player in ground.match.players]


def test_brains_fill_seats_and_give_them_up_the_newest_first() -> None:
    ground = Ground(Yard(), bots=3)
    ground.tick()
    assert names(ground) == ["Bot 1", "Bot 2", "Bot 3"]
    assert (ground.room.humans, ground.room.free_seats) == (0, 4)
    assert all(player.connected for player in ground.match.players)
    ground.seat("Ada")
    assert names(ground) == ["Bot 1", "Bot 2", "Bot 3", "Ada"]
    third = ground.row("Bot 3").id
    ground.ask("Bob")
    step = ground.tick()
    assert step.left == (third,)
    assert names(ground) == ["Bot 1", "Bot 2", "Ada", "Bob"]
    ground.room.present = {ground.row("Ada").id}
    ground.room.leave(ground.row("Bob").id)
    ground.tick()
    assert names(ground) == ["Bot 1", "Bot 2", "Ada", "Bot 3"]
    assert ground.room.bots == 3


def test_brains_beyond_what_the_room_wants_are_sent_away() -> None:
    ground = Ground(Yard(), bots=3)
    ground.tick()
    ground.room.bots = 1
    ground.tick()
    assert names(ground) == ["Bot 1"]


@pytest.mark.parametrize(("game", "left"), [(Proud(), 0), (Humble(), 1)])
def test_brains_a_game_refuses_are_not_offered_again(game: Yard, left: int) -> None:
    ground = Ground(game, bots=3)
    ground.tick()
    assert (ground.room.bots, len(names(ground))) == (left, left)
    ground.tick()
    assert len(names(ground)) == left


def test_a_brain_whose_join_raises_is_not_offered_again() -> None:
    ground = Ground(Brittle(), bots=2)
    with pytest.raises(HookFailed, match=r"Brittle.join raised RuntimeError: brains break it"):
        ground.room.step()
    ground.without()
    ground.tick()
    assert (names(ground), ground.room.bots) == ([], 0)


def test_an_input_is_applied_for_its_player_held_and_then_neutral() -> None:
    ground = Ground(Yard())
    ground.seat("Ada", "Bob")
    ground.post("Ada", 2)
    steps: list[tuple[float, float]] = []
    for _ in range(6):
        ground.tick()
        steps.append((ground.dot("Ada").x, ground.dot("Bob").x))
    assert steps == [(0.5, 0), (1.0, 0), (1.5, 0), (2.0, 0), (2.0, 0), (2.0, 0)]
    row = ground.row("Ada")
    assert (row.input_seq, row.inputs_applied, row.inputs_skipped) == (1, 1, 0)


def test_a_backlog_is_skipped_with_a_refusal_and_a_count_but_its_actions_are_done() -> None:
    ground = Ground(Yard())
    [ada] = ground.seat("Ada")
    for by in (1, 1, 3, 2, 1):
        ground.post("Ada", by, "word")
    step = ground.tick()
    assert step.commit.refusals == (
        Refusal(ada, 1, 0, "skipped"),
        Refusal(ada, 2, 0, "skipped"),
    )
    row = ground.row("Ada")
    assert (row.input_seq, row.inputs_applied, row.inputs_skipped, row.score) == (3, 1, 2, 3)
    assert ground.dot("Ada").x == 0.75


def test_a_standing_backlog_is_gone_within_a_second() -> None:
    ground = Ground(Yard())
    ground.seat("Ada")
    for _ in range(2):
        ground.post("Ada", 1)
    for _ in range(2 * Yard.tick_rate):
        ground.post("Ada", 1)
        ground.tick()
    row = ground.row("Ada")
    assert row.input_seq == ground.seqs["Ada"], "the newest input is applied in its own tick"
    assert (row.inputs_applied, row.inputs_skipped) == (2 * Yard.tick_rate, 2)


def test_an_action_is_refused_with_its_place_and_reason_and_the_others_are_done() -> None:
    ground = Ground(Yard())
    [ada] = ground.seat("Ada")
    ground.post("Ada", 1, "hi", "no", "ho")
    assert ground.tick().commit.refusals == (Refusal(ada, 1, 2, "that word is not said here"),)
    assert (ground.row("Ada").score, ground.row("Ada").input_seq) == (2, 1)


def test_a_resumed_session_may_jump_over_what_it_lost() -> None:
    ground = Ground(Yard())
    [ada] = ground.seat("Ada")
    ground.post("Ada", 1)
    ground.tick()
    ground.room.resume(ada, 5, 8)
    ground.seqs["Ada"] = 7
    ground.post("Ada", 1)
    ground.tick()
    assert (ground.row("Ada").input_seq, ground.row("Ada").inputs_applied) == (8, 2)


def test_inputs_go_on_where_the_journal_ends_in_another_process() -> None:
    ground = Ground(Yard())
    [ada] = ground.seat("Ada")
    for _ in range(4):
        ground.post("Ada", 1)
        ground.tick()
    ground.post("Ada", 1)
    heir = Room("yardyardyard", ground.restored(ground.records), 2)
    heir.present = {ada}
    ground.room = heir
    # The client repeats what was not acknowledged to it, and more: from its second item on.
    ground.seqs["Ada"] = 1
    for _ in range(4):
        ground.post("Ada", 1)
    for _ in range(3):
        ground.tick()
    row = ground.row("Ada")
    assert (row.input_seq, row.inputs_applied) == (5, 5)


def test_a_result_is_handed_over_once_until_the_match_begins_anew() -> None:
    ground = Ground(Yard())
    ground.seat("Ada")
    results: list[Any] = []
    for words in ("", "finish", "", "restart", "", "finish"):
        ground.post("Ada", None, words)
        results.append(ground.tick().result)
    won = json.dumps({"by": "Ada"}).encode()
    assert results == [None, won, None, None, None, won]
    again = Room("yardyardyard", ground.restored(ground.records), 2)
    assert again.step().result is None, "what was committed before is not handed over again"


def test_an_undeclared_attribute_is_explained() -> None:
    dot: Any = Dot()
    with pytest.raises(AttributeError) as raised:
        dot.colour = "red"
    assert "state lives in declared fields" in explain(raised.value)
    assert explain(AttributeError("other")) == "AttributeError: other"
    assert explain(ValueError("two\n lines")) == "ValueError: two lines"
    assert len(explain(ValueError("x" * 999))) == 400


def test_a_room_says_what_it_runs() -> None:
    room = Ground(Cave()).room
    assert (room.id, room.epoch, room.game.title) == ("yardyardyard", 1, "")


def test_what_no_committed_tick_has_used_is_what_waits_and_what_the_last_tick_took() -> None:
    ground = Ground(Yard())
    ada, bob = ground.seat("Ada", "Bob")
    for by in (1, 2):
        ground.post("Ada", by, "hi")
    ground.post("Bob", None, "no")
    before = ground.room.unapplied()
    assert {n: [one.seq for one in items] for n, items in before.items()} == {ada: [1, 2], bob: [1]}
    ground.room.step()
    ground.post("Ada", 3)
    # Should this tick be refused, whoever has the room is asked for all of it again.
    after = ground.room.unapplied()
    assert after[bob] == before[bob]
    assert after[ada][:2] == before[ada], "with their inputs and actions"
    assert [one.seq for one in after[ada]] == [1, 2, 3]


def test_an_input_that_was_skipped_is_asked_for_with_its_input() -> None:
    ground = Ground(Yard())
    [ada] = ground.seat("Ada")
    for by in (1, 2, 3, 1, 2, 3):
        ground.post("Ada", by)
    before = ground.room.unapplied()
    step = ground.room.step()
    assert step.commit.refusals, "some were skipped"
    assert ground.room.unapplied() == before == {ada: before[ada]}
