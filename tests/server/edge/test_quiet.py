"""Quiet ticks: a frame is left out where it would say nothing, and nothing is seen later for it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from holdfast import Match
from server.core.journal import commit_of, encode_record
from server.core.seating import JoinRefusal, RefusalCode
from server.edge.request import Request
from server.edge.websocket import Receiver
from shared.limits import BEHIND_TICKS_MAX, QUIET_S, TOO_SLOW_S
from shared.match import NOTHING, Commit
from shared.messages import FRAME, Digest, Frame, Role
from shared.polls import join_messages, split_messages
from shared.session import REPORT_FRAMES, ClientState
from tests.server.core.yard import Cave, Yard, nonce
from tests.server.edge.desk import Caller, Desk
from tests.simulation.loop import virtually

QUIET_TICKS = int(QUIET_S * Yard.tick_rate)


class Calm(Yard):
    """A yard in which only what is pushed moves."""

    def _spring(self, match: Match, dot: Any, trap: int) -> None:
        pass


class Den(Cave):
    """A cave as calm."""

    def _spring(self, match: Match, dot: Any, trap: int) -> None:
        pass


class Slow(Calm):
    """Sends every third tick only."""

    send_every = 3


class Overheard:
    """A receiver whose messages are kept."""

    def __init__(self, receiver: Receiver, said: list[bytes]) -> None:
        self._receiver = receiver
        self._said = said

    def message(self, payload: bytes, /) -> None:
        self._said.append(payload)
        self._receiver.message(payload)

    def closed(self, code: int, reason: str) -> None:
        self._receiver.closed(code, reason)

    def writable(self) -> None:
        self._receiver.writable()


def gaps(frames: list[Frame]) -> set[int]:
    return {after.tick - before.tick for before, after in pairwise(frames)}


@pytest.mark.parametrize("game", [Calm(), Den()])
def test_while_nothing_happens_a_frame_comes_every_200_ms_and_says_so(game: Yard) -> None:
    async def scenario() -> None:
        desk = await Desk(game, digest_ticks=0, quiet_s=QUIET_S).start()
        ada = await desk.call("Ada", type(game).__name__.lower())
        await desk.seconds(10)
        later = ada.frames[-40:]
        assert gaps(later) == {QUIET_TICKS}
        for before, frame in pairwise(later):
            assert (frame.base, frame.still) == (before.tick, frame.tick - 1)
            assert frame.chunks == []
        await desk.stop()

    virtually(scenario())


@pytest.mark.parametrize("game", [Calm(), Den()])
def test_what_happens_is_seen_at_its_tick_and_its_end_a_tick_later(game: Yard) -> None:
    async def scenario() -> None:
        desk = await Desk(game, digest_ticks=0, quiet_s=QUIET_S).start()
        name = type(game).__name__.lower()
        ada, bob = await desk.call("Ada", name), await desk.call("Bob", name)
        eve = Caller(desk, "Eve", name, role=Role.SPECTATOR, room=desk.only_room().id)
        eve.connect()
        for wait_s in (3, 3.05, 3.1, 3.15):
            await desk.seconds(wait_s)
            first = desk.only_room().match.tick + 1
            bob.post(1)
            await desk.seconds(1)
            for caller in (ada, bob, eve) if not game.hides else (ada, bob):
                frames = {frame.tick: frame for frame in caller.frames}
                moved = frames[first]
                assert moved.still in (None, first - 1), "up to the tick before, nothing did"
                assert (moved.still is None) == (moved.base == first - 1)
                # The input is held for three ticks more; then comes one frame that shows the end.
                last = first + game.input_hold_ticks
                assert set(range(first, last + 2)) <= set(frames)
                assert last + 2 not in frames
                assert caller.session.stats.divergence == 0
            assert bob.session.ack > 0
        await desk.stop()

    virtually(scenario())


def test_an_acknowledgement_is_not_kept_waiting() -> None:
    async def scenario() -> None:
        desk = await Desk(Calm(), digest_ticks=0, quiet_s=QUIET_S).start()
        ada, bob = await desk.call("Ada", "calm"), await desk.call("Bob", "calm")
        await desk.seconds(2.05)
        before = len(bob.frames)
        tick = desk.only_room().match.tick
        ada.post(0)
        await desk.seconds(0.1)
        assert ada.session.ack == 1
        assert ada.frames[-1].tick <= tick + 2
        assert len(bob.frames) - before <= 1, "what Bob sees did not change"
        await desk.stop()

    virtually(scenario())


def test_an_idle_session_reports_seldom_and_is_never_taken_for_slow() -> None:
    async def scenario() -> None:
        desk = await Desk(Calm(), digest_ticks=0, quiet_s=QUIET_S).start()
        ada = await desk.call("Ada", "calm")
        said: list[bytes] = []
        receiver = ada.line.receiver
        assert receiver is not None
        ada.line.receiver = Overheard(receiver, said)
        await desk.seconds(2 * TOO_SLOW_S)
        frames = 2 * TOO_SLOW_S / QUIET_S
        assert ada.session.state is ClientState.LIVE
        assert gaps(ada.frames[10:]) == {QUIET_TICKS}
        assert frames / REPORT_FRAMES - 2 < len(said) < frames / REPORT_FRAMES + 2
        await desk.stop()

    virtually(scenario())


def test_who_does_not_read_in_a_quiet_room_is_noticed_all_the_same() -> None:
    async def scenario() -> None:
        desk = await Desk(Calm(), digest_ticks=0, quiet_s=QUIET_S).start()
        ada = await desk.call("Ada", "calm")
        await desk.seconds(5)
        ada.silent = True
        began = len(ada.frames)
        await desk.seconds(20)
        unread = ada.frames[began:]
        # A second's worth of frames, twenty times over, and from then on one a second.
        assert len(unread) < BEHIND_TICKS_MAX + 20
        assert gaps(unread[-5:]) == {Yard.tick_rate}
        await desk.seconds(TOO_SLOW_S)
        assert ada.line.ending is not None
        await desk.stop()

    virtually(scenario())


def test_digests_come_at_their_ticks_and_agree() -> None:
    async def scenario() -> None:
        desk = await Desk(Calm(), digest_ticks=10, quiet_s=QUIET_S).start()
        ada = await desk.call("Ada", "calm")
        await desk.seconds(5)
        assert len(ada.line.of(Digest)) >= 10
        assert ada.session.stats.digests == len(ada.line.of(Digest))
        assert ada.session.stats.divergence == 0
        await desk.stop()

    virtually(scenario())


def test_a_game_that_sends_seldom_is_quiet_in_its_own_steps() -> None:
    async def scenario() -> None:
        desk = await Desk(Slow(), digest_ticks=0, quiet_s=QUIET_S).start()
        ada, bob = await desk.call("Ada", "slow"), await desk.call("Bob", "slow")
        await desk.seconds(3)
        assert gaps(ada.frames[5:]) == {6}
        bob.post(1)
        await desk.seconds(1)
        moved = next(frame for frame in ada.frames[5:] if frame.chunks)
        assert moved.still is None or moved.still == moved.tick - 3
        ends = [frame for frame in ada.frames if frame.tick > moved.tick][:3]
        assert gaps([moved, *ends]) <= {3, 6}
        await desk.stop()

    virtually(scenario())


def test_a_poll_waits_until_something_happens_or_its_turn_comes() -> None:
    async def scenario() -> None:
        desk = await Desk(Calm(), digest_ticks=0, quiet_s=QUIET_S).start()
        bob = await desk.call("Bob", "calm")
        caller = Caller(desk, "Pol", "calm")
        session, now = caller.session, desk.rig.clock.now
        answers: list[tuple[float, int]] = []

        async def poll() -> None:
            body = join_messages(session.poll())
            began = now()
            request = Request("POST", "/poll", {"welcome": "1"}, {}, body, "192.0.2.9", "localhost")
            answer = await desk.polling.answer(request)
            for message in split_messages(answer.body):
                session.receive(message)
                if message[1] == FRAME:
                    answers.append((now() - began, session.view.tick if session.view else 0))

        await desk.seconds(2)
        for _ in range(12):
            await poll()
        quiet = [tick for _, tick in answers[3:]]
        assert {b - a for a, b in pairwise(quiet)} == {QUIET_TICKS}, "not one a tick"
        bob.post(1)
        await poll()
        assert answers[-1][0] <= 2 / Yard.tick_rate
        assert session.stats.divergence == 0
        await desk.stop()

    virtually(scenario())


def test_a_quiet_tick_has_the_record_of_any_tick() -> None:
    full = {nonce("x"): JoinRefusal(RefusalCode.FULL, "the room is full")}
    for tick in (1, 200, 70_000, 2**33):
        commit = Commit(tick, NOTHING, {}, NOTHING)
        assert commit.empty
        record, longer = encode_record(commit), encode_record(commit, full)
        assert commit_of(record) == commit_of(longer) == commit
        assert len(record) < 28 < len(longer)
