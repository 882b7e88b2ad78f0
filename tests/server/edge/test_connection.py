"""One conversation from its first message to its end, and every way a client can go wrong."""

from __future__ import annotations

from typing import Any

import pytest

from shared import limits
from shared.chunks import pack
from shared.errors import CloseCode
from shared.messages import (
    Close,
    Frame,
    InputItem,
    InputMessage,
    Join,
    Leave,
    Role,
    RoomStatus,
    Status,
    Time,
    TimeAnswer,
    Welcome,
)
from shared.session import ClientState
from tests.server.core.yard import Yard, nonce
from tests.server.edge.desk import Caller, Desk, closing
from tests.server.host.rig import player
from tests.simulation.loop import virtually

JOIN = Join(nonce("Ada"), "yard", {}, "Ada").encode()


def test_a_join_is_welcomed_with_the_tick_that_seats_it_and_frames_follow() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada \u202e Lovelace ")
        room = desk.only_room()
        [welcome] = ada.line.of(Welcome)
        row = player(room, "Ada Lovelace")
        assert (welcome.room, welcome.epoch, welcome.player) == (room.id, room.epoch, row.id)
        assert (welcome.tick_rate, welcome.send_every) == (20, 1)
        assert [type(message) for message in ada.line.messages()[:2]] == [Welcome, Frame]
        await desk.seconds(1)
        assert ada.frames[0].base == 0
        assert [f.base for f in ada.frames[1:]] == [f.tick for f in ada.frames[:-1]]
        assert (ada.session.stats.digests, ada.session.stats.divergence) == (4, 0)
        await desk.stop()

    virtually(scenario())


def test_identity_is_passed_on_as_given() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        line = desk.line()
        line.say(Join(nonce("Ada"), "yard", {}, "Ada", Role.PLAYER, "ada@example").encode())
        await desk.seconds(0.1)
        assert player(desk.only_room(), "Ada").identity == "ada@example"
        await desk.stop()

    virtually(scenario())


def test_inputs_are_applied_and_acknowledged() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        for _ in range(10):
            ada.post(1, "hi")
            await desk.seconds(0.05)
        await desk.seconds(0.2)
        row = player(desk.only_room(), "Ada")
        assert (row.inputs_applied, row.score, ada.session.ack, ada.session.waiting) == (
            10,
            10,
            10,
            0,
        )
        assert desk.rig.metrics.counters["inputs_total"] == 10
        await desk.stop()

    virtually(scenario())


def test_time_is_answered_with_the_servers() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        before = desk.rig.clock.now() * 1000
        ada.say(Time(12.5).encode())
        [answer] = ada.line.of(TimeAnswer)
        assert answer == TimeAnswer(12.5, before, ada.frames[-1].tick)
        await desk.stop()

    virtually(scenario())


def test_who_leaves_gives_the_seat_up() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        bob = await desk.call("Bob")
        ada.say(Leave().encode())
        assert closing(ada.line) == (CloseCode.NORMAL, "left")
        await desk.seconds(0.1)
        assert [one.name for one in desk.only_room().match.players] == ["Bob"]
        assert [row.name for row in bob.session.view.players] == ["Bob"]  # type: ignore[union-attr]
        await desk.stop()

    virtually(scenario())


def test_a_spectator_watches_and_has_no_inputs() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        await desk.call("Ada")
        eve = await desk.call("Eve", role=Role.SPECTATOR)
        await desk.seconds(1)
        assert eve.session.stats.divergence == 0
        assert eve.session.player == 0
        eve.say(InputMessage(eve.frames[-1].tick, ()).encode())
        assert desk.edge.sessions == 2
        assert desk.only_room().census.spectators == 1
        eve.say(InputMessage(0, (InputItem(1, [0, 0]),)).encode())
        code, reason = closing(eve.line)
        assert code is CloseCode.BAD_MESSAGE
        assert "a spectator has no inputs" in reason
        eve = await desk.call("Eve", role=Role.SPECTATOR)
        eve.say(Leave().encode())
        assert closing(eve.line) == (CloseCode.NORMAL, "left")
        await desk.stop()

    virtually(scenario())


BAD_FIRST: list[tuple[bytes, str]] = [
    (b"\xc1", "not msgpack this server takes"),
    (pack([99]), "message type 99 is unknown"),
    (InputMessage(0, ()).encode(), "the first message must be JOIN or RESUME"),
    (Time(1).encode(), "the first message must be JOIN or RESUME"),
    (Leave().encode(), "the first message must be JOIN or RESUME"),
]


@pytest.mark.parametrize(("payload", "said"), BAD_FIRST)
def test_another_first_message_is_refused(payload: bytes, said: str) -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        line = desk.line()
        line.say(payload)
        code, reason = closing(line)
        assert (code, said in reason) == (CloseCode.BAD_MESSAGE, True)
        await desk.seconds(10)
        assert not desk.edge._connections
        await desk.stop()

    virtually(scenario())


