"""The client's half of a session: what is sent, kept, repeated, counted and given up.

The server's half is in test_server_session.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from shared.chunks import pack, pack_chunk
from shared.errors import CloseCode
from shared.fields import text
from shared.from_client import decode_from_client
from shared.game import Game
from shared.inputs import Action, Input, InputMeta
from shared.limits import (
    INPUT_ITEMS_MAX,
    MESSAGE_BYTES_MAX,
    UNACKED_INPUTS_MAX,
)
from shared.match import NOTHING, Chunks
from shared.messages import (
    Close,
    Digest,
    InputItem,
    InputMessage,
    Join,
    Leave,
    Renew,
    Resume,
    RoomStatus,
    Status,
    TimeAnswer,
    Welcome,
    frame_bytes,
)
from shared.schema import describe
from shared.session import (
    REPORT_FRAMES,
    STANDSTILL_FRAMES,
    ClientSession,
    ClientState,
    Outcome,
)
from tests.vectors.zoo import Keeper, Nest, Say, Steer, Zone, Zoo

JOIN = Join(bytes(16), "zoo", {}, "Ada")
SCHEMA = describe(Zoo())
ADA = Chunks(1, pack_chunk(1, [], [[0b11, [2], [2], ["ada"]]]))
NEST = Chunks(1, pack_chunk(2, [], [[0b10, [9], [4]]]))


def welcome(epoch: int = 3, player: int = 2, schema: Any = SCHEMA, send_every: int = 1) -> bytes:
    """A WELCOME."""
    return Welcome(b"token", "room", epoch, player, 20, send_every, schema).encode()


def frame(tick: int, base: int, *parts: Chunks, ack: int = 0, refusals: Any = None) -> bytes:
    """A FRAME."""
    return frame_bytes(tick, base, tick, ack, refusals, None, *parts)


def live(tick: int = 10) -> ClientSession:
    """A session that holds a tick."""
    session = ClientSession(JOIN)
    session.receive(welcome())
    session.receive(frame(tick, 0, ADA))
    return session


def state(session: ClientSession) -> str:
    """Where a session stands."""
    return session.state.value


def said(session: ClientSession) -> list[Any]:
    """What the session wants to send, decoded; and the outbox is empty."""
    messages = [decode_from_client(payload) for payload in session.outbox]
    session.outbox.clear()
    return messages


def seqs(messages: list[Any]) -> list[list[int]]:
    """The seqs of INPUT messages."""
    return [[item.seq for item in message.items] for message in messages]


def test_a_session_joins_until_it_is_welcome() -> None:
    session = ClientSession(JOIN)
    assert state(session) == "connecting"
    assert (session.player, session.waiting, session.last_seq) == (0, 0, 0)
    assert session.hello() == session.hello() == JOIN.encode()
    assert session.receive(welcome()) == Outcome()
    assert session.state is ClientState.LIVE
    assert session.player == 2
    assert session.stats.resumes == 0


def test_a_frame_before_the_welcome_is_malformed() -> None:
    with pytest.raises(ValueError, match="a FRAME before WELCOME"):
        ClientSession(JOIN).receive(frame(1, 0))


def test_a_lost_connection_is_resumed_from_the_tick_held() -> None:
    session = live()
    session.post(Steer())
    session.lost()
    assert state(session) == "resuming"
    assert session.outbox == []
    assert decode_from_client(session.hello()) == Resume(b"token", 3, 10, 1)
    session.lost()
    assert state(session) == "resuming"
    assert decode_from_client(session.hello()) == Resume(b"token", 3, 10, 1)
    session.receive(welcome(epoch=4))
    assert session.state is ClientState.LIVE
    assert seqs(said(session)) == [[1]]
    session.receive(frame(11, 10, ack=1))
    assert decode_from_client(session.hello()) == Resume(b"token", 4, 11, 2)
    assert session.stats.resumes == 3


def test_a_lost_join_is_a_join_again() -> None:
    session = ClientSession(JOIN)
    session.lost()
    assert session.state is ClientState.CONNECTING
    assert session.hello() == JOIN.encode()


def test_items_get_rising_seqs_and_are_sent_at_once_while_live() -> None:
    session = live()
    assert session.post(Steer(x=1)) == 1
    assert session.post(None, [(0, Say(line="hi")), (0, Say(loud=1))]) == 2
    assert session.last_seq == session.waiting == session.stats.inputs_sent == 2
    first, second = said(session)
    assert first == InputMessage(10, (InputItem(1, [64, 0, 0, 0]),))
    assert second.items[0] == InputItem(2, None, ([0, "hi", 0.0], [0, "", 1.0]))


def test_items_made_while_away_are_sent_once_back() -> None:
    session = live()
    session.lost()
    session.post(Steer())
    session.post(Steer())
    assert session.outbox == []
    session.hello()
    session.receive(welcome())
    assert seqs(said(session)) == [[1, 2]]


def test_items_made_before_the_welcome_are_sent_with_it() -> None:
    session = ClientSession(JOIN)
    session.post(Steer())
    session.receive(welcome())
    assert seqs(said(session)) == [[1]]


def test_an_ack_settles_what_it_reaches() -> None:
    session = live()
    for _ in range(5):
        session.post(Input())
    session.receive(frame(11, 10, ack=3))
    assert (session.waiting, session.ack, session.stats.inputs_acked) == (2, 3, 3)
    session.receive(frame(12, 11, ack=2))
    assert (session.waiting, session.ack) == (2, 3)


def test_where_too_many_wait_an_item_is_given_up() -> None:
    session = live()
    for _ in range(UNACKED_INPUTS_MAX):
        assert session.post(Input()) <= session.last_seq
    assert session.post(Input()) > session.last_seq
    assert session.waiting == UNACKED_INPUTS_MAX
    assert session.stats.inputs_given_up == 1
    session.receive(frame(11, 10, ack=1))
    assert session.post(Input()) == UNACKED_INPUTS_MAX + 1


def test_long_items_are_repeated_in_messages_that_fit() -> None:
    kind: Any = InputMeta("Say", (Action,), {"words": text(9000)})
    session = live()
    for _ in range(5):
        session.post(Input(), [(0, kind(words="w" * 7000))])
    session.outbox.clear()
    for tick in range(11, 11 + STANDSTILL_FRAMES):
        session.receive(frame(tick, tick - 1))
    sizes = [len(message) for message in session.outbox if len(message) > 1000]
    assert len(sizes) == 3
    assert max(sizes) <= MESSAGE_BYTES_MAX


def test_a_standing_ack_has_everything_repeated_in_parts() -> None:
    session = live()
    for _ in range(INPUT_ITEMS_MAX + 1):
        session.post(Input())
    session.outbox.clear()
    for tick in range(11, 10 + STANDSTILL_FRAMES):
        session.receive(frame(tick, tick - 1))
    assert seqs([message for message in said(session) if message.items]) == []
    session.receive(frame(10 + STANDSTILL_FRAMES, 9 + STANDSTILL_FRAMES))
    repeated = seqs([message for message in said(session) if message.items])
    assert repeated == [list(range(1, INPUT_ITEMS_MAX + 1)), [INPUT_ITEMS_MAX + 1]]


def test_an_ack_that_moves_is_not_standing() -> None:
    session = live()
    for _ in range(3):
        session.post(Input())
    session.outbox.clear()
    for tick in range(11, 11 + 2 * (STANDSTILL_FRAMES - 1)):
        session.receive(frame(tick, tick - 1, ack=tick // (10 + STANDSTILL_FRAMES - 1)))
    assert [message for message in said(session) if message.items] == []


def test_who_has_nothing_to_send_still_reports() -> None:
    session = live()
    for tick in range(11, 10 + REPORT_FRAMES):
        session.receive(frame(tick, tick - 1))
    assert said(session) == [InputMessage(9 + REPORT_FRAMES, ())]
    session.receive(frame(9 + REPORT_FRAMES + 2, 10))
    assert session.outbox == []
    # One frame that covers many is reported at once: the server waits to hear of it.
    session.receive(frame(60, 10))
    assert said(session) == [InputMessage(60, ())]
    # So is one from nothing, where the history no longer reaches back.
    session.receive(frame(600, 0))
    assert said(session) == [InputMessage(600, ())]
    session.receive(frame(601, 600))
    assert session.outbox == []


def test_frames_are_applied_dropped_or_refused_by_their_ticks() -> None:
    session = live()
    outcome = session.receive(frame(12, 10, NEST))
    assert outcome.framed
    assert outcome.changes is not None
    assert [name for name, _ in outcome.changes.added] == ["Nest"]
    assert session.receive(frame(12, 10)) == Outcome()
    assert session.receive(frame(11, 10)) == Outcome()
    with pytest.raises(ValueError, match="a FRAME from tick 13, but 12 is held"):
        session.receive(frame(14, 13))
    # From nothing, a frame is applied whatever is held.
    assert session.receive(frame(12, 0, ADA)).framed
    assert session.view is not None
    assert (session.view.tick, session.view.count(Nest)) == (12, 0)


def test_skipped_frames_are_counted() -> None:
    session = live()
    session.receive(frame(11, 10))
    assert session.stats.frames_skipped == 0
    session.receive(frame(15, 11))
    assert session.stats.frames_skipped == 3
    session.receive(frame(40, 0, ADA))
    assert (session.stats.frames, session.stats.frames_skipped) == (4, 3)
    slower = ClientSession(JOIN)
    slower.receive(welcome(send_every=2))
    for tick, base in ((2, 0), (4, 2), (8, 4)):
        slower.receive(frame(tick, base, ADA))
    assert slower.stats.frames_skipped == 1


def test_refusals_are_told_once() -> None:
    session = live()
    for _ in range(3):
        session.post(Input())
    told = [[1, 0, "skipped"], [2, 1, "no"]]
    assert session.receive(frame(11, 10, ack=2, refusals=told)).refusals == [
        (1, 0, "skipped"),
        (2, 1, "no"),
    ]
    more = session.receive(frame(12, 10, ack=3, refusals=[*told, [3, 2, "late"]]))
    assert more.refusals == [(3, 2, "late")]
    assert (session.stats.refused, session.stats.inputs_skipped) == (2, 1)


def test_a_malformed_frame_leaves_the_session_as_it_was() -> None:
    session = live()
    session.post(Input())
    wrong = Chunks(1, pack([99, []]))
    with pytest.raises(ValueError, match="no table 99"):
        session.receive(frame(11, 10, wrong, ack=1))
    assert (session.ack, session.stats.frames) == (0, 1)
    assert decode_from_client(session.hello()) == Resume(b"token", 3, 10, 1)


def test_a_digest_that_agrees_is_counted() -> None:
    session = live()
    assert session.view is not None
    crc = session.view.digest()
    session.receive(Digest(10, crc).encode())
    # Of a tick that is not held, it says nothing.
    session.receive(Digest(9, crc + 1).encode())
    assert (session.stats.digests, session.stats.divergence) == (1, 0)
    early = ClientSession(JOIN)
    assert early.receive(Digest(1, 1).encode()) == Outcome()


def test_a_digest_that_differs_has_everything_asked_for_anew() -> None:
    session = live()
    with pytest.raises(ValueError, match="the view of tick 10 differs from the server's"):
        session.receive(Digest(10, 1).encode())
    assert session.stats.divergence == 1
    assert decode_from_client(session.hello()) == Resume(b"token", 3, 0, 1)
    session.receive(welcome())
    session.receive(frame(11, 0, ADA))
    assert decode_from_client(session.hello()) == Resume(b"token", 3, 11, 1)


def test_a_new_epoch_has_the_unacknowledged_repeated() -> None:
    session = live()
    session.post(Input())
    session.outbox.clear()
    session.receive(RoomStatus(3, 10, Status.PAUSED).encode())
    assert (session.status, session.outbox) == (Status.PAUSED, [])
    session.receive(RoomStatus(4, 10, Status.UNCOMMITTED).encode())
    assert seqs(said(session)) == [[1]]
    assert decode_from_client(session.hello()) == Resume(b"token", 4, 10, 1)
    session.receive(welcome())
    assert session.status is Status.LIVE, "until a ROOM says otherwise"


class Smaller(Game):
    entities = (Nest,)
    room = Zone
    player = Keeper


@pytest.mark.parametrize("by_room", [True, False])
def test_a_changed_schema_begins_the_view_anew(by_room: bool) -> None:
    session = live()
    changed = describe(Smaller())
    if by_room:
        session.receive(RoomStatus(4, 10, Status.LIVE, changed).encode())
    session.receive(welcome(epoch=4, schema=changed))
    assert session.view is not None
    assert session.view.names == ["Zone", "Keeper", "Nest"]
    assert session.view.tick == 0
    assert session.receive(frame(11, 0, ADA)).framed
    before = session.view
    session.receive(welcome(epoch=5, schema=changed))
    assert session.view is before


def test_clocks_and_deadlines_are_passed_on() -> None:
    session = live()
    answer = TimeAnswer(1.5, 2.5, 10)
    assert session.receive(answer.encode()) == Outcome(time=answer)
    assert session.receive(Renew(900).encode()) == Outcome(renew_ms=900)
    assert session.receive(pack([99, "of a later version"])) == Outcome()


@pytest.mark.parametrize(
    ("close", "state"),
    [
        (Close(CloseCode.GOING_AWAY, "drain"), ClientState.RESUMING),
        (Close(CloseCode.ROOM_FULL, "full", 500), ClientState.RESUMING),
        (Close(CloseCode.REPLACED, "elsewhere"), ClientState.GONE),
        (Close(4999, "of a later version"), ClientState.GONE),
    ],
)
def test_a_close_says_whether_to_come_back(close: Close, state: ClientState) -> None:
    session = live()
    assert session.receive(close.encode()) == Outcome(closed=close)
    assert session.state is state
    assert session.closed == (close if state is ClientState.GONE else None)


def test_a_close_before_the_welcome_has_the_join_repeated() -> None:
    session = ClientSession(JOIN)
    session.receive(Close(CloseCode.UNAVAILABLE, "full", 500).encode())
    assert session.state is ClientState.CONNECTING


def test_a_session_may_leave() -> None:
    session = live()
    session.leave()
    assert said(session) == [Leave()]
    assert session.state is ClientState.GONE
    assert session.closed == Close(CloseCode.NORMAL, "left")
    away = live()
    away.lost()
    away.leave()
    assert away.outbox == []


def test_a_session_that_left_is_not_welcomed_back() -> None:
    session = ClientSession(JOIN)
    session.leave()
    assert session.receive(welcome()) == Outcome()
    assert session.state is ClientState.GONE
    assert session.welcome is None


def test_bytes_are_counted() -> None:
    session = live()
    assert session.stats.bytes == len(welcome()) + len(frame(10, 0, ADA))


def test_the_states_are_those_of_the_page() -> None:
    assert [state.value for state in ClientState] == ["connecting", "live", "resuming", "gone"]
    assert Outcome().refusals == []
    assert NOTHING.count == 0


def test_what_waits_outlives_new_fields_and_not_new_inputs() -> None:
    session = live()
    session.post(Steer(x=1), [(0, Say(line="hi"))])
    said(session)
    [kept] = [item for one in again(session, [[], *SCHEMA[1:]]) for item in one.items]
    assert (kept.seq, kept.input is not None, len(kept.actions)) == (1, True, 1)
    asks_else: list[Any] = [*SCHEMA[:2], [], SCHEMA[3]]
    [blank] = [item for one in again(session, asks_else) for item in one.items]
    assert (blank.seq, blank.input, blank.actions) == (1, None, ())
    outcome = session.receive(frame(12, 0, ADA, ack=1))
    assert outcome.refusals == [(1, 1, "the game changed")]
    assert session.waiting == 0
    assert session.receive(frame(13, 12, ADA, ack=1)).refusals == []


def again(session: ClientSession, schema: Any) -> list[Any]:
    """The session is welcomed with this schema; what it repeats."""
    tables = schema[0] or [[*table[:2], table[2][:1]] for table in SCHEMA[0]]
    session.receive(welcome(epoch=4, schema=[tables, *schema[1:]]))
    return said(session)
