"""Long polls: each is answered once, with what its client lacks; nothing is lost or done twice."""

from __future__ import annotations

import asyncio

import pytest

from shared.errors import CloseCode
from shared.limits import POLL_LINGER_S
from shared.messages import (
    Digest,
    Frame,
    InputItem,
    InputMessage,
    Leave,
    Role,
    RoomStatus,
    Status,
    Time,
    TimeAnswer,
    Welcome,
)
from shared.polls import join_messages
from tests.server.core.yard import Cave, Push, Yard
from tests.server.edge.desk import WAIT_S, Desk
from tests.server.edge.pollster import Pollster, closed, decoded, request
from tests.server.host.rig import MoodyStore, player
from tests.simulation.loop import virtually


@pytest.mark.parametrize("game", [Yard(), Cave()])
def test_a_session_plays_by_polls_and_every_input_counts_once(game: Yard) -> None:
    async def scenario() -> None:
        desk = await Desk(game).start()
        name = type(game).__name__.lower()
        ada = Pollster(desk, "Ada", name)
        await desk.call("Bob", name)
        first = await ada.poll()
        assert [type(message) for message in first][:2] == [Welcome, Frame]
        await ada.play(40)
        await ada.settle()
        row = player(desk.only_room(), "Ada")
        assert (row.connected, row.inputs_applied + row.inputs_skipped) == (True, 40)
        assert (ada.session.stats.divergence, ada.session.stats.digests > 3) == (0, True)
        assert [frame.base for frame in ada.frames[:1]] == [0]
        assert all(frame.base for frame in ada.frames[1:]), "each is a delta from the tick held"
        assert sum(isinstance(one, Welcome) for many in ada.answers for one in many) == 1
        assert desk.failures == []
        await desk.stop()

    virtually(scenario())


@pytest.mark.parametrize("game", [Yard(), Cave()])
def test_an_answer_that_is_lost_is_made_again_and_what_it_took_is_not_taken_twice(
    game: Yard,
) -> None:
    async def scenario() -> None:
        desk = await Desk(game, digest_ticks=1).start()
        ada = Pollster(desk, "Ada", type(game).__name__.lower())
        await ada.poll()
        for turn in range(30):
            ada.session.post(None, [])
            await ada.poll(lose=turn % 3 != 0)
            await desk.seconds(0.05 * (turn % 5))
        await ada.settle()
        assert player(desk.only_room(), "Ada").input_seq == 30
        assert (ada.session.stats.divergence, ada.session.stats.digests > 9) == (0, True)
        await desk.stop()

    virtually(scenario())


def test_inputs_made_before_the_room_moved_are_taken_once_the_client_has_heard_of_it() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = Pollster(desk, "Ada")
        await ada.poll()
        # As a client that was away when the room was taken over, maybe by other rules.
        ada.session._epoch -= 1
        ada.session.post(Push(by=1))
        told = await ada.poll()
        assert isinstance(told[0], Welcome)
        await desk.seconds(0.2)
        row = player(desk.only_room(), "Ada")
        assert row.input_seq == 0
        await ada.poll()
        await ada.settle()
        assert (row.input_seq, row.inputs_applied) == (1, 1)
        await desk.stop()

    virtually(scenario())


def test_a_join_whose_answer_is_lost_finds_the_same_seat() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = Pollster(desk, "Ada")
        await ada.poll(lose=True)
        await ada.poll()
        assert [p.name for p in desk.only_room().match.players] == ["Ada"]
        await ada.play(5)
        assert ada.session.stats.divergence == 0
        await desk.stop()

    virtually(scenario())


def test_a_poll_waits_for_a_newer_frame_and_no_longer_than_it_may() -> None:
    async def scenario() -> None:
        store = MoodyStore()
        desk = await Desk(store=store).start()
        ada = Pollster(desk, "Ada")
        await ada.poll()
        loop = asyncio.get_running_loop()
        for _ in range(5):
            held, began = ada.held, loop.time()
            await ada.poll()
            assert ada.held > held
            assert loop.time() - began <= 0.051
        store.away = True
        await desk.seconds(0.2)
        told = await ada.poll()
        assert [(type(one), getattr(one, "status", None)) for one in told] == [
            (RoomStatus, Status.PAUSED)
        ]
        began = loop.time()
        await ada.poll()
        assert loop.time() - began == pytest.approx(WAIT_S)
        assert ada.session.status.name == "PAUSED"
        store.away = False
        # The answer that says so is lost, and so it is said again, until it must have arrived.
        await ada.poll(lose=True)
        await ada.play(3)
        assert ada.session.status.name == "LIVE"
        assert not any(isinstance(message, RoomStatus) for message in ada.answers[-1])
        await desk.stop()

    virtually(scenario())


def test_a_join_by_poll_at_a_room_that_stands_still_is_answered_and_finds_its_seat_later() -> None:
    async def scenario() -> None:
        store = MoodyStore()
        desk = await Desk(store=store).start()
        ada = Pollster(desk, "Ada")
        await ada.poll()
        store.away = True
        await desk.seconds(0.2)
        eve = Pollster(desk, "Eve", room=desk.port().id)
        for _ in range(2):
            assert closed(await eve.poll()) == (
                CloseCode.UNAVAILABLE,
                "the room stands still on the server",
            )
            await desk.seconds(1)
        store.away = False
        await eve.poll()
        await eve.play(3)
        assert [p.name for p in desk.only_room().match.players] == ["Ada", "Eve"]
        await desk.stop()

    virtually(scenario())


