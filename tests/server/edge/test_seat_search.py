"""A JOIN that a room refuses goes on to the next room, a new one, or the player with the reason."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from holdfast import Match, Player, Refused
from server.core.lifecycle import State
from server.core.seating import ROOMS_TRIED_MAX
from server.store.base import Append, Status
from shared.errors import CloseCode, StoreError
from shared.limits import SEAT_TIMEOUT_S
from shared.messages import Role, Welcome
from shared.session import ClientState
from tests.server.core.yard import Yard, nonce
from tests.server.edge.desk import Caller, Desk, closing
from tests.server.edge.pollster import Pollster
from tests.server.host.rig import MoodyStore, post
from tests.simulation.loop import virtually


class Rounds(Yard):
    """Takes nobody once its fuse is lit, as a match in its second round."""

    def join(self, match: Match, player: Player) -> None:
        super().join(match, player)
        if match.room.fuse:
            raise Refused("this match has begun")


async def begun(desk: Desk, name: str) -> str:
    """A room with one player in it whose match has begun."""
    caller = Caller(desk, name, "rounds")
    caller.connect()
    await desk.seconds(1)
    assert caller.session.welcome is not None
    room = caller.session.welcome.room
    [handle] = [one for one in desk.rig.host.rooms() if one.id == room]
    post(handle, name, 1, None, "fuse 100000")
    await desk.seconds(0.3)
    return room


def test_play_goes_on_to_another_room_when_the_match_has_begun() -> None:
    async def scenario() -> None:
        desk = await Desk(Rounds()).start()
        room = await begun(desk, "Ada")
        bob = await desk.call("Bob", "rounds")
        assert bob.session.welcome is not None
        assert bob.session.welcome.room != room
        cid = await desk.call("Cid", "rounds")
        assert cid.session.welcome is not None
        assert cid.session.welcome.room == bob.session.welcome.room, "they play together"
        dan = Caller(desk, "Dan", "rounds", room=room)
        dan.connect()
        await desk.seconds(0.5)
        assert closing(dan.line) == (CloseCode.REFUSED, "this match has begun"), "asked for it"
        assert not desk.failures
        await desk.stop()

    virtually(scenario())


def test_a_room_that_is_empty_but_for_its_grace_takes_nobodys_play() -> None:
    async def scenario() -> None:
        desk = await Desk(Rounds()).start()
        room = await begun(desk, "Ada")
        desk.rig.host.rooms()[0].leave(1)
        for n in range(3):
            caller = await desk.call(f"player {n}", "rounds")
            assert caller.session.welcome is not None
            assert caller.session.welcome.room != room
            caller.line.abort()
        await desk.stop()

    virtually(scenario())


@pytest.mark.parametrize("beside", [False, True])
def test_a_poll_goes_on_too_and_so_does_a_join_through_another_process(beside: bool) -> None:
    async def scenario() -> None:
        one = await Desk(Rounds()).start()
        desk = await Desk(Rounds(), seed=2, beside=one).start() if beside else one
        room = await begun(one, "Ada")
        bob = Pollster(desk, "Bob", "rounds")
        await bob.poll()
        assert bob.session.welcome is not None
        assert bob.session.welcome.room != room
        cid = await desk.call("Cid", "rounds")
        assert cid.session.welcome is not None
        assert cid.session.welcome.room == bob.session.welcome.room
        for each in {one, desk}:
            assert not each.failures
        if beside:
            await desk.stop()
        await one.stop()

    virtually(scenario())


def test_who_is_refused_everywhere_is_told_why_after_one_new_room() -> None:
    async def scenario() -> None:
        desk = await Desk(Yard()).start()
        await desk.call("Ada")
        unwelcome = Caller(desk, "unwelcome")
        unwelcome.connect()
        await desk.seconds(1)
        assert closing(unwelcome.line) == (CloseCode.REFUSED, "not you")
        assert len(desk.rig.host.rooms()) == 2, "the room there was, and the one made"
        await desk.stop()

    virtually(scenario())


def test_many_rooms_that_refuse_are_not_all_asked() -> None:
    async def scenario() -> None:
        desk = await Desk(Rounds()).start()
        many = ROOMS_TRIED_MAX + 2
        rooms = [await begun(desk, f"host {n}") for n in range(many)]
        assert len(set(rooms)) == many
        ids = {one.id: one.match.room.next_id for one in desk.rig.host.rooms()}
        bob = Caller(desk, "Bob", "rounds")
        bob.connect()
        await desk.seconds(1)
        assert bob.session.welcome is not None
        assert bob.session.welcome.room not in rooms
        now = {one.id: one.match.room.next_id for one in desk.rig.host.rooms()}
        asked = [room for room in rooms if now[room] > ids[room]]
        assert len(asked) == ROOMS_TRIED_MAX
        await desk.stop()

    virtually(scenario())


def test_slow_rooms_that_refuse_one_after_the_other_leave_the_join_its_time() -> None:
    class Calm(Rounds):
        tick_rate = 1
        grace_s = 60.0

    async def scenario() -> None:
        desk = await Desk(Calm()).start()
        hosts: list[Caller] = []
        for n in range(ROOMS_TRIED_MAX):
            hosts.append(Caller(desk, f"host {n}", "calm"))
            hosts[-1].connect()
            await desk.seconds(8)
            [*_, room] = desk.rig.host.rooms()
            post(room, f"host {n}", 1, None, "fuse 100000")
            await desk.seconds(3)
        bob = Caller(desk, "Bob", "calm")
        bob.connect()
        await desk.seconds(SEAT_TIMEOUT_S + 4)
        assert bob.line.ending is None
        assert bob.session.state is ClientState.LIVE
        assert len(desk.rig.host.rooms()) == ROOMS_TRIED_MAX + 1
        await desk.stop()

    virtually(scenario())


def test_a_full_room_found_by_two_at_once_sends_the_second_on() -> None:
    class Single(Yard):
        seats = 1

    async def scenario() -> None:
        desk = await Desk(Single()).start()
        callers = [Caller(desk, f"player {n}", "single") for n in range(4)]
        for caller in callers:
            caller.connect()
        await desk.seconds(1)
        rooms = {c.session.welcome.room for c in callers if c.session.welcome is not None}
        assert len(rooms) == 4
        await desk.stop()

    virtually(scenario())


def test_a_failed_tick_sends_nobody_on_to_break_the_next_room() -> None:
    async def scenario() -> None:
        desk = await Desk(Yard()).start()
        await desk.call("Ada")
        breaker = Caller(desk, "join!")
        breaker.connect()
        await desk.seconds(1)
        code, reason = closing(breaker.line)
        assert (code, "join fails" in reason) == (CloseCode.REFUSED, True)
        assert len(desk.rig.host.rooms()) == 1
        await desk.stop()

    virtually(scenario())


class Slow(MoodyStore):
    """Commits take 10 ms, as on a busy disk."""

    async def append(self, batch: Sequence[Append]) -> list[StoreError | None]:
        await asyncio.sleep(0.005)
        answers = await super().append(batch)
        await asyncio.sleep(0.005)
        return answers

    async def set_status(self, room: str, epoch: int, status: Status, reason: str = "") -> None:
        await asyncio.sleep(0.02)
        await super().set_status(room, epoch, status, reason)


@pytest.mark.parametrize("polls", [False, True])
@pytest.mark.parametrize("certain", [True, False])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_join_while_the_room_falls_asleep_gets_a_seat(
    certain: bool, elsewhere: bool, polls: bool
) -> None:
    """At every moment around its last tick, by its id or not, here or through another process."""
    states: set[str] = set()

    async def scenario(after_s: float) -> None:
        one = await Desk(Yard(), store=Slow()).start()
        desk = await Desk(Yard(), seed=2, beside=one).start() if elsewhere else one
        ada = await one.call("Ada")
        room = one.only_room()
        if elsewhere:
            assert await desk.rig.host.reach(room.id) is not None
        room.leave(ada.session.player)
        await one.seconds(after_s)
        states.add(room.life.state)
        options: dict[str, Any] = {"room": room.id} if certain else {}
        if polls:
            bob = Pollster(desk, "Bob", **options)
            await bob.poll()
            welcome = bob.session.welcome
        else:
            caller = Caller(desk, "Bob", **options)
            caller.connect()
            await desk.seconds(2)
            assert caller.session.state is ClientState.LIVE, (after_s, caller.line.messages()[-1:])
            welcome = caller.session.welcome
        assert welcome is not None, after_s
        assert (welcome.room == room.id) or not certain
        for each in {one, desk}:
            assert not each.failures
        if elsewhere:
            await desk.stop()
        await one.stop()

    for step in range(24):
        virtually(scenario(0.95 + step * 0.01))
    assert {State.RUNNING, State.FALLING_ASLEEP, State.ASLEEP} <= states


def test_a_spectator_is_not_sent_from_room_to_room() -> None:
    async def scenario() -> None:
        desk = await Desk(Yard()).start()
        await desk.call("Ada")
        room = desk.only_room()
        watcher = Caller(desk, "Eve", role=Role.SPECTATOR)
        watcher.connect()
        await desk.seconds(0.3)
        assert [one.room for one in watcher.line.of(Welcome)] == [room.id]
        assert not room.holds(nonce("Eve"))
        await desk.stop()

    virtually(scenario())
