"""A room's seats, presence, brains and inputs, tick by tick."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from holdfast import Match, Player, Refused
from server.core.hooks import HookFailed, explain
from server.core.room import BOTS_RETRY_S, STANDSTILL_S, Room, Step
from server.core.seating import FULL, LOCKED, JoinRefusal, RefusalCode
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


def test_the_number_of_a_connection_only_rises_in_whichever_order_they_are_told() -> None:
    ground = Ground(Yard())
    ground.ask("Ada")
    [ada] = ground.tick().seated.values()
    for told, shown in ((9, 9), (5, 9), (10, 10)):
        ground.room.resume(ada, told, 1)
        ground.tick()
        assert ground.row("Ada").connection == shown


def test_a_full_room_refuses_and_one_seat_is_one_seat() -> None:
    ground = Ground(Yard())
    ground.ask("Ada", "Bob", "Cid", "Dan", "Eve")
    step = ground.tick()
    assert step.refused == {nonce("Eve"): FULL}
    assert (names(ground), ground.room.free_seats) == (["Ada", "Bob", "Cid", "Dan"], 0)


def test_a_join_the_game_refuses_leaves_nothing_behind() -> None:
    ground = Ground(Yard())
    [ada] = ground.seat("Ada")
    ground.ask("unwelcome")
    step = ground.tick()
    assert step.refused == {nonce("unwelcome"): JoinRefusal(RefusalCode.GAME, "not you")}
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


def test_absence_is_written_down_and_grace_follows() -> None:
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
    assert ground.room.empty_for_s == 0, "brains are nobody"
    [ada] = ground.seat("Ada")
    ground.tick()
    assert ground.room.empty_for_s is None
    ground.room.present = set()
    ground.tick()
    assert ground.room.empty_for_s == 0
    ground.tick()
    assert ground.room.empty_for_s == pytest.approx(ground.match.dt)
    ground.room.spectators = 1
    ground.tick()
    assert ground.room.empty_for_s is None
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
def test_a_brain_that_the_game_refuses_is_offered_again_later_and_the_wish_stays(
    game: Proud, left: int
) -> None:
    ground = Ground(game, bots=3)
    ground.tick()
    assert (ground.room.bots, len(names(ground))) == (3, left)
    ids = ground.match.room.next_id
    for _ in range(round(BOTS_RETRY_S * game.tick_rate) - 2):
        ground.tick()
    assert (len(names(ground)), ground.match.room.next_id) == (left, ids), "not asked meanwhile"
    humble, type(game).humble = type(game).humble, 3
    try:
        for _ in range(3):
            ground.tick()
    finally:
        type(game).humble = humble
    assert len(names(ground)) == 3


def test_who_comes_or_goes_has_a_refused_brain_offered_again_at_once() -> None:
    ground = Ground(Humble(), bots=3)
    ground.tick()
    assert names(ground) == ["Bot 1"]
    ground.seat("Ada")
    humble, Humble.humble = Humble.humble, 4
    try:
        ground.room.leave(ground.row("Ada").id)
        ground.tick()
    finally:
        Humble.humble = humble
    assert names(ground) == ["Bot 1", "Bot 2", "Bot 3"]


def test_a_brain_whose_join_raises_is_not_offered_again() -> None:
    ground = Ground(Brittle(), bots=2)
    with pytest.raises(HookFailed, match=r"Brittle.join raised RuntimeError: brains break it"):
        ground.room.step()
    ground.without()
    for _ in range(round(2 * BOTS_RETRY_S * Yard.tick_rate)):
        ground.tick()
    assert (names(ground), ground.room.bots) == ([], 2), "the next owner may try"


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


def test_a_despawned_player_acts_no_more() -> None:
    ground = Ground(Yard())
    ada, bob = ground.seat("Ada", "Bob")
    ground.post("Ada", None, "kick Bob", "word")
    ground.post("Bob", 3, "fuse 1")
    ground.tick()
    assert ground.match.room.fuse == 0, "Bob's action came after Bob was gone"
    assert [dot.owner for dot in ground.match.all(Dot)] == [ada, bob], "what was owned is kept"
    assert ground.dot("Ada").x == ground.match.all(Dot)[1].x == 0, "Bob's input moved nothing"
    assert ground.row("Ada").score == 1


def test_a_player_whose_own_action_despawns_it_does_no_more_of_that_item() -> None:
    ground = Ground(Yard())
    ground.seat("Ada", "Bob")
    ground.post("Bob", 3, "kick Bob", "fuse 1")
    ground.tick()
    assert ground.match.room.fuse == 0
    assert all(dot.x == 0 for dot in ground.match.all(Dot))


def test_a_player_whom_a_later_one_despawns_moves_nothing_in_that_tick() -> None:
    ground = Ground(Yard())
    ground.seat("Ada", "Bob")
    ground.post("Ada", 3)
    ground.post("Bob", None, "kick Ada")
    ground.tick()
    assert all(dot.x == 0 for dot in ground.match.all(Dot))


class Domino(Yard):
    """Who leaves takes everybody along whose name begins alike; who joins as `king`, the rest."""

    left: list[str]

    def join(self, match: Match, player: Player) -> None:
        super().join(match, player)
        if player.name == "king":
            for other in match.players:
                if other.id != player.id:
                    match.despawn(other)

    def leave(self, match: Match, player: Player) -> None:
        super().leave(match, player)
        self.left.append(player.name)
        for other in match.players:
            if other.id != player.id and other.name[0] == player.name[0]:
                match.despawn(other)


def test_a_leave_that_despawns_others_is_called_once_for_each_who_was_there() -> None:
    Domino.left = []
    ground = Ground(Domino(), bots=3)
    ground.tick()
    ground.room.bots = 1
    step = ground.tick()
    assert len(Domino.left) == 1, "the second brain was gone before its turn to leave"
    assert (len(step.left), len(names(ground))) == (3, 0)
    ada, ann, bob = ground.seat("Ada", "Ann", "Bob")
    for name in ("Ada", "Ann", "Bob"):
        ground.post(name, 3, "fuse 1" if name == "Ann" else "hi")
    ground.room.leave(ada)
    ground.room.leave(ann)
    assert ground.tick().left[-2:] == (ada, ann)
    assert "Ann" not in Domino.left
    assert (ground.match.room.fuse, ground.row("Bob").score, bob) == (0, 1, ground.row("Bob").id)


def test_a_newcomer_whose_join_despawns_others_is_alone_and_they_act_no_more() -> None:
    ground = Ground(Domino())
    ada, bob = ground.seat("Ada", "Bob")
    ground.post("Ada", 3, "fuse 1")
    ground.post("Bob", 3, "fuse 1")
    ground.ask("king")
    assert ground.tick().left == (ada, bob)
    assert (names(ground), ground.match.room.fuse) == (["king"], 0)


def test_two_thousand_actions_are_applied_some_a_tick_in_order_and_none_is_lost() -> None:
    ground = Ground(Yard())
    ground.seat("Ada", "Bob")
    for _ in range(250):
        ground.post("Ada", None, *["word"] * 8)
    ground.post("Bob", 1, "word")
    scores: list[int] = []
    while ground.row("Ada").input_seq < 250:
        ground.tick()
        scores.append(ground.row("Ada").score)
    assert scores == list(range(Yard.actions_per_tick_max, 2001, Yard.actions_per_tick_max))
    assert (ground.row("Bob").score, ground.row("Bob").input_seq) == (1, 1), "at once"


def test_an_item_with_more_actions_than_a_tick_takes_is_done_whole() -> None:
    ground = Ground(Yard())
    ground.seat("Ada")
    ground.post("Ada", None, *["word"] * 9)
    ground.post("Ada", None, *["word"] * 8)
    ground.post("Ada", 3)
    scores: list[int] = []
    for _ in range(2):
        ground.tick()
        scores.append(ground.row("Ada").score)
    assert scores == [9, 17]
    assert ground.dot("Ada").x == 0.75, "the input behind them is not held up further"


def test_a_locked_room_takes_no_newcomers_and_no_brains_and_keeps_its_seats() -> None:
    ground = Ground(Yard(), bots=2)
    [ada] = ground.seat("Ada")
    ground.post("Ada", None, "lock")
    ground.tick()
    ground.room.leave(ground.row("Bot 1").id)
    ground.ask("Ada", "Bob")
    assert ground.room.free_seats == 0
    step = ground.tick()
    assert (step.seated, step.refused) == ({nonce("Ada"): ada}, {nonce("Bob"): LOCKED})
    assert names(ground) == ["Ada", "Bot 2"], "no brain takes the seat that is free"
    ground.post("Ada", None, "unlock")
    ground.ask("Bob")
    assert ground.tick().refused, "joins come before actions"
    ground.ask("Bob")
    assert nonce("Bob") in ground.tick().seated


def overloaded(game: Yard, slower: float) -> tuple[Ground, Callable[[], Step]]:
    """A room whose ticks come that many times slower than they should."""
    ground = Ground(game)
    now_s = [1000.0]

    def tick() -> Step:
        now_s[0] += ground.match.dt * slower
        return ground.committed(ground.room.step(now_s[0]))

    return ground, tick


@pytest.mark.parametrize("slower", [1, 4, 10])
def test_grace_and_emptiness_are_the_hosts_time_however_late_its_ticks_come(slower: int) -> None:
    ground, tick = overloaded(Yard(), slower)
    ground.ask("Ada")
    tick()
    ground.room.present = {ground.row("Ada").id}
    tick()
    ground.room.present = set()
    ticks = 0
    while ground.match.players:
        tick()
        ticks += 1
    # The absence shows in the first of them; half a second later the seat is free.
    assert ticks - 1 == math.ceil(Yard.grace_s / (ground.match.dt * slower))
    tick()
    assert ground.room.empty_for_s == pytest.approx(ticks * ground.match.dt * slower)


def test_no_grace_runs_out_while_the_room_stands_still() -> None:
    class Patient(Yard):
        grace_s = 5.0

    ground = Ground(Patient())
    ground.ask("Ada")
    for now_s in (1.0, 1.05, 1.1, 61.1):
        ground.committed(ground.room.step(now_s))
    assert names(ground) == ["Ada"], "a minute without a tick is no minute of absence"
    assert ground.room.age_s == pytest.approx(3 * 0.05 + STANDSTILL_S)
    ground.committed(ground.room.step(55.0))
    assert ground.room.age_s == pytest.approx(3 * 0.05 + STANDSTILL_S), "time never steps back"


def test_the_next_owner_goes_on_with_the_absence_that_the_journal_tells() -> None:
    ground = Ground(Yard())
    [ada] = ground.seat("Ada")
    ground.room.present = set()
    for _ in range(6):
        ground.tick()
    ground.room = Room("yardyardyard", ground.restored(ground.records), 2)
    left = [ground.tick().left for _ in range(5)]
    assert left == [(), (), (), (), (ada,)], "six ticks of the grace had passed before"


def test_seats_are_found_by_nonce_without_looking_at_every_player() -> None:
    class Hall(Yard):
        seats = 1000

    ground = Ground(Hall())
    ground.seat(*(f"player {n}" for n in range(300)))
    ground.room.match.tables[1].rows = rows = _Counted(ground.room.match.tables[1].rows)
    assert ground.room.holds(nonce("player 7"))
    assert not ground.room.holds(nonce("stranger"))
    assert rows.walked == 0
    assert list(ground.match.players)
    assert rows.walked == 1, "the control: a walk is counted"


class _Counted(dict[int, Any]):
    """Counts how often all rows are gone through."""

    walked = 0

    def values(self) -> Any:
        self.walked += 1
        return super().values()
