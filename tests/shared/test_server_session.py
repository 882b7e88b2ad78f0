"""The server's half of a session: what is taken, once and in order, and what is due."""

from __future__ import annotations

import pytest

from shared.errors import CloseCode, RemoteError
from shared.limits import BEHIND_TICKS_MAX, TOO_SLOW_S, WRITE_GATE_BYTES
from shared.messages import InputItem, InputMessage
from shared.session import ServerSession


def served(base: int = 100, applied: int = 5, first_seq: int = 6) -> ServerSession:
    """The server's half at tick 100."""
    return ServerSession(2, base, applied, first_seq, tick=100)


def items(*numbers: int, held: int = 100) -> InputMessage:
    """An INPUT of these seqs."""
    return InputMessage(held, tuple(InputItem(number, None) for number in numbers))


def test_each_item_is_taken_once_in_order() -> None:
    session = served()
    assert [item.seq for item in session.take(items(4, 5, 6, 7), tick=100)] == [6, 7]
    assert session.take(items(6, 7), tick=100) == []
    assert [item.seq for item in session.take(items(7, 8), tick=100)] == [8]
    assert session.posted == 8


def test_a_gap_is_refused_and_what_came_before_it_stays_taken() -> None:
    session = served()
    with pytest.raises(RemoteError, match="input seq 8 leaves a gap; the next is 7") as caught:
        session.take(items(6, 8), tick=100)
    assert caught.value.code is CloseCode.BAD_MESSAGE


def test_only_a_resume_jumps_ahead() -> None:
    session = served(first_seq=9)
    assert [item.seq for item in session.take(items(9), tick=100)] == [9]
    assert served(applied=9, first_seq=0).posted == 9


def test_a_renewed_session_begins_above_what_was_acknowledged_on_the_other_connection() -> None:
    session = served()
    session.renews = True
    assert [item.seq for item in session.take(items(8, 9), tick=100)] == [8, 9]
    with pytest.raises(RemoteError, match="input seq 11 leaves a gap; the next is 10"):
        session.take(items(11), tick=100)


def test_a_poll_goes_on_from_what_its_client_holds() -> None:
    session = served()
    session.known = {0: {1}}
    session.base = 103
    session.resume(103, 103, 6, tick=104, moved=False)
    assert (session.base, session.held, session.first_tick) == (103, 103, 104)
    assert session.known is not None, "the last frame sent is what the client holds"
    session.resume(101, 101, 8, tick=105, moved=False)
    assert (session.base, session.posted) == (101, 7)
    assert not session.known, "of another tick it is not known what was seen"
    session.resume(0, 900, 8, tick=105, moved=False)
    assert (session.base, session.held) == (0, 900)
    session.take(items(8, 9, 10, held=105), tick=900)
    session.resume(105, 105, 8, tick=106, moved=True)
    assert [item.seq for item in session.take(items(8, 9, 10), tick=106)] == [8, 9, 10]


def test_the_tick_held_rises_to_what_was_sent_at_most() -> None:
    session = served(base=0)
    session.take(items(held=90), tick=100)
    session.take(items(held=80), tick=100)
    assert session.held == 90
    with pytest.raises(RemoteError, match="tick held 101 was never sent; the newest is 100"):
        session.take(items(held=101), tick=100)


def test_what_another_process_sent_is_no_lie_and_is_not_held_here() -> None:
    session = served()
    session.resumed = True
    session.take(items(held=103), tick=101)
    assert session.held == 101


def test_a_frame_is_due_unless_the_reader_is_behind() -> None:
    session = served()
    session.base = 110
    assert session.due(100 + BEHIND_TICKS_MAX - 1, 20, buffered=0)
    assert session.trouble_since is None
    assert not session.due(100 + BEHIND_TICKS_MAX, 20, buffered=0)
    assert session.trouble_since == 100 + BEHIND_TICKS_MAX
    # One a second goes out all the same, so that who lost a report can make another.
    assert session.due(130, 20, buffered=0)
    session.base = 130
    assert not session.due(131, 20, buffered=0)
    session.take(items(held=130), tick=131)
    assert session.due(131, 20, buffered=0)
    assert session.trouble_since is None


def test_who_joined_now_is_not_behind_from_the_beginning() -> None:
    session = served(base=0)
    assert session.due(101, 20, buffered=0)


def test_who_has_reported_nothing_yet_is_behind_by_what_was_sent_and_was_not_quiet() -> None:
    session = ServerSession(7, base=0, applied=0, first_seq=1, tick=5_000)
    session.base, session.quiet = 5_028, 21
    assert session.due(5_040, 20, buffered=0)
    assert not session.due(5_041, 20, buffered=0)
    assert session.trouble_since == 5_041


def test_a_full_write_buffer_waits_for_nothing_but_itself() -> None:
    session = served()
    assert session.due(101, 20, buffered=WRITE_GATE_BYTES)
    assert not session.due(101, 20, buffered=WRITE_GATE_BYTES + 1)
    assert not session.due(130, 20, buffered=WRITE_GATE_BYTES + 1)
    session.held = 130
    assert session.due(131, 20, buffered=0)


@pytest.mark.parametrize("buffered", [0, WRITE_GATE_BYTES + 1])
def test_who_is_behind_for_too_long_is_let_go(buffered: int) -> None:
    session = served()
    session.due(200, 20, buffered)
    last = 200 + int(TOO_SLOW_S * 20)
    session.due(last, 20, buffered)
    with pytest.raises(RemoteError, match="for 45 s") as caught:
        session.due(last + 1, 20, buffered)
    assert caught.value.code is CloseCode.TOO_SLOW
