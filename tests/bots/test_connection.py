"""A session over real sockets, and over sockets in memory where time matters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import cast

import pytest

from bots.clock import LoopClock
from bots.connection import ASK_S, JOIN_GIVE_UP_S, SILENCE_S, Connection
from bots.line import Transport
from bots.polling import Ask, Polls
from bots.retry import BACKOFF_MAX_S, backoff_s
from bots.websocket import Receiver, Socket, Unreachable, open_websocket
from shared.errors import TRY_AGAIN, CloseCode
from shared.from_client import decode_from_client
from shared.messages import (
    TIME,
    Close,
    InputMessage,
    Join,
    Renew,
    Resume,
    RoomStatus,
    Status,
    Time,
    TimeAnswer,
    Welcome,
)
from shared.schema import describe
from shared.session import ClientSession, ClientState, Outcome
from tests.bots.arena import Arena, Field, Push
from tests.bots.clock import TestClock

NONCE = bytes(range(16))


class Player:
    """Pushes once a frame and writes down what happens."""

    def __init__(self, url: str, game: str = "field") -> None:
        self.session = ClientSession(Join(NONCE, game, {}, "Ada"))
        self.connection = Connection(
            url,
            self.session,
            self,
            connect=open_websocket,
            clock=LoopClock(),
            rng=Random(3),
        )
        self.ticks: list[int] = []
        self.players: list[int] = []
        self.troubles: list[tuple[int, str]] = []
        self.posting = True
        self.task = asyncio.ensure_future(self.connection.run())

    def welcomed(self) -> None:
        self.players.append(self.session.player)

    def framed(self, outcome: Outcome) -> None:
        assert self.session.view is not None
        self.ticks.append(self.session.view.tick)
        if self.posting:
            self.session.post(Push(by=1))

    def troubled(self, code: int, reason: str) -> None:
        self.troubles.append((code, reason))

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not true():  # noqa: ASYNC110 - it has no event.
                await asyncio.sleep(0.002)

    async def frames(self, count: int) -> None:
        wanted = len(self.ticks) + count
        await self.until(lambda: len(self.ticks) >= wanted)

    async def welcomed_again(self) -> None:
        wanted = self.connection.welcomes + 1
        await self.until(lambda: self.connection.welcomes >= wanted)

    async def stop(self) -> Close:
        self.connection.leave()
        return await self.task


async def test_a_session_joins_plays_and_leaves(arena: Arena) -> None:
    ada = Player(arena.url)
    await ada.frames(30)
    ada.posting = False
    await ada.until(lambda: not ada.session.waiting)
    seat = arena.seat(ada.session.player)
    assert seat.applied == ada.session.last_seq > 10
    assert ada.session.stats.digests > 0
    assert ada.session.stats.divergence == 0
    assert ada.troubles == []
    end = await ada.stop()
    assert (end.code, end.reason) == (CloseCode.NORMAL, "left")
    await ada.until(lambda: not arena.seats)


async def test_a_lost_socket_is_resumed_as_the_same_player_and_nothing_is_lost(
    arena: Arena,
) -> None:
    ada = Player(arena.url)
    for _ in range(3):
        await ada.frames(10)
        arena.drop()
        await ada.welcomed_again()
    await ada.frames(10)
    ada.posting = False
    await ada.until(lambda: not ada.session.waiting)
    assert len(set(ada.players)) == 1
    assert len(ada.players) == 4
    assert all(later > earlier for earlier, later in pairwise(ada.ticks))
    assert arena.seat(ada.session.player).applied == ada.session.last_seq
    resumes = [message for message in arena.heard if isinstance(message, Resume)]
    assert all(resume.held > 0 for resume in resumes)
    assert [code for code, _ in ada.troubles] == [1006, 1006, 1006]
    await ada.stop()


async def test_a_socket_lost_before_welcome_joins_again_with_the_same_nonce(arena: Arena) -> None:
    arena.faults.refuse_join = Close(CloseCode.UNAVAILABLE, "full", 50)
    ada = Player(arena.url)
    await ada.until(lambda: len(arena.heard) >= 2)
    arena.faults.refuse_join = None
    await ada.frames(3)
    joins = [message for message in arena.heard if isinstance(message, Join)]
    assert len(joins) >= 3
    assert {join.nonce for join in joins} == {NONCE}
    assert len(arena.seats) == 1
    await ada.stop()


@pytest.mark.parametrize("code", list(CloseCode))
async def test_close_codes_resume_or_end(arena: Arena, code: CloseCode) -> None:
    ada = Player(arena.url)
    await ada.frames(3)
    arena.send(Close(code, "because"))
    if code in TRY_AGAIN:
        await ada.until(lambda: ada.connection.welcomes == 2)
        await ada.frames(3)
        await ada.stop()
    else:
        end = await asyncio.wait_for(ada.task, 10)
        assert (end.code, end.reason) == (code, "because")
    assert ada.troubles[0] == (code, "because")


@pytest.mark.parametrize(("code", "resumes"), [(1012, True), (1011, True), (1003, False)])
async def test_a_close_frame_without_close_counts_by_its_code(
    arena: Arena, code: int, resumes: bool
) -> None:
    ada = Player(arena.url)
    await ada.frames(3)
    for socket in arena.sockets:
        await socket.close(code, "terse")
    if resumes:
        await ada.until(lambda: ada.connection.welcomes == 2)
        await ada.stop()
    else:
        end = await asyncio.wait_for(ada.task, 10)
        assert (end.code, end.reason) == (code, "terse")
    assert ada.troubles == [(code, "terse")]


async def test_an_unknown_game_ends_the_session_with_the_servers_reason(arena: Arena) -> None:
    ada = Player(arena.url, game="chess")
    end = await asyncio.wait_for(ada.task, 10)
    assert (end.code, end.reason) == (CloseCode.NOT_FOUND, "no such game")


async def test_a_wrong_view_is_asked_for_anew_from_nothing(arena: Arena) -> None:
    ada = Player(arena.url)
    await ada.frames(3)
    arena.faults.wrong_digests = 1
    await ada.until(lambda: ada.connection.welcomes == 2)
    await ada.frames(10)
    assert ada.session.stats.divergence == 1
    resume = next(message for message in arena.heard if isinstance(message, Resume))
    assert resume.held == 0
    await ada.stop()


async def test_a_renewed_session_misses_no_tick_and_loses_no_input(arena: Arena) -> None:
    ada = Player(arena.url)
    await ada.frames(10)
    arena.send(Renew(2_000))
    await ada.until(lambda: ada.connection.welcomes == 2)
    await ada.frames(10)
    ada.posting = False
    await ada.until(lambda: not ada.session.waiting)
    assert arena.opened == 2
    assert len(arena.sockets) == 1
    assert [later - earlier for earlier, later in pairwise(ada.ticks)] == [1] * (len(ada.ticks) - 1)
    assert arena.seat(ada.session.player).applied == ada.session.last_seq
    assert ada.troubles == []
    await ada.stop()


async def test_a_refused_renewal_leaves_the_old_connection_in_use(arena: Arena) -> None:
    ada = Player(arena.url)
    await ada.frames(5)
    arena.faults.refuse_resume = Close(CloseCode.UNAVAILABLE, "leaving too", 10)
    arena.send(Renew(2_000))
    await ada.until(lambda: any(isinstance(message, Resume) for message in arena.heard))
    await ada.frames(20)
    assert ada.session.state is ClientState.LIVE
    assert ada.connection.welcomes == 1
    arena.faults.refuse_resume = None
    await ada.until(lambda: ada.connection.welcomes == 2)
    await ada.frames(5)
    ada.posting = False
    await ada.until(lambda: not ada.session.waiting)
    assert arena.seat(ada.session.player).applied == ada.session.last_seq
    assert ada.troubles == []
    await ada.stop()


async def test_a_quiet_client_still_reports_the_tick_it_holds(arena: Arena) -> None:
    ada = Player(arena.url)
    ada.posting = False
    await ada.frames(40)
    reports = [m for m in arena.heard if isinstance(m, InputMessage) and not m.items]
    assert len(reports) >= 4
    assert reports[-1].held > reports[0].held > 0
    await ada.stop()


def test_backoff_doubles_within_its_jitter_up_to_a_limit() -> None:
    rng = Random(1)
    for tries in range(20):
        most = min(BACKOFF_MAX_S, 0.1 * 2**tries)
        drawn = [backoff_s(tries, rng) for _ in range(200)]
        assert min(drawn) >= most / 2
        assert max(drawn) <= most
        assert max(drawn) - min(drawn) > most / 4
    assert backoff_s(10_000, rng) <= BACKOFF_MAX_S


class Desk:
    """A listener that only writes down what ended sockets."""

    def __init__(self) -> None:
        self.troubles: list[tuple[int, str]] = []

    def welcomed(self) -> None:
        pass

    def framed(self, outcome: Outcome) -> None:
        pass

    def troubled(self, code: int, reason: str) -> None:
        self.troubles.append((code, reason))


async def test_a_join_is_given_up_after_a_minute_of_growing_waits() -> None:
    async def nobody(url: str, receiver: Receiver) -> Socket:
        raise Unreachable("nobody is there")

    clock, desk = TestClock(), Desk()
    session = ClientSession(Join(NONCE, "field", {}, ""))
    connection = Connection(
        "ws://nowhere/", session, desk, connect=nobody, clock=clock, rng=Random(5)
    )
    end = await connection.run()
    assert end.code == CloseCode.TIMED_OUT
    assert JOIN_GIVE_UP_S <= sum(clock.waits) <= JOIN_GIVE_UP_S + BACKOFF_MAX_S
    for tries, wait in enumerate(clock.waits):
        most = min(BACKOFF_MAX_S, 0.1 * 2**tries)
        assert most / 2 <= wait <= most
    assert set(desk.troubles) == {(1006, "nobody is there")}


class Wire:
    """A socket in memory: answers each JOIN and RESUME with `answers`, and so many TIMEs."""

    def __init__(self, receiver: Receiver, answers: list[bytes], times: int = 0) -> None:
        self.sent: list[bytes] = []
        self.closed = False
        self._receiver = receiver
        self._answers = answers
        self._times = times

    def send(self, payload: bytes) -> None:
        self.sent.append(payload)
        message = decode_from_client(payload)
        if isinstance(message, Join | Resume):
            for answer in self._answers:
                self._receiver.message(answer)
        elif isinstance(message, Time) and self._times:
            self._times -= 1
            self._receiver.message(TimeAnswer(message.client_ms, 0.0, 1).encode())

    def close(self, code: int = 1000, reason: str = "") -> None:
        if not self.closed:
            self.closed = True
            self._receiver.ended(code, reason)


async def test_silence_counts_as_a_lost_socket() -> None:
    wires: list[Wire] = []
    welcome = Welcome(b"token", "room", 1, 5, 20, 1, describe(Field()))

    async def open_wire(url: str, receiver: Receiver) -> Socket:
        wires.append(Wire(receiver, [welcome.encode()]))
        if len(wires) == 3:
            connection.leave()
        return wires[-1]

    clock, desk = TestClock(), Desk()
    session = ClientSession(Join(NONCE, "field", {}, ""))
    connection = Connection(
        "ws://memory/", session, desk, connect=open_wire, clock=clock, rng=Random(5)
    )
    began_s = clock.now()
    await connection.run()
    assert [code for code, _ in desk.troubles] == [CloseCode.TIMED_OUT] * 2
    assert all(wire.closed for wire in wires)
    waited_s = clock.now() - began_s
    assert 2 * SILENCE_S < waited_s < 2 * (SILENCE_S + 1) + 1


async def test_a_room_that_stands_still_is_no_lost_socket_as_long_as_the_server_answers() -> None:
    wires: list[Wire] = []
    welcome = Welcome(b"token", "room", 1, 5, 20, 1, describe(Field()))
    paused = RoomStatus(1, 9, Status.PAUSED)

    async def open_wire(url: str, receiver: Receiver) -> Socket:
        wires.append(Wire(receiver, [welcome.encode(), paused.encode()], times=20))
        if len(wires) == 2:
            connection.leave()
        return wires[-1]

    clock, desk = TestClock(), Desk()
    session = ClientSession(Join(NONCE, "field", {}, ""))
    connection = Connection(
        "ws://memory/", session, desk, connect=open_wire, clock=clock, rng=Random(5)
    )
    began_s = clock.now()
    await connection.run()
    asked = [payload for payload in wires[0].sent if payload[1] == TIME]
    assert len(asked) > 20
    # The control: it was lost once the server answered no more.
    assert clock.now() - began_s > 20 * ASK_S + SILENCE_S
    assert [code for code, _ in desk.troubles] == [CloseCode.TIMED_OUT]


@pytest.mark.parametrize("seated", [False, True])
async def test_polls_that_are_refused_end_a_join_at_once_and_no_session(seated: bool) -> None:
    welcome = Welcome(b"token", "room", 1, 5, 20, 1, describe(Field()))
    opened: list[Wire] = []

    async def no_socket(url: str, receiver: Receiver) -> Socket:
        raise Unreachable("answered 400")

    async def refusing(url: str, receiver: Receiver, ask: Ask) -> Polls:
        opened.append(Wire(receiver, [welcome.encode()] if seated else []))
        if len(opened) == 3:
            connection.leave()
        asyncio.get_running_loop().call_soon(receiver.ended, CloseCode.REFUSED, "not from here")
        return cast("Polls", opened[-1])

    clock, desk = TestClock(), Desk()
    session = ClientSession(Join(NONCE, "field", {}, ""))
    connection = Connection(
        "ws://memory/",
        session,
        desk,
        connect=no_socket,
        clock=clock,
        rng=Random(5),
        transport=Transport.AUTO,
        polls=refusing,
    )
    began_s = clock.now()
    closed = await connection.run()
    if seated:
        assert len(opened) == 3, "it may be a proxy's doing"
    else:
        assert (closed.code, closed.reason) == (CloseCode.REFUSED, "not from here")
        assert len(opened) == 1
        assert clock.now() - began_s < 2


async def test_a_servers_retry_after_is_the_least_wait() -> None:
    wires: list[Wire] = []

    async def open_wire(url: str, receiver: Receiver) -> Socket:
        close = Close(CloseCode.UNAVAILABLE, "full", 3_000)
        wires.append(Wire(receiver, [close.encode()]))
        if len(wires) == 4:
            connection.leave()
        return wires[-1]

    clock, desk = TestClock(), Desk()
    session = ClientSession(Join(NONCE, "field", {}, ""))
    connection = Connection(
        "ws://memory/", session, desk, connect=open_wire, clock=clock, rng=Random(5)
    )
    await connection.run()
    assert clock.waits == [3.0, 3.0, 3.0]
