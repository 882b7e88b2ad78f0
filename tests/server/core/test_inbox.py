"""Each input once and in order, over repeats, gaps and jumps; a backlog is worked off."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.inbox import Inbox, Item, decode_items
from shared.errors import CloseCode, RemoteError
from shared.limits import INBOX_ITEMS_MAX
from shared.messages import InputItem
from tests.server.core.yard import Push, Say, Yard, item

GAME = Yard()
RATE = 20
ACTIONS = Yard.actions_per_tick_max


def inputs(first: int, last: int) -> list[Item]:
    return [item(GAME, seq, 1) for seq in range(first, last + 1)]


def seqs(items: list[Item]) -> list[int]:
    return [one.seq for one in items]


def take(inbox: Inbox, backlog: int = 3, rate: int = RATE) -> tuple[list[int], list[int]]:
    taken, skipped = inbox.take(backlog, rate, ACTIONS)
    return seqs(taken), seqs(skipped)


def test_an_item_is_decoded_as_the_game_declares() -> None:
    made = decode_items(GAME, [InputItem(7, [-3, 2], ([0, "hi"], [0, "you"])), InputItem(8, None)])
    assert made == [
        Item(7, Push(by=-3, trap=2), (Say(words="hi"), Say(words="you"))),
        Item(8, None, ()),
    ]


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        (InputItem(3, [4, 0]), "input 3: 4 is not a whole number from -3 to 3"),
        (InputItem(3, [0]), "input 3: expected a list of 2 values"),
        (InputItem(3, None, ([1, "x"],)), "input 3: action 1; this game has 1 actions"),
        (InputItem(3, None, ([-1, "x"],)), "input 3: action -1; this game has 1 actions"),
        (InputItem(3, None, ([True, "x"],)), "input 3: action True; this game has 1 actions"),
        (InputItem(3, None, ([0, "x" * 31],)), "is not text of at most 30 characters"),
        (InputItem(3, None, ([0],)), "input 3: expected a list of 1 values"),
    ],
)
def test_what_the_game_does_not_declare_is_refused(wire: InputItem, said: str) -> None:
    with pytest.raises(RemoteError) as raised:
        decode_items(GAME, [InputItem(2, [0, 0]), wire])
    assert raised.value.code is CloseCode.BAD_MESSAGE
    assert said in raised.value.reason


def test_one_input_is_given_each_tick_in_order() -> None:
    inbox = Inbox(4)
    inbox.put(inputs(5, 7))
    assert [take(inbox) for _ in range(4)] == [([5], []), ([6], []), ([7], []), ([], [])]


def test_repeats_are_dropped_and_a_gap_ends_the_taking() -> None:
    inbox = Inbox(0)
    inbox.put(inputs(1, 2))
    inbox.put(inputs(1, 3))
    inbox.put([*inputs(2, 2), *inputs(5, 6)])
    assert (len(inbox), inbox.queued) == (3, 3)
    inbox.put(inputs(4, 5))
    assert inbox.queued == 5


def test_a_resume_may_jump_ahead_but_not_back() -> None:
    inbox = Inbox(3)
    inbox.put(inputs(4, 4))
    for first_seq in (1, 4, 5):
        inbox.jump(first_seq)
        assert inbox.queued == 4
    inbox.jump(9)
    inbox.put([*inputs(5, 8), *inputs(9, 9)])
    assert take(inbox) == ([4], [])
    assert take(inbox) == ([9], [])


def test_a_full_inbox_takes_no_more_and_the_rest_can_be_repeated() -> None:
    inbox = Inbox(0)
    inbox.put(inputs(1, INBOX_ITEMS_MAX + 5))
    assert (len(inbox), inbox.queued) == (INBOX_ITEMS_MAX, INBOX_ITEMS_MAX)
    inbox.take(INBOX_ITEMS_MAX, RATE, ACTIONS)
    inbox.put(inputs(1, INBOX_ITEMS_MAX + 5))
    assert inbox.queued == INBOX_ITEMS_MAX + 1


def test_what_is_above_the_backlog_is_skipped_but_its_actions_are_kept() -> None:
    inbox = Inbox(0)
    inbox.put([item(GAME, 1, 1, "one"), item(GAME, 2, None, "two"), *inputs(3, 6)])
    taken, skipped = inbox.take(3, RATE, ACTIONS)
    assert seqs(skipped) == [1, 3]
    assert taken == [
        Item(1, None, (Say(words="one"),)),
        item(GAME, 2, None, "two"),
        Item(3, None, ()),
        item(GAME, 4, 1),
    ]
    assert take(inbox) == ([5], [])


def test_without_any_backlog_allowed_the_newest_input_is_applied_all_the_same() -> None:
    inbox = Inbox(0)
    inbox.put(inputs(1, 3))
    assert take(inbox, backlog=0) == ([1, 2, 3], [1, 2])


def test_actions_alone_are_all_taken_in_one_tick() -> None:
    inbox = Inbox(0)
    inbox.put([item(GAME, seq, None, "word") for seq in range(1, 6)])
    assert take(inbox, backlog=1) == ([1, 2, 3, 4, 5], [])


def test_a_standing_backlog_is_skipped_after_a_second() -> None:
    inbox = Inbox(0)
    inbox.put([item(GAME, 1, 1, "kept"), *inputs(2, 3)])
    skips: list[tuple[int, list[int]]] = []
    for tick in range(1, 3 * RATE + 1):
        inbox.put(inputs(tick + 3, tick + 3))
        taken, skipped = take(inbox, backlog=9)
        if skipped:
            skips.append((tick, skipped))
            assert taken == [*skipped, skipped[-1] + 1]
    assert skips == [(RATE, [20, 21, 22])]
    assert len(inbox) == 0, "and from then on what comes is applied in its own tick"


def test_what_came_in_a_burst_and_was_worked_off_is_no_standing_backlog() -> None:
    inbox = Inbox(0)
    seq = 0
    for tick in range(5 * RATE):
        # A network that hands over three ticks' worth at a time.
        if tick % 3 == 0:
            inbox.put(inputs(seq + 1, seq + 3))
            seq += 3
        assert take(inbox, rate=RATE)[1] == []


def test_only_what_stood_all_the_time_is_skipped() -> None:
    inbox = Inbox(0)
    inbox.put(inputs(1, 2))
    seq, skipped_in_all = 2, 0
    for tick in range(3 * RATE):
        arriving = (0, 2)[tick % 2]
        inbox.put(inputs(seq + 1, seq + arriving))
        seq += arriving
        skipped_in_all += len(take(inbox, backlog=9, rate=RATE)[1])
    # Waiting went between 1 and 2 (after taking): the jitter of one stays, the rest does not.
    assert skipped_in_all == 1


def test_the_last_input_is_held_for_some_ticks_and_let_go() -> None:
    inbox = Inbox(0)
    push = Push(by=2)
    assert inbox.hold(None, 3) is None
    assert inbox.hold(push, 3) is push
    assert [inbox.hold(None, 3) for _ in range(5)] == [push, push, push, None, None]
    assert inbox.hold(push, 3) is push
    inbox.let_go()
    assert inbox.hold(None, 3) is None


def chaos(rng: Random, sent: list[Item]) -> list[Item]:
    """What a bad network makes of a message: an older part repeated, sometimes a hole."""
    start = rng.randrange(len(sent))
    part = sent[start : start + rng.randrange(1, 9)]
    if rng.random() < 0.3 and len(part) > 2:
        del part[rng.randrange(len(part))]
    return part


@given(st.integers(0, 2**32))
def test_whatever_is_repeated_or_missing_each_seq_is_taken_once_and_in_order(seed: int) -> None:
    rng = Random(seed)
    inbox = Inbox(0)
    sent = [item(GAME, seq, 1 if rng.random() < 0.8 else None, "a") for seq in range(1, 41)]
    done: list[Any] = []
    for _ in range(60):
        inbox.put(chaos(rng, sent))
        done += take(inbox)[0]
    # At last everything is repeated in order, as a client does that resumes.
    for _ in range(60):
        inbox.put(sent)
        done += take(inbox)[0]
    assert done == [one.seq for one in sent]