@pytest.mark.parametrize("payload", [JOIN, InputMessage(0, ()).encode(), Time(1).encode()])
def test_who_does_not_wait_for_the_welcome_is_refused(payload: bytes) -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        line = desk.line()
        line.say(JOIN)
        line.say(payload)
        assert closing(line) == (
            CloseCode.BAD_MESSAGE,
            "wait for WELCOME before the next message",
        )
        await desk.seconds(1)
        assert list(desk.only_room().match.players) == [], "nobody is seated who is gone"
        await desk.stop()

    virtually(scenario())


def test_who_joins_twice_is_refused() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        ada.say(JOIN)
        code, reason = closing(ada.line)
        assert (code, reason) == (
            CloseCode.BAD_MESSAGE,
            "JOIN and RESUME are first messages; open another connection",
        )
        ada.line.receiver = None
        await desk.stop()

    virtually(scenario())


def test_who_says_nothing_is_closed_in_time_and_may_try_again() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        line = desk.line()
        await desk.seconds(4.9)
        assert line.ending is None
        await desk.seconds(0.2)
        assert closing(line) == (CloseCode.TIMED_OUT, "no JOIN or RESUME came within 5 s")
        assert line.of(Close)[0].retry_after_ms == 1000
        await desk.stop()

    virtually(scenario())


def test_a_join_or_resume_at_a_room_that_stands_still_is_answered_and_finds_its_seat_later() -> (
    None
):
    class Patient(Yard):
        grace_s = 30.0

    async def scenario() -> None:
        desk = await Desk(Patient()).start()
        ada = await desk.call("Ada", "patient")
        bob = await desk.call("Bob", "patient", room=desk.port().id)
        seat = bob.session.view and bob.session.view.player
        bob.hang_up()
        desk.rig.store.away = True
        await desk.seconds(0.3)
        assert ada.line.of(RoomStatus)[-1].status is Status.PAUSED
        eve = Caller(desk, "Eve", "patient", room=desk.port().id)
        for caller in (eve, bob):
            line = caller.connect()
            await desk.seconds(3.9)
            assert line.ending is None
            await desk.seconds(0.2)
            assert closing(line) == (
                CloseCode.UNAVAILABLE,
                "the room stands still on the server",
            )
            assert line.of(Close)[0].retry_after_ms == 1000
            caller.session.lost()
        desk.rig.store.away = False
        await desk.seconds(3)
        for caller in (eve, bob):
            caller.connect()
            await desk.seconds(0.3)
            assert caller.session.state is ClientState.LIVE, caller.session.closed
        assert bob.session.view is not None
        assert bob.session.view.player == seat
        assert len(desk.only_room().match.players) == 3, "and no seat is doubled"
        await desk.stop()

    virtually(scenario())


INPUTS: list[tuple[list[InputItem], str]] = [
    ([InputItem(2, [0, 0])], "input seq 2 leaves a gap; the next is 1"),
    ([InputItem(1, [9, 0])], "input 1: 9 is not a whole number from -3 to 3"),
    ([InputItem(1, None, ([4],))], "input 1: action 4; this game has 1 actions"),
]


@pytest.mark.parametrize(("items", "said"), INPUTS)
def test_an_input_that_cannot_be_closes_its_connection_alone(
    items: list[InputItem], said: str
) -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada, bob = await desk.call("Ada"), await desk.call("Bob")
        ada.say(InputMessage(0, tuple(items)).encode())
        assert closing(ada.line) == (CloseCode.BAD_MESSAGE, said)
        ada.session.lost()
        heard = len(bob.frames)
        await desk.seconds(0.3)
        assert len(bob.frames) >= heard + 5
        assert player(desk.only_room(), "Ada").input_seq == 0
        await desk.stop()

    virtually(scenario())


def test_a_tick_held_that_was_never_sent_is_refused() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        ahead = ada.frames[-1].tick + 5
        ada.say(InputMessage(ahead, ()).encode())
        code, reason = closing(ada.line)
        assert code is CloseCode.BAD_MESSAGE
        assert reason == f"tick held {ahead} was never sent; the newest is {ahead - 5}"
        await desk.stop()

    virtually(scenario())


def test_who_waits_for_no_acknowledgement_is_told_so_before_anything_is_dropped() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada, bob = await desk.call("Ada"), await desk.call("Bob")
        seq = 0
        while ada.line.ending is None and seq < 2000:
            # As many actions as an item holds: the room applies two such items a tick.
            acts = ([0, "hi"],) * limits.ACTIONS_PER_ITEM_MAX
            ada.say(
                InputMessage(
                    0, tuple(InputItem(seq + n, None, acts) for n in range(1, 41))
                ).encode()
            )
            seq += 40
            await desk.seconds(0.25)
        assert closing(ada.line) == (
            CloseCode.TOO_FAST,
            "more than 256 inputs wait; wait for their acknowledgement",
        )
        row = player(desk.only_room(), "Ada")
        assert row.score == 8 * row.input_seq, "what was taken is applied, in order"
        assert limits.INBOX_ITEMS_MAX < seq - row.input_seq <= limits.INBOX_ITEMS_MAX + 80
        await desk.seconds(8)
        assert bob.line.ending is None
        await desk.stop()

    virtually(scenario())


