"""A room is one and the same for the edge, whoever runs it: what was asked outlives the owner."""

from __future__ import annotations

import asyncio

from server.core.room import SeatRequest
from server.store.base import Append, Fenced
from shared.errors import CloseCode
from shared.messages import Status
from tests.server.core.yard import NOT_YOU, Yard, nonce
from tests.server.host.pair import items, two
from tests.server.host.rig import player
from tests.simulation.loop import virtually


def test_run_here_or_followed_it_says_the_same() -> None:
    async def scenario() -> None:
        both = await two()
        room, copy = both.room, both.copy
        assert (room.follower, copy.owned) == (None, None)
        assert room.owned is not None
        assert copy.follower is not None
        for one in (room, copy):
            assert (one.id, one.meta, one.game.title) == (room.id, room.meta, "")
            assert (one.epoch, one.status, one.free_seats) == (room.epoch, Status.LIVE, 3)
            assert (one.finished, one.ending, one.settled) == (False, False, True)
            assert (one.holds(nonce("Ada")), one.holds(nonce("Bob"))) == (True, False)
            assert (one.census.players, one.census.tick) == (1, room.match.tick)
            assert not one.diverged(one.epoch, one.match.tick)
        assert copy.match.tick == room.match.tick
        assert copy.behind(copy.epoch, copy.match.tick + 1)
        assert not copy.behind(copy.epoch, copy.match.tick)
        assert not room.behind(room.epoch, room.match.tick + 1), "its owner knows all there is"
        assert room.behind(room.epoch + 1, room.match.tick), "but not what a newer one did"
        await both.stop()

    virtually(scenario())


def test_what_an_edge_asks_reaches_the_owner_from_everywhere() -> None:
    async def scenario() -> None:
        both = await two()
        room, copy = both.room, both.copy
        for one, name in ((room, "Bob"), (copy, "Cid")):
            one.join(SeatRequest(nonce(name), name))
            assert one.holds(nonce(name)), "asked for here"
        assert not room.holds(nonce("Cid"))
        await both.one.seconds(0.1)
        assert room.owned is not None
        bob, cid = (player(room.owned, name).id for name in ("Bob", "Cid"))
        assert both.here.seated == {nonce("Bob"): bob, nonce("Cid"): cid}, "the owner knows all"
        assert both.there.seated == {nonce("Cid"): cid}
        for one, number in ((room, bob), (copy, cid)):
            one.resume(number, 70 + number, 1)
            one.submit(number, items(1, 3))
            one.present({number}, 2)
        await both.one.seconds(0.3)
        for number in (bob, cid):
            row = room.match.get(Yard.player, number)
            assert row is not None
            assert (row.connection, row.input_seq, row.inputs_applied) == (70 + number, 3, 3)
            assert row.connected
        assert room.census.spectators == 4
        copy.leave(cid)
        room.leave(bob)
        await both.one.seconds(0.2)
        left = [n for one in both.there.publications for n in one.left]
        assert sorted(left) == sorted((bob, cid))
        assert both.here.ticks[-1] == both.there.ticks[-1]
        await both.stop()

    virtually(scenario())


def test_a_join_that_is_refused_is_not_asked_again() -> None:
    async def scenario() -> None:
        both = await two()
        both.copy.join(SeatRequest(nonce("unwelcome"), "unwelcome"))
        await both.one.seconds(2)
        told = [one.refused for one in both.there.publications if one.refused]
        assert told == [{nonce("unwelcome"): NOT_YOU}], "once"
        assert not both.copy.outbox.open
        await both.stop()

    virtually(scenario())


def test_a_hook_that_fails_at_a_follower_ends_the_room_for_all() -> None:
    async def scenario() -> None:
        both = await two()
        both.copy.fail("visible fails")
        await both.one.seconds(0.2)
        ended = (CloseCode.GAME_FAILED, "visible fails")
        assert both.here.end == both.there.end == ended
        for one in (both.room, both.copy):
            assert (one.over, one.finished, one.ending) == (ended, True, True)
        assert both.one.host.rooms() == both.two.host.rooms() == []
        await both.stop()

    virtually(scenario())


