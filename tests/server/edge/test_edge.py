"""What all connections of a process share: followers, tokens, schemas."""

from __future__ import annotations

import pytest

from server.core.tokens import Seat
from shared.errors import CloseCode, RemoteError
from shared.schema import describe
from tests.server.core.yard import Cave, Yard, nonce
from tests.server.edge.desk import Caller, Desk
from tests.simulation.loop import virtually


def test_a_room_is_followed_once_however_many_sessions_play_in_it() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada, bob = await desk.call("Ada"), await desk.call("Bob")
        room = desk.port()
        follower = desk.edge.follow(room)
        assert desk.edge.follow(room) is follower
        assert (desk.edge.sessions, follower.sessions, follower.spectators) == (2, 2, 0)
        assert (len(room._edges), room.used) == (1, True)
        ada.hang_up()
        await desk.seconds(0.1)
        assert (desk.edge.sessions, len(room._edges)) == (1, 1)
        bob.hang_up()
        await desk.seconds(0.1)
        assert (desk.edge.sessions, desk.edge._followers, room.used) == (0, {}, False)
        await desk.stop()

    virtually(scenario())


def test_a_room_that_came_back_under_its_id_is_followed_anew() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        room = desk.port()
        old = desk.edge.follow(room)
        other = await Desk(store=desk.rig.store, seed=2).start()
        again = other.port()
        assert again.id == room.id
        follower = desk.edge.follow(again)
        assert follower is not old
        # What the old one's last session leaves behind is not the new one's concern.
        ada.hang_up()
        await desk.seconds(0.1)
        assert desk.edge.follow(again) is follower
        await desk.stop()
        await other.stop()

    virtually(scenario())


def test_connections_are_kept_until_they_are_gone() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        lines = [desk.line() for _ in range(3)]
        assert len(desk.edge._connections) == 3
        for line in lines:
            line.abort()
        await desk.seconds(0.1)
        assert not desk.edge._connections
        await desk.seconds(10)
        assert all(line.sent == [] for line in lines), "no timer speaks to one who is gone"
        await desk.stop()

    virtually(scenario())


def test_tokens_are_the_edges_and_do_not_age() -> None:
    async def scenario() -> None:
        # Its host is not started: a day of its beats would take longer than all else here.
        desk = Desk()
        seat = Seat("abcdefgh", 4, nonce("Ada"))
        token = desk.edge.token(seat, 1_000_000_000)
        assert desk.edge.check(token) == seat
        await desk.seconds(90_000)
        assert desk.edge.check(token) == seat
        with pytest.raises(RemoteError) as raised:
            desk.edge.check(token[:-1])
        assert raised.value.code is CloseCode.BAD_TOKEN

    virtually(scenario())


def test_each_game_has_its_schema() -> None:
    async def scenario() -> None:
        desk = await Desk(Yard(), Cave()).start()
        assert desk.edge.schema("cave") == describe(Cave())
        yard = Caller(desk, "Ada")
        yard.connect()
        await desk.seconds(0.2)
        assert yard.session.welcome is not None
        assert yard.session.welcome.schema == desk.edge.schema("yard")
        await desk.stop()

    virtually(scenario())