def test_too_many_messages_or_inputs_are_too_fast() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada, bob = await desk.call("Ada"), await desk.call("Bob")
        said = 0
        while ada.line.ending is None:
            ada.say(InputMessage(0, ()).encode())
            said += 1
        # Since its first message some time has passed, and counts.
        assert limits.MESSAGES_BURST <= said <= 2 * limits.MESSAGES_BURST
        assert closing(ada.line) == (CloseCode.TOO_FAST, "more than 150 messages a second")
        seq = 0
        while bob.line.ending is None:
            items = [InputItem(seq + n, [0, 0]) for n in range(1, limits.INPUT_ITEMS_MAX + 1)]
            bob.say(InputMessage(0, tuple(items)).encode())
            seq += limits.INPUT_ITEMS_MAX
        assert closing(bob.line) == (CloseCode.TOO_FAST, "more than 160 inputs a second")
        assert limits.INPUT_ITEMS_BURST < seq <= 2 * limits.INPUT_ITEMS_BURST
        await desk.stop()

    virtually(scenario())


def test_what_comes_after_the_end_is_not_read() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        ada.say(Leave().encode())
        receiver: Any = ada.line.receiver
        sent = len(ada.line.sent)
        for payload in (b"\xc1", JOIN, Time(1).encode()):
            receiver.message(payload)
        receiver.end(CloseCode.INTERNAL_ERROR, "again")
        assert len(ada.line.sent) == sent
        await desk.stop()

    virtually(scenario())


REFUSALS: list[tuple[dict[str, Any], CloseCode, str]] = [
    ({"name": "unwelcome"}, CloseCode.REFUSED, "not you"),
    ({"name": "Ada", "game": "chess"}, CloseCode.NOT_FOUND, "there is no game 'chess'"),
    ({"name": "Ada", "colour": 1}, CloseCode.BAD_OPTION, "yard has no option 'colour'"),
    ({"name": "Ada", "room": "z" * 20}, CloseCode.NOT_FOUND, "there is no such room"),
    ({"name": "join!"}, CloseCode.REFUSED, "the game failed: Yard.join raised RuntimeError"),
]


@pytest.mark.parametrize(("wishes", "code", "said"), REFUSALS)
def test_a_join_that_cannot_be_is_refused(
    wishes: dict[str, Any], code: CloseCode, said: str
) -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        caller = Caller(desk, **wishes)
        line = caller.connect()
        await desk.seconds(0.2)
        found, reason = closing(line)
        assert (found, reason[: len(said)]) == (code, said)
        assert caller.session.state is ClientState.GONE
        await desk.stop()

    virtually(scenario())


def test_a_full_room_says_so() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        room = None
        for name in "abcd":
            await desk.call(name)
            room = desk.only_room().id
        eve = Caller(desk, "Eve", room=room)
        line = eve.connect()
        await desk.seconds(0.1)
        assert closing(line) == (CloseCode.ROOM_FULL, "the room is full")
        await desk.stop()

    virtually(scenario())


def test_a_join_that_finds_the_store_away_may_be_tried_again() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        desk.rig.store.away = True
        caller = Caller(desk, "Ada")
        line = caller.connect()
        await desk.seconds(0.1)
        assert closing(line) == (CloseCode.UNAVAILABLE, "the store is away")
        assert line.of(Close)[0].retry_after_ms == 2000
        assert caller.session.state is ClientState.CONNECTING
        await desk.stop()

    virtually(scenario())


def test_a_join_that_meets_a_bug_of_ours_is_not_left_waiting() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        desk.rig.store.broken = ZeroDivisionError("a secret")  # type: ignore[assignment]
        caller = Caller(desk, "Ada")
        line = caller.connect()
        await desk.seconds(0.1)
        assert closing(line) == (CloseCode.INTERNAL_ERROR, "the server failed; try again")
        assert line.of(Close)[0].retry_after_ms == 0, "a client may come back at once"
        assert [type(error) for error in desk.failures] == [ZeroDivisionError]
        await desk.stop()

    virtually(scenario())


def test_a_line_lost_while_its_room_is_made_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        desk.rig.store.answering.clear()
        caller = Caller(desk, "Ada")
        caller.connect()
        await desk.seconds(0.1)
        caller.hang_up()
        await desk.seconds(0.1)
        desk.rig.store.answering.set()
        await desk.seconds(0.2)
        assert list(desk.only_room().match.players) == []
        assert (desk.edge.sessions, desk.edge._followers) == (0, {})
        assert desk.failures == []
        await desk.stop()

    virtually(scenario())