def test_what_was_asked_of_an_owner_that_died_is_asked_of_the_next() -> None:
    async def scenario() -> None:
        both = await two()
        room, copy = both.room, both.copy
        ada = next(iter(copy.match.players)).id
        await both.one.kill()
        for one in (0, 1):
            copy.submit(ada, items(1 + one, 3 + one))
        copy.resume(ada, 77, 1)
        copy.join(SeatRequest(nonce("Bob"), "Bob"))
        copy.present({ada}, 1)
        assert both.there.changes == []
        await both.one.seconds(0.6)
        assert copy.owned is not None
        assert both.there.changes == [(copy.epoch, Status.LIVE)], "who owns it now, told once"
        assert copy.epoch > room.epoch
        row = player(copy.owned, "Ada")
        assert (row.connection, row.input_seq, row.connected) == (77, 4, True)
        assert both.there.seated == {nonce("Bob"): player(copy.owned, "Bob").id}
        first = both.there.ticks[0]
        assert both.there.ticks == list(range(first, copy.match.tick + 1)), "no tick is missing"
        assert not copy.outbox.open
        await both.two.stop()

    virtually(scenario())


def test_what_was_asked_of_an_owner_that_lost_the_room_is_asked_of_who_has_it() -> None:
    async def scenario() -> None:
        both = await two()
        room, copy = both.room, both.copy
        lost = room.owned
        assert lost is not None
        ada = player(lost, "Ada").id
        both.one.store.answering.clear()
        await both.one.seconds(0.05)
        # One is in the tick that waits for the store, and is refused with it; the others wait.
        room.submit(ada, items(1, 1))
        await both.one.seconds(0.05)
        room.submit(ada, items(2, 4))
        await both.one.seconds(0.5)
        assert copy.owned is not None
        both.one.store.answering.set()
        await both.one.seconds(1)
        assert (room.owned, room.over) == (None, None)
        assert both.here.changes[-1] == (copy.epoch, Status.LIVE)
        row = player(copy.owned, "Ada")
        assert (row.input_seq, row.inputs_applied, row.inputs_skipped) == (4, 4, 0)
        # What was committed until it followed is in its rows; nothing is shown that never was.
        ticks = both.here.ticks
        assert ticks == sorted(set(ticks))
        assert ticks[-1] == copy.match.tick
        await both.stop()

    virtually(scenario())


def test_an_answer_to_a_tick_of_an_earlier_owner_says_nothing_of_this_ones() -> None:
    async def scenario() -> None:
        both = await two()
        room = both.room
        assert room.owned is not None
        committed = room.owned.committed
        late = Append(room.id, room.epoch - 1, committed + 7, b"")
        room.answered(late, None)
        assert room.owned.committed == committed
        room.answered(late, Fenced(room.id, late.epoch, room.epoch))
        assert room.owned is not None, "nor does its refusal take the room from here"
        await both.stop()

    virtually(scenario())


def test_seats_taken_are_kept_for_the_directory_by_the_owner_alone() -> None:
    async def scenario() -> None:
        both = await two()
        both.room.seated.clear()
        both.copy.join(SeatRequest(nonce("Bob"), "Bob"))
        while not both.room.seated:  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(0.001)
        assert (both.room.seated, both.copy.seated) == ([nonce("Bob")], [])
        await both.stop()

    virtually(scenario())


def test_an_edge_that_follows_no_more_is_told_no_more() -> None:
    async def scenario() -> None:
        both = await two()
        copy, there = both.copy, both.there
        assert copy.used
        copy.unfollow(there)
        heard = len(there.ticks)
        loop = asyncio.get_running_loop()
        assert (copy.used, copy.unused_since_s) == (False, loop.time())
        since_s = copy.unused_since_s
        await both.one.seconds(0.5)
        copy.unfollow(there)
        assert (len(there.ticks), copy.unused_since_s) == (heard, since_s)
        await both.stop()

    virtually(scenario())
