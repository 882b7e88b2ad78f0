"""A game that raises: the room goes back to its last whole tick and does without once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from holdfast import Match, Refused
from server.core.hooks import HookFailed, OutOfMemory, explain
from server.core.seating import JoinRefusal, RefusalCode
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
    assert step.refused[nonce("Cid")] == JoinRefusal(RefusalCode.FAILED, "it failed")
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
    ground.room._taken.leaves.add(ground.row("Bob").id)
    step = ground.without()
    assert {refusal.player for refusal in step.commit.refusals} == {ground.row("Ada").id}


def test_a_join_whose_seat_is_there_is_found_even_in_a_failed_tick() -> None:
    def rejoin(ground: Ground) -> None:
        ground.post("Ada", 1, trap=1)
        ground.ask("Bob", "Cid")

    ground, _ = failing(rejoin)
    step = ground.without("failed")
    assert step.seated == {nonce("Bob"): ground.row("Bob").id}
    assert step.refused == {nonce("Cid"): JoinRefusal(RefusalCode.FAILED, "failed")}


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


class Wrong(Yard):
    """A yard whose hooks do what `wrong` says: return something, or raise what nobody expects."""

    @staticmethod
    def wrong() -> Any:
        return None

    def act(self, match: Match, player: Any, action: Any) -> Any:
        return type(self).wrong()


def _generator() -> Any:
    yield 1


async def _coroutine() -> None:
    return None


def _raise(error: BaseException) -> Any:
    raise error


class _Silent(Exception):
    """Its text raises too."""

    def __str__(self) -> str:
        raise KeyError("no text")


class _Bare(Refused):
    """Forgets to say why."""

    def __init__(self) -> None:
        pass


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: False, "act returned a bool; raise Refused(reason) to say no"),
        (_generator, "act returned a generator, so nothing in it has run"),
        (_coroutine, "act returned a coroutine, so nothing in it has run"),
        (lambda: _raise(SystemExit(3)), "SystemExit: 3 (a game does not end the process"),
        (lambda: _raise(GeneratorExit()), "GeneratorExit"),
        (lambda: _raise(_Silent()), "_Silent"),
        (lambda: _raise(ValueError("\ud83d")), "ValueError: ?"),
    ],
)
def test_a_hook_that_does_the_wrong_thing_fails_its_tick_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, wrong: Callable[[], Any], said: str
) -> None:
    monkeypatch.setattr(Wrong, "wrong", staticmethod(wrong))
    ground, failure = failing(say("hi"), Wrong())
    assert f"Wrong.act raised {said}" in failure.reason.replace("GameError: ", "")
    assert ".py" not in failure.reason, "players are not told where in the file"
    ground.without("failed")
    assert ground.tick().commit.tick == 4


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Refused(7), "the game said no"),  # type: ignore[arg-type]
        (Refused(""), "the game said no"),
        (_Bare(), "the game said no"),
        (Refused("half a \ud83d"), "half a ?"),
        (Refused("no " * 100), "no " * 39 + "no…"),
    ],
)
def test_whatever_a_game_gives_as_its_reason_is_told_as_text(
    monkeypatch: pytest.MonkeyPatch, error: Refused, reason: str
) -> None:
    monkeypatch.setattr(Wrong, "wrong", staticmethod(lambda: _raise(error)))
    ground = Ground(Wrong())
    [ada] = ground.seat("Ada")
    ground.post("Ada", None, "hi")
    assert ground.tick().commit.refusals == (Refusal(ada, 1, 1, reason),)


@pytest.mark.parametrize("hook", ["start", "join", "leave", "step"])
def test_every_hook_is_told_that_it_returns_nothing(hook: str) -> None:
    kept = getattr(Yard, hook)

    def wrong(self: Yard, *arguments: Any) -> bool:
        kept(self, *arguments)
        return False

    game = type("Wrong", (Yard,), {hook: wrong})()
    ground = Ground(game)
    said = rf"Wrong.{hook} raised GameError: {hook} returned a bool"

    def play() -> None:
        ground.room.leave(ground.seat("Ada")[0])
        ground.tick()

    with pytest.raises(HookFailed, match=said):
        play()


def test_only_an_operator_interrupts_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wrong, "wrong", staticmethod(lambda: _raise(KeyboardInterrupt())))
    ground = Ground(Wrong())
    ground.seat("Ada")
    ground.post("Ada", None, "hi")
    with pytest.raises(KeyboardInterrupt):
        ground.room.step()


def test_a_tick_that_ran_out_of_memory_is_nobodys_fault_and_is_done_again_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Wrong, "wrong", staticmethod(lambda: _raise(MemoryError())))
    ground = Ground(Wrong())
    ada, bob = ground.seat("Ada", "Bob")
    for by in (3, 3, 3, 3, 2):
        ground.post("Ada", by)
    ground.post("Bob", 1, "hi")
    ground.post("Bob", 2)
    ground.ask("Cid")
    ground.room.resume(bob, 7, 1)
    before = ground.room.unapplied()
    with pytest.raises(OutOfMemory, match="out of memory in act"):
        ground.room.step()
    monkeypatch.setattr(Wrong, "wrong", staticmethod(lambda: None))
    ground.room.recover(ground.restored(ground.records))
    ground.room.put_back()
    assert ground.room.unapplied() == before
    step = ground.tick()
    assert nonce("Cid") in step.seated
    assert [refusal.reason for refusal in step.commit.refusals] == ["skipped", "skipped"]
    assert (ground.dot("Ada").x, ground.dot("Bob").x) == (0.75, 0.25)
    assert (ground.row("Bob").connection, ground.row("Bob").input_seq) == (7, 1)
    ground.tick()
    assert ground.row("Bob").input_seq == 2
    assert ada in [player.id for player in ground.match.players]


def test_an_undeclared_attribute_is_explained_where_it_is_a_rows_and_nowhere_else() -> None:
    hint = "state lives in declared fields"
    row: Any = Guest()
    for wrong, hinted in (
        (lambda: row.colour, True),
        (lambda: setattr(row, "colour", 1), True),
        (lambda: [1].id, False),  # type: ignore[attr-defined]
        (lambda: setattr(object(), "colour", 1), False),
    ):
        with pytest.raises(AttributeError) as raised:
            wrong()
        assert (hint in explain(raised.value, Yard())) == hinted