def test_a_newer_poll_answers_the_older_at_once() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = Pollster(desk, "Ada")
        await ada.poll()
        polls = [asyncio.ensure_future(ada.poll(lose=True)) for _ in range(5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [poll.done() for poll in polls] == [True, True, True, True, False]
        answers = await asyncio.gather(*polls)
        assert [len([m for m in answer if isinstance(m, Frame)]) for answer in answers] == [
            *[0] * 4,
            1,
        ]
        assert desk.polling.sessions == 1
        await desk.stop()

    virtually(scenario())


def test_polls_that_arrive_out_of_order_do_no_harm() -> None:
    async def scenario() -> None:
        desk = await Desk(digest_ticks=1).start()
        ada = Pollster(desk, "Ada")
        await ada.play(5)
        ada.session.post(None)
        late = ada.session.poll()
        await ada.play(5)
        await ada.ask(*late)
        await ada.play(5)
        await ada.ask(*late)
        await ada.settle()
        assert player(desk.only_room(), "Ada").input_seq == ada.session.last_seq == 16
        assert ada.session.stats.divergence == 0
        await desk.stop()

    virtually(scenario())


class Patient(Yard):
    grace_s = 30.0


def test_presence_outlives_a_poll_for_a_while_and_an_abandoned_one_is_freed() -> None:
    async def scenario() -> None:
        desk = await Desk(Patient()).start()
        ada = Pollster(desk, "Ada", "patient")
        await ada.play(3)
        await desk.seconds(POLL_LINGER_S - 0.5)
        assert player(desk.only_room(), "Ada").connected is True
        poll = asyncio.ensure_future(ada.poll())
        await asyncio.sleep(0)
        poll.cancel()
        await desk.seconds(POLL_LINGER_S - 0.5)
        assert (player(desk.only_room(), "Ada").connected, desk.polling.sessions) == (True, 1)
        await desk.seconds(1)
        assert (player(desk.only_room(), "Ada").connected, desk.polling.sessions) == (False, 0)
        assert desk.edge.sessions == 0
        # Whoever comes back within the grace has the seat still, at another edge as at this one.
        await ada.play(3)
        assert player(desk.only_room(), "Ada").connected is True
        assert ada.session.stats.divergence == 0
        await desk.stop()

    virtually(scenario())


def test_a_clock_question_is_answered_and_a_leave_gives_the_seat_up() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = Pollster(desk, "Ada")
        await ada.play(2)
        told = await ada.poll(Time(17.5).encode())
        assert [one.client_ms for one in told if isinstance(one, TimeAnswer)] == [17.5]
        assert any(isinstance(one, Frame) for one in told)
        told = await ada.ask(ada.session.poll()[0], Leave().encode())
        assert closed(told) == (CloseCode.NORMAL, "left")
        await desk.seconds(0.2)
        assert list(desk.only_room().match.players) == []
        assert desk.polling.sessions == 0
        await desk.stop()

    virtually(scenario())


def test_a_spectator_watches_by_polls_and_has_no_inputs() -> None:
    async def scenario() -> None:
        desk = await Desk(digest_ticks=1).start()
        await desk.call("Bob")
        eve = Pollster(desk, "Eve", role=Role.SPECTATOR)
        await eve.play(0)
        for _ in range(10):
            await eve.poll()
        assert (eve.session.stats.divergence, eve.session.stats.digests) == (0, 10)
        assert desk.only_room().census.spectators == 1
        told = await eve.poll(InputMessage(0, (InputItem(1, None),)).encode(), lose=True)
        assert closed(told)[0] == CloseCode.BAD_MESSAGE
        await desk.stop()

    virtually(scenario())


def test_the_end_of_the_process_answers_all_who_wait() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = Pollster(desk, "Ada")
        await ada.poll()
        poll = asyncio.ensure_future(ada.poll(lose=True))
        await asyncio.sleep(0)
        desk.polling.close()
        assert closed(await poll)[0] == CloseCode.GOING_AWAY
        assert closed(await ada.poll(lose=True))[0] == CloseCode.GOING_AWAY
        await desk.stop()

    virtually(scenario())


def test_digests_come_with_the_frame_they_are_of() -> None:
    async def scenario() -> None:
        desk = await Desk(digest_ticks=1).start()
        ada = Pollster(desk, "Ada")
        for _ in range(5):
            told = await ada.poll()
            [frame] = [one for one in told if isinstance(one, Frame)]
            [digest] = [one for one in told if isinstance(one, Digest)]
            assert frame.tick == digest.tick
        await desk.stop()

    virtually(scenario())


def test_a_client_that_begins_to_poll_asks_for_a_welcome_and_keeps_its_token() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = Pollster(desk, "Ada")
        await ada.play(3)
        token = ada.session.welcome.token if ada.session.welcome else b""
        body = join_messages(ada.session.poll())
        told = decoded(await desk.polling.answer(request(body, welcome=True)))
        assert [one.token for one in told if isinstance(one, Welcome)] == [token]
        assert not any(isinstance(one, Welcome) for one in await ada.poll())
        await desk.stop()

    virtually(scenario())
