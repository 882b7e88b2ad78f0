"""A session outlives its connections: who may resume it, and what is lost on the way."""

from __future__ import annotations

import logging

import pytest

from server.core.tokens import Seat, issue, issued_ms
from shared.errors import CloseCode
from shared.messages import Frame, InputItem, InputMessage, Resume, RoomStatus, Status, Welcome
from shared.session import ClientState
from tests.server.core.yard import Cave, Yard, nonce
from tests.server.edge.desk import SECRET, Caller, Desk, closing
from tests.server.edge.pollster import Pollster
from tests.server.host.rig import player
from tests.simulation.loop import virtually


def token(room: str, player_id: int, name: str = "Ada", *, at_s: float = 1_000_000) -> bytes:
    return issue(SECRET, Seat(room, player_id, nonce(name)), at_s)


def test_a_resume_needs_a_token_of_ours_and_a_room_that_is_there() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        room, seat = desk.only_room(), ada.session.player
        good = ada.session.welcome.token if ada.session.welcome else b""
        tries = [
            (good[:-1] + bytes((good[-1] ^ 1,)), CloseCode.BAD_TOKEN, "does not know your session"),
            (good[:-3], CloseCode.BAD_TOKEN, "does not know your session"),
            (b"", CloseCode.BAD_TOKEN, "does not know your session"),
            (token("z" * 20, seat), CloseCode.ROOM_CLOSED, "the room is over"),
            (token(room.id, seat + 1), CloseCode.ROOM_CLOSED, "the seat was given up"),
            (token(room.id, seat, "Bob"), CloseCode.ROOM_CLOSED, "the seat was given up"),
        ]
        for proof, code, said in tries:
            line = desk.line()
            line.say(Resume(proof, 0, 0, 1).encode())
            await desk.seconds(0.1)
            found, reason = closing(line)
            assert (found, said in reason) == (code, True)
        assert ada.line.ending is None, "and who sits there plays on"
        line = desk.line()
        line.say(Resume(good, 0, 0, 1).encode())
        await desk.seconds(0.1)
        assert line.of(Welcome)[0].player == seat
        assert closing(ada.line)[0] is CloseCode.REPLACED
        await desk.stop()

    virtually(scenario())


@pytest.mark.parametrize("game", [Yard(), Cave()])
def test_a_session_goes_on_over_a_new_line_and_loses_nothing(
    game: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        desk = await Desk(game).start()
        name = type(game).__name__.lower()
        ada = await desk.call("Ada", name)
        await desk.call("Bob", name)
        seat = ada.session.player
        for _ in range(4):
            for _ in range(3):
                ada.post(1, "hi")
                await desk.seconds(0.05)
            ada.hang_up()
            ada.post(1, "hi")
            await desk.seconds(0.2)
            assert player(desk.only_room(), "Ada").connected is False
            held = ada.session.view.tick if ada.session.view else 0
            ada.connect()
            await desk.seconds(0.5)
            first = ada.line.of(Frame)[0]
            assert first.base == (0 if isinstance(game, Cave) else held)
        row = player(desk.only_room(), "Ada")
        assert (ada.session.player, row.connected) == (seat, True)
        assert (row.inputs_applied + row.inputs_skipped, row.score) == (16, 16)
        assert (ada.session.waiting, ada.session.stats.divergence) == (0, 0)
        assert ada.session.stats.digests > 4
        await desk.stop()

    with caplog.at_level(logging.ERROR):
        virtually(scenario())
    assert caplog.text == ""


def test_a_connection_is_later_than_the_one_whose_token_it_names_whatever_the_clocks_say() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        room, seat = desk.only_room(), ada.session.player
        ada.hang_up()
        # Issued by a process whose clock goes ahead, and whose word has not come here.
        line = desk.line()
        line.say(Resume(token(room.id, seat, at_s=1_000_030), 0, 0, 1).encode())
        await desk.seconds(0.2)
        assert issued_ms(line.of(Welcome)[0].token) > 1_000_030_000
        await desk.stop()

    virtually(scenario())


def test_a_client_that_holds_more_than_the_journal_is_taken_back() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        room = desk.only_room()
        ada.hang_up()
        line = desk.line()
        ahead = room.match.tick + 500
        proof = ada.session.welcome.token if ada.session.welcome else b""
        line.say(Resume(proof, room.epoch, ahead, 1).encode())
        await desk.seconds(0.06)
        line.say(InputMessage(ahead, (InputItem(1, [1, 0]),)).encode())
        await desk.seconds(0.2)
        assert line.ending is None
        assert line.of(Frame)[0].base == 0
        assert player(room, "Ada").inputs_applied == 1
        await desk.stop()

    virtually(scenario())


def test_a_room_that_stands_still_for_its_author_takes_back_who_had_a_seat() -> None:
    async def scenario() -> None:
        desk = await Desk(development=True).start()
        ada = await desk.call("Ada")
        ada.hang_up()
        desk.only_room().fail("the game failed: ValueError: no", "yard.py:9")
        await desk.seconds(0.2)
        tick = desk.only_room().match.tick
        ada.connect()
        await desk.seconds(0.2)
        assert ada.session.state is ClientState.LIVE
        assert ada.session.status is Status.PAUSED
        assert ada.line.of(RoomStatus)[0].committed == tick
        assert ada.line.of(Frame) == [], "there is no tick to tell"
        # Who comes for the first time waits for the tick that seats newcomers.
        bob = Caller(desk, "Bob")
        bob.connect()
        await desk.seconds(1)
        assert (bob.session.state, bob.line.ending) == (ClientState.CONNECTING, None)
        await desk.stop()

    virtually(scenario())


@pytest.mark.parametrize("stepped_s", [-600.0, 25 * 3600.0, -25 * 3600.0])
def test_no_step_of_the_wall_clock_loses_a_session(stepped_s: float) -> None:
    """Sockets are lost and taken up again before and after the step, and after it steps back."""

    async def scenario() -> None:
        desk = await Desk().start()
        real, offset_s = desk.rig.clock._wall_s, [0.0]
        desk.rig.clock._wall_s = lambda: real() + offset_s[0]
        ada, bob = await desk.call("Ada"), Pollster(desk, "Bob")
        await bob.poll()
        room = desk.only_room()
        numbers = [player(room, "Ada").connection]
        for now_s in (0.0, stepped_s, stepped_s, 0.0, -stepped_s):
            offset_s[0] = now_s
            ada.hang_up()
            await desk.seconds(0.2)
            ada.connect()
            await bob.play(3)
            await desk.seconds(0.3)
            assert ada.session.state is ClientState.LIVE
            ada.post(1, "hi")
            await desk.seconds(0.2)
            numbers.append(player(room, "Ada").connection)
        assert numbers == sorted(set(numbers)), "each connection's number is above all before"
        assert player(room, "Ada").score == 5
        await bob.settle()
        assert player(room, "Bob").input_seq == bob.session.last_seq
        assert ada.session.stats.divergence == bob.session.stats.divergence == 0
        await desk.stop()

    virtually(scenario())
