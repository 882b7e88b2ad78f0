"""An edge's part in a room: who sits where, and what each committed tick sends to whom."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from holdfast import Match, Player
from server.core.lifecycle import State
from shared.errors import CloseCode
from shared.messages import Digest, Frame, Resume, RoomStatus, Status, Welcome
from shared.session import ClientState
from tests.server.core.yard import Cave, Dot, Ground, Yard
from tests.server.edge.desk import Caller, Desk, closing
from tests.server.host.rig import player
from tests.simulation.loop import virtually


class Slow(Yard):
    """Sends every third tick only."""

    send_every = 3


def test_frames_leave_only_for_committed_ticks() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        room = desk.only_room()
        desk.rig.store.answering.clear()
        await desk.seconds(1)
        assert room.match.tick == desk.rig.store.committed(room.id) + 1
        assert ada.frames[-1].tick == desk.rig.store.committed(room.id)
        bob = Caller(desk, "Bob")
        bob.connect()
        await desk.seconds(1)
        assert bob.line.sent == [], "nobody is seated meanwhile"
        desk.rig.store.answering.set()
        await desk.seconds(0.2)
        assert bob.session.state is ClientState.LIVE
        assert [frame.tick for frame in ada.frames] == list(range(1, room.match.tick + 1))
        await desk.stop()

    virtually(scenario())


def test_a_room_that_pauses_says_so_with_the_committed_tick() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        room, committed = desk.only_room(), ada.frames[-1].tick
        desk.rig.store.away = True
        await desk.seconds(3)
        committed = ada.frames[-1].tick
        assert ada.line.of(RoomStatus) == [RoomStatus(room.epoch, committed, Status.PAUSED)]
        assert ada.session.status is Status.PAUSED
        assert room.match.tick == committed + 1
        desk.rig.store.away = False
        await desk.seconds(2)
        assert ada.line.of(RoomStatus)[1:] == [RoomStatus(room.epoch, committed, Status.LIVE)]
        assert [frame.tick for frame in ada.frames] == list(range(1, room.match.tick + 1))
        assert ada.session.stats.divergence == 0
        await desk.stop()

    virtually(scenario())


def test_the_sending_rate_is_the_games() -> None:
    async def scenario() -> None:
        desk = await Desk(Slow(), digest_ticks=6).start()
        ada = await desk.call("Ada", "slow")
        ada.post(1, "no")
        await desk.seconds(2)
        assert {frame.tick % 3 for frame in ada.frames} == {0}
        assert {b.tick - a.tick for a, b in pairwise(ada.frames)} == {3}
        assert (ada.session.stats.digests, ada.session.stats.refused) == (7, 1)
        assert ada.session.stats.divergence == 0
        await desk.stop()

    virtually(scenario())


def test_digests_are_sent_when_asked_for() -> None:
    async def scenario() -> None:
        for every, wanted in ((0, 0), (10, 2)):
            desk = await Desk(digest_ticks=every).start()
            ada = await desk.call("Ada")
            await desk.seconds(0.9)
            assert len(ada.line.of(Digest)) == wanted
            await desk.stop()

    virtually(scenario())


def test_the_newer_of_two_lines_of_a_session_plays_on() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        old = ada.line
        ada.connect()
        await desk.seconds(0.2)
        assert closing(old) == (CloseCode.REPLACED, "another connection took this seat")
        assert ada.session.state is ClientState.LIVE
        assert (desk.edge.sessions, desk.only_room().census.spectators) == (1, 0)
        await desk.seconds(0.2)
        assert player(desk.only_room(), "Ada").connected, "the old line's end changes nothing"
        await desk.stop()

    virtually(scenario())


def test_the_newer_of_two_joins_of_a_nonce_gets_the_seat() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        desk.rig.store.answering.clear()
        one, two = Caller(desk, "Ada"), Caller(desk, "Ada")
        one.connect()
        await desk.seconds(0.1)
        desk.rig.store.answering.set()
        await desk.seconds(0.001)
        desk.rig.store.answering.clear()
        await desk.seconds(0.1)
        # The tick that seats the first is under way; the second finds the seat all the same.
        assert desk.only_room().settled is False
        two.connect()
        await desk.seconds(0.1)
        desk.rig.store.answering.set()
        await desk.seconds(0.2)
        assert closing(one.line) == (
            CloseCode.REPLACED,
            "another connection joins with this nonce",
        )
        assert two.session.state is ClientState.LIVE
        assert [row.name for row in desk.only_room().match.players] == ["Ada"]
        again = Caller(desk, "Ada")
        again.connect()
        await desk.seconds(0.2)
        assert again.session.player == two.session.player
        assert closing(two.line)[0] is CloseCode.REPLACED
        await desk.stop()

    virtually(scenario())


def test_who_is_gone_before_the_tick_that_seats_them_is_absent_from_then_on() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        bob = await desk.call("Bob")
        ada = Caller(desk, "Ada")
        ada.connect()
        await desk.seconds(0.001)
        ada.hang_up()
        await desk.seconds(0.2)
        room = desk.only_room()
        assert player(room, "Ada").connected is False
        bob.hang_up()
        await desk.seconds(2)
        assert list(room.match.players) == [], "and so the grace runs out"
        assert room.over is not None, "and the room closes"
        await desk.stop()

    virtually(scenario())


def test_a_room_whose_only_joiner_is_gone_before_the_tick_is_empty() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = Caller(desk, "Ada")
        ada.connect()
        await desk.seconds(0.001)
        ada.hang_up()
        await desk.seconds(3)
        assert desk.rig.host.rooms() == []
        assert desk.edge._followers == {}
        await desk.stop()

    virtually(scenario())


def test_who_comes_back_to_a_seat_given_up_is_told_so() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada, bob = await desk.call("Ada"), await desk.call("Bob")
        ada.hang_up()
        await desk.seconds(1)
        line = ada.connect()
        await desk.seconds(0.2)
        assert closing(line) == (CloseCode.ROOM_CLOSED, "the seat was given up")
        bob.post(None, "kick Bob")
        await desk.seconds(0.2)
        assert closing(bob.line) == (CloseCode.ROOM_CLOSED, "the seat was given up")
        assert desk.edge.sessions == 0
        await desk.stop()

    virtually(scenario())


def test_an_arrival_that_has_ended_meanwhile_is_not_welcomed() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        ada.hang_up()
        line = ada.connect()
        # It breaks the rules before the tick that would have welcomed it.
        await desk.seconds(0)
        line.say(Resume(b"", 0, 0, 1).encode())
        receiver = line.receiver
        assert receiver is not None
        follower = desk.edge.follow(desk.port())
        follower._admit(follower._arrivals[0], desk.only_room().match.tick)
        assert line.of(Welcome) == []
        await desk.seconds(0.2)
        assert desk.edge.sessions == 0
        await desk.stop()

    virtually(scenario())


@pytest.mark.parametrize("fog", [1, 2])
def test_a_view_that_fails_costs_one_frame_or_the_connection_and_never_the_room(
    fog: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        desk = await Desk(Cave()).start()
        ada, bob = await desk.call("Ada", "cave"), await desk.call("Bob", "cave")
        with caplog.at_level(logging.ERROR):
            ada.post(1, f"fog {fog}")
            await desk.seconds(1)
        assert caplog.text.count("`visible` failed for") == 1, "named once"
        assert "RuntimeError: visible fails (yard.py:" in caplog.text
        assert desk.rig.metrics.counters["game_errors_total"] == fog
        if fog == 1:
            assert (ada.line.ending, bob.line.ending) == (None, None)
            missing = [b.tick - a.tick for a, b in pairwise(ada.frames)].count(2)
            assert (missing, ada.session.stats.divergence) == (1, 0)
            assert ada.session.stats.digests > 0
        else:
            for caller in (ada, bob):
                assert closing(caller.line) == (
                    CloseCode.GAME_FAILED,
                    "the game failed: RuntimeError: visible fails",
                )
            room = desk.only_room()
            assert (room.life.state, room.over) == (State.RUNNING, None)
            cid = await desk.call("Cid", "cave")
            assert cid.frames, "it goes on when the fog is gone"
        await desk.stop()

    virtually(scenario())


def test_two_failures_apart_are_forgiven_each() -> None:
    async def scenario() -> None:
        desk = await Desk(Cave()).start()
        ada = await desk.call("Ada", "cave")
        for _ in range(3):
            ada.post(1, "fog 1")
            await desk.seconds(0.2)
        assert ada.line.ending is None
        assert desk.rig.metrics.counters["game_errors_total"] == 3
        await desk.stop()

    virtually(scenario())


def test_what_was_sent_is_counted() -> None:
    async def scenario() -> None:
        desk = await Desk(digest_ticks=0).start()
        ada = await desk.call("Ada")
        await desk.seconds(1)
        counters = desk.rig.metrics.counters
        assert counters["frames_total"] == len(ada.frames)
        frames = [p for p in ada.line.sent if p[0] == 0x98 and p[1] == 17]
        assert len(frames) == len(ada.line.of(Frame))
        assert counters["frame_bytes_total"] == sum(map(len, frames))
        assert len(desk.edge.follow(desk.port())._sessions) == desk.edge.sessions == 1
        await desk.stop()

    virtually(scenario())


class Picky(Yard):
    """Shows everybody what `shown` makes for a player called Eve, and all to the others."""

    shown: Any = None

    def visible(self, match: Match, player: Player | None) -> Any:
        if player is None or player.name != "Eve":
            return match.all(Dot)
        return type(self).shown(match)


def _midway(match: Match) -> Iterator[Any]:
    yield from match.all(Dot)
    raise RuntimeError("midway")


def _other(match: Match) -> list[Any]:
    other = Ground(Picky())
    other.seat("Ada", "Eve", "Bob", "Cid")
    return other.match.all(Dot)


async def _never() -> None:
    return None


WRONG: list[tuple[Callable[[Match], Any], str]] = [
    (lambda match: [dot.id for dot in match.all(Dot)], "returned a int among the rows"),
    (lambda match: [None], "returned a NoneType among the rows"),
    (lambda match: 7, "returned a int"),
    (lambda match: "rows", "returned a str"),
    (lambda match: _never(), "returned a coroutine"),
    (_other, "returned a row of another match"),
    (_midway, "RuntimeError: midway"),
    (lambda match: sys.exit(1), "raised SystemExit"),
    (lambda match: match.room.colour, "AttributeError"),
]


@pytest.mark.parametrize(("shown", "said"), WRONG)
def test_what_visible_does_wrong_for_one_player_is_that_players_alone(
    monkeypatch: pytest.MonkeyPatch,
    shown: Callable[[Match], Any],
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Picky, "shown", staticmethod(shown))

    async def scenario() -> None:
        desk = await Desk(Picky()).start()
        ada = await desk.call("Ada", "picky")
        eve = Caller(desk, "Eve", "picky")
        with caplog.at_level(logging.ERROR):
            eve.connect()
            await desk.seconds(2)
        code, reason = closing(eve.line)
        assert code is CloseCode.GAME_FAILED
        assert said in reason
        assert caplog.text.count("`visible` failed for player") == 1
        assert ada.line.ending is None
        assert ada.frames[-1].tick >= desk.only_room().match.tick - 1
        assert ada.session.stats.divergence == 0
        await desk.stop()

    virtually(scenario())


def test_a_row_that_is_gone_may_be_named_by_visible_and_is_not_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: list[Any] = []

    def remembered(match: Match) -> list[Any]:
        kept.extend(dot for dot in match.all(Dot) if dot not in kept)
        return kept

    monkeypatch.setattr(Picky, "shown", staticmethod(remembered))

    async def scenario() -> None:
        desk = await Desk(Picky()).start()
        ada, eve = await desk.call("Ada", "picky"), await desk.call("Eve", "picky")
        desk.only_room().leave(ada.session.player)
        await desk.seconds(1)
        assert (eve.line.ending, eve.session.stats.divergence) == (None, 0)
        assert len(kept) == 2
        await desk.stop()

    virtually(scenario())
