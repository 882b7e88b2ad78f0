"""A game that raises: the room goes back to its last whole tick and does without once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from holdfast import Match
from server.core.hooks import HookFailed
from shared.history import Refusal
from shared.limits import REASON_CHARS_MAX
from tests.server.core.yard import Ground, Guest, Rules, Yard, nonce
from tests.shared.reference import whole


class Kicker(Yard):
    """Reaches deep into the machinery of `commit`."""

    def step(self, match: Match, inputs: Any) -> None:
        super().step(match, inputs)
        if any(inputs[player].trap == 9 for player in match.players):
            dot: Any = match.spawn(self.entities[0]())
            dot._face = _Unround()


class _Unround:
    """No number, and comparing it fails in a way nobody expects."""

    def __lt__(self, other: object) -> bool:
        raise KeyError("compared")


def failing(
    spring: Callable[[Ground], object], game: Yard | None = None
) -> tuple[Ground, HookFailed]:
    """A room of two players whose third tick failed."""
    ground = Ground(game or Yard())
    ground.seat("Ada", "Bob")
    ground.tick()
    spring(ground)
    with pytest.raises(HookFailed) as raised:
        ground.room.step()
    return ground, raised.value


def trap(number: int) -> Callable[[Ground], object]:
    return lambda ground: ground.post("Ada", 1, trap=number)


def say(words: str) -> Callable[[Ground], object]:
    return lambda ground: ground.post("Ada", 1, words)


FAILURES: list[tuple[Callable[[Ground], object], str, str]] = [
    (trap(1), "Yard.step raised RuntimeError: step fails", "step"),
    (trap(2), "Yard.step raised GameError: Dot.secret of row ", "step"),
    (trap(3), "Yard.step raised GameError: the room's own row was despawned", "step"),
    (trap(4), "Yard.step raised Refused: step has nobody to refuse", "step"),
    (trap(5), "Yard.step raised AttributeError: 'Dot' object has no attribute 'colour'", "step"),
    (say("act!"), "Yard.act raised RuntimeError: act fails", "act"),
    (lambda ground: ground.ask("join!"), "Yard.join raised RuntimeError: join fails", "join"),
]


@pytest.mark.parametrize(("spring", "said", "hook"), FAILURES)
def test_a_failed_tick_is_done_again_without_what_it_consumed(
    spring: Callable[[Ground], object], said: str, hook: str
) -> None:
    def all_at_once(ground: Ground) -> None:
        spring(ground)
        ground.post("Bob", 2)
        ground.ask("Cid")

    ground, failure = failing(all_at_once)
    assert failure.hook == hook
    assert str(failure).startswith(said)
    before = whole(ground.restored(ground.records))
    step = ground.without("it failed")
    assert step.commit.tick == 3
    assert step.refused[nonce("Cid")] == "it failed"
    assert not step.seated
    assert not step.left
    after = whole(ground.match)
    assert [row[:2] for row in after] == [row[:2] for row in before], "no row came or went"
    assert [player.inputs_applied for player in ground.match.players] == [0, 0]
    assert [ground.dot(name).x for name in ("Ada", "Bob")] == [0, 0]
    # What was consumed is acknowledged with a reason; what was not, is applied in its turn.
    ada = ground.row("Ada")
    told = {refusal[:2]: refusal.reason for refusal in step.commit.refusals}
    for name, seq in ground.seqs.items():
        row = ground.row(name)
        assert row.input_seq == seq or (row.input_seq == 0 and name == "Bob")
        assert ((row.id, seq) in told) == (row.input_seq == seq)
    assert set(told.values()) <= {"it failed"}
    ground.tick()
    assert ground.dot("Bob").x in (0, 0.5)
    assert ground.row("Bob").input_seq == 1
    assert ground.match.tick == 4
    assert ada.name == "Ada"


def test_every_part_of_a_failed_item_is_refused_with_a_bounded_reason() -> None:
    ground, _ = failing(lambda ground: ground.post("Ada", 1, "one", "two", trap=1))
    step = ground.without("r" * 500)
    ada = ground.row("Ada").id
    reason = "r" * (REASON_CHARS_MAX - 1) + "…"
    assert step.commit.refusals == tuple(Refusal(ada, 1, part, reason) for part in range(3))
    assert ground.row("Ada").score == 0


def test_inputs_skipped_in_a_failed_tick_stay_skipped_and_are_told_so() -> None:
    def backlog(ground: Ground) -> None:
        for by in (1, 1, 1):
            ground.post("Ada", by, "word")
        ground.post("Ada", 1)
        ground.post("Ada", 1, trap=1)
        ground.post("Bob", 1, trap=1)

    ground, _ = failing(backlog)
    step = ground.without("failed")
    ada, bob = ground.row("Ada"), ground.row("Bob")
    assert step.commit.refusals == (
        Refusal(ada.id, 1, 0, "skipped"),
        Refusal(ada.id, 2, 0, "skipped"),
        Refusal(ada.id, 1, 1, "failed"),
        Refusal(ada.id, 2, 1, "failed"),
        Refusal(ada.id, 3, 0, "failed"),
        Refusal(ada.id, 3, 1, "failed"),
        Refusal(bob.id, 1, 0, "failed"),
    )
    assert (ada.input_seq, ada.inputs_applied, ada.inputs_skipped) == (3, 0, 2)
    assert (bob.inputs_applied, bob.inputs_skipped) == (0, 0)


def test_the_input_that_failed_is_not_held_into_the_next_tick() -> None:
    ground, _ = failing(trap(1))
    ground.without()
    for _ in range(Yard.input_hold_ticks + 1):
        ground.tick()
    assert ground.match.tick == 7


def test_who_leaves_in_a_failed_tick_has_left_with_their_items() -> None:
    def leave(ground: Ground) -> None:
        ground.post("Ada", 1, trap=1)
        ground.post("Bob", 1)
        ground.room.leave(ground.row("Bob").id)

    ground, _ = failing(leave)
    bob = ground.row("Ada").id + 2
    step = ground.without()
    assert [player.name for player in ground.match.players] == ["Ada"]
    assert step.left == (bob,)
    assert {refusal.player for refusal in step.commit.refusals} == {ground.row("Ada").id}


def test_items_of_somebody_who_leaves_between_are_nobodys() -> None:
    ground, _ = failing(lambda ground: [ground.post("Bob", 1), ground.post("Ada", 1, trap=1)])
    ground.room._attempt.leaves.add(ground.row("Bob").id)
    step = ground.without()
    assert {refusal.player for refusal in step.commit.refusals} == {ground.row("Ada").id}


def test_a_join_whose_seat_is_there_is_found_even_in_a_failed_tick() -> None:
    def rejoin(ground: Ground) -> None:
        ground.post("Ada", 1, trap=1)
        ground.ask("Bob", "Cid")

    ground, _ = failing(rejoin)
    step = ground.without("failed")
    assert step.seated == {nonce("Bob"): ground.row("Bob").id}
    assert step.refused == {nonce("Cid"): "failed"}


def test_a_game_that_fails_without_inputs_too_fails_again() -> None:
    ground = Ground(Yard())
    ground.seat("Ada")
    ground.post("Ada", None, "fuse 1")
    ground.tick()
    with pytest.raises(HookFailed, match="the fuse has burnt down"):
        ground.room.step()
    with pytest.raises(HookFailed, match="the fuse has burnt down"):
        ground.without()


def test_what_made_the_game_fail_was_never_done() -> None:
    ground, _ = failing(say("fuse 0"))
    ground.without()
    assert ground.match.room.fuse == 0
    for _ in range(5):
        ground.tick()


def test_a_start_that_raises_raises_again() -> None:
    ground = Ground(Yard(), options=Rules(start="raise"))
    with pytest.raises(HookFailed, match=r"Yard.start raised RuntimeError: start fails"):
        ground.room.step()
    with pytest.raises(HookFailed, match=r"Yard.start"):
        ground.without()


def test_a_leave_that_raises_raises_again() -> None:
    ground = Ground(Yard())
    [player] = ground.seat("leave!")
    ground.room.leave(player)
    with pytest.raises(HookFailed, match=r"Yard.leave raised RuntimeError: leave fails"):
        ground.room.step()
    with pytest.raises(HookFailed, match=r"Yard.leave"):
        ground.without()


def test_what_commit_stumbles_over_in_its_own_way_is_the_games_fault_too() -> None:
    ground, failure = failing(trap(9), Kicker())
    assert "Kicker.step raised" in str(failure)
    ground.without()
    assert ground.match.count(Guest) == 2


def test_a_connection_to_a_seat_that_never_was_is_nobodys() -> None:
    def join_and_fail(ground: Ground) -> None:
        ground.ask("Cid")
        ground.post("Ada", 1, trap=1)

    ground, _ = failing(join_and_fail)
    ada, cid = ground.row("Ada").id, ground.row("Cid").id
    ground.room.resume(cid, 77, 1)
    ground.room.resume(ada, 88, 1)
    assert nonce("Cid") in ground.without().refused
    ground.tick()
    assert [row.name for row in ground.match.players] == ["Ada", "Bob"]
    assert [row.connection for row in ground.match.players] == [88, 0]
