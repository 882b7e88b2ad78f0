"""A process tells of its rooms when something changed, and all others see them as they are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.lobby import RoomMeta, read_wish
from server.host.directory import (
    ANNOUNCE_S,
    ASK_S,
    ASKS_MAX,
    SHOWN_S,
    kind_key,
    meta_key,
    read_listing,
)
from server.store.base import StoreUnavailable
from server.store.exchange import BEAT_S, PROCESS_TTL_S, Listing, Process
from server.store.memory_exchange import MemoryExchange
from shared.chunks import pack
from tests.server.core.yard import Rules, Yard, nonce
from tests.server.host.rig import Rig
from tests.simulation.loop import virtually

GAME = Yard()


class Board(MemoryExchange):
    """The memory exchange, which keeps what it was told, and may be away."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop().time)
        self.told: list[Listing] = []
        self.beats: list[tuple[float, Process]] = []
        self.away = False

    async def announce(self, listings: Sequence[Listing]) -> None:
        self._mood()
        self.told += listings
        await super().announce(listings)

    async def listings(self, key: str | None = None) -> list[Listing]:
        self._mood()
        return await super().listings(key)

    async def beat(self, process: Process) -> None:
        self._mood()
        self.beats.append((self._now(), process))
        await super().beat(process)

    def _mood(self) -> None:
        if self.away:
            raise StoreUnavailable("the directory has gone fishing")


def meta(**more: Any) -> RoomMeta:
    return replace(RoomMeta("yard", ("", 8), 1, 0, False, 0, "1"), **more)


def wish(**options: Any) -> str:
    return kind_key(read_wish("yard", GAME, options))


def test_rooms_of_one_kind_are_those_a_wish_fits() -> None:
    assert wish() == meta_key(meta()) != ""
    assert wish(bots=2) == meta_key(meta(bots=2))
    assert wish(size=1.25) == meta_key(meta(options=tuple(Rules(size=1.25).to_wire())))
    kinds = [wish(), wish(bots=2), wish(size=1.25), wish(start="x"), meta_key(meta(game="cave"))]
    assert len(set(kinds)) == 5
    # Whatever else a room has, it is of the same kind.
    assert meta_key(meta(seed=9, created_ms=7, rules="2")) == wish()
    assert wish(private=True) == meta_key(meta(private=True)) == "", "found by its id alone"


def test_a_room_is_told_when_it_changes_and_once_a_second_of_its_time() -> None:
    async def scenario() -> None:
        board = Board()
        rig = await Rig(exchange=board).start()
        room, _ = await rig.room("Ada")
        await rig.seconds(1)
        board.told.clear()
        await rig.seconds(10)
        ticks = [listed.census.tick for one in board.told if (listed := read_listing(one))]
        seconds = [tick // GAME.tick_rate for tick in ticks]
        assert seconds == list(range(seconds[0], seconds[0] + len(board.told)))
        assert len(seconds) in (9, 10), "nothing changes but the time"
        assert {one.free for one in board.told} == {3}
        board.told.clear()
        rig.present(room, {player.id for player in room.match.players}, 5)
        await rig.seconds(2 * ANNOUNCE_S)
        told = [read_listing(one) for one in board.told]
        assert [one.census.spectators for one in told if one] == [5]
        await rig.stop()

    virtually(scenario())


def test_a_listing_shows_the_room_as_it_is() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, _ = await rig.room("Ada", bots=2, size=1.25)
        await rig.seconds(1)
        [listed] = (await rig.host.listed()).values()
        assert (listed.room, listed.owner, listed.meta) == (room.id, "host-1", room.meta)
        assert (listed.epoch, listed.status, listed.free_seats) == (room.epoch, "live", 3)
        census = listed.census
        assert (census.players, census.bots, census.finished) == (1, 2, False)
        assert room.census.tick - 20 < census.tick <= room.census.tick
        [listing] = await rig.exchange.listings()
        assert (listing.key, listing.free) == (meta_key(room.meta), 3)
        await rig.stop()

    virtually(scenario())


def test_a_room_that_is_made_for_somebody_promises_the_seat_until_it_is_taken() -> None:
    async def scenario() -> None:
        board = Board()
        rig = await Rig(exchange=board).start()
        owned, _ = await rig.room("Ada")
        await rig.seconds(1)
        first = board.told[0]
        assert (first.free, first.seated, first.made_for) == (4, (), (nonce("Ada"),))
        [seated] = [one for one in board.told if one.seated]
        assert (seated.free, seated.seated) == (3, (nonce("Ada"),)), "told once"
        assert owned.free_seats == 3
        await rig.stop()

    virtually(scenario())


def test_a_finished_room_offers_no_seat() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, _ = await rig.room("Ada")
        room.match.open_rows()
        room.match.finish({"by": "a test"})
        await rig.seconds(0.5)
        [listing] = await rig.exchange.listings()
        [listed] = (await rig.host.listed()).values()
        assert (listing.free, listed.census.finished) == (0, True)
        await rig.stop()

    virtually(scenario())


def test_a_room_asleep_is_found_by_its_id_alone_and_not_woken() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        asleep, _ = await rig.room("Ada")
        ended, _ = await rig.room("Bob", private=True)
        rig.present(asleep, set())
        ended.fail("for this test")
        await rig.seconds(4)
        assert rig.host.rooms() == []
        assert await rig.exchange.listings() == []
        assert list(await rig.host.listed()) == []
        found = await rig.host.find(asleep.id)
        assert found is not None
        assert (found.status, found.owner, found.meta) == ("asleep", "", asleep.meta)
        assert (found.census.tick, found.free_seats) == (asleep.match.tick, asleep.game.seats)
        assert await rig.host.find(ended.id) is None
        assert await rig.host.find("roomthatneverwas") is None
        assert rig.host.rooms() == [], "who looks wakes nobody"
        await rig.stop()

    virtually(scenario())


def test_what_is_shown_of_the_directory_is_read_once_in_a_while_or_when_something_is_new() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, _ = await rig.room("Ada")
        await rig.seconds(1)
        shown = await rig.host.listed()
        assert await rig.host.listed() is shown
        other, _ = await rig.room("Bob", private=True)
        assert set(await rig.host.listed()) == {room.id, other.id}, "a new room is shown at once"
        await rig.seconds(1)
        shown = await rig.host.listed()
        await rig.seconds(SHOWN_S + 0.01)
        assert await rig.host.listed() is not shown
        await rig.stop()

    virtually(scenario())


def test_a_process_beats_while_it_lives_and_says_whether_it_takes_more() -> None:
    async def scenario() -> None:
        board = Board()
        rig = await Rig(exchange=board, rooms_max=1).start()
        await rig.seconds(5)
        times = [time_s for time_s, _ in board.beats]
        assert max(b - a for a, b in pairwise(times)) < BEAT_S + 2 * ANNOUNCE_S
        assert await board.processes() == [Process("host-1", 0, open=True, games=("yard",))]
        await rig.room("Ada")
        await rig.seconds(1.1)
        assert await board.processes() == [Process("host-1", 1, open=False, games=("yard",))]
        await rig.stop()
        assert await board.processes() == [], "it says goodbye"

    virtually(scenario())


def test_while_the_directory_is_away_rooms_go_on_and_it_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        board = Board()
        rig = await Rig(exchange=board).start()
        room, watcher = await rig.room("Ada")
        await rig.seconds(1)
        board.told.clear()
        board.away = True
        rig.host.rooms()[0].seated.append(nonce("Bob"))
        with caplog.at_level(logging.WARNING):
            await rig.seconds(PROCESS_TTL_S + 2)
        said = [one.message for one in caplog.records if "directory is away" in one.message]
        assert len(said) == 1
        assert watcher.ticks == list(range(1, room.match.tick + 1))
        assert list(await rig.host.listed()) == [room.id], "its own it knows"
        assert await board.processes() == []
        board.away = False
        await rig.seconds(1)
        assert await board.processes() != []
        assert board.told[0].seated == (nonce("Bob"),), "what was not heard is told again"
        await rig.stop()

    virtually(scenario())


def test_who_waits_for_a_room_to_be_made_waits_for_a_while_and_then_makes_it() -> None:
    class Busy(Board):
        """Others are about to make a room, again and again."""

        async def find_seat(
            self, key: str, nonce: bytes, process: str = "", excluding: Sequence[str] = ()
        ) -> Any:
            self._making[key] = (self._now() + 1, ("another", b"somebody else"))
            return await super().find_seat(key, nonce, process, excluding)

    async def scenario() -> None:
        rig = await Rig(exchange=Busy()).start()
        began = rig.clock.now()
        room = await rig.enter("Ada")
        assert 0.8 * ASK_S * ASKS_MAX <= rig.clock.now() - began <= 1.2 * ASK_S * ASKS_MAX
        assert rig.host.rooms() == [room]
        await rig.stop()

    virtually(scenario())


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 99) | st.text(max_size=3) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=9),
    max_leaves=20,
)


@given(st.binary(max_size=40) | values.map(pack))
def test_what_no_process_of_ours_wrote_is_passed_over(about: bytes) -> None:
    listing = Listing("room00000001", "", 0, "stranger", about)
    assert read_listing(listing) is None


def test_a_listing_of_a_room_nobody_can_describe_is_passed_over() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        await rig.room("Ada")
        await rig.seconds(1)
        [good] = await rig.exchange.listings()
        about = pack([b"no meta", "live", 1, 2, [3, 4, 5, 6], False, 0.5, 7.0])
        await rig.exchange.announce([replace(good, room="strange00001", about=about)])
        assert read_listing(replace(good, about=about)) is None
        assert list(await rig.host.listed()) == [good.room]
        await rig.stop()

    virtually(scenario())


def test_that_the_directory_is_away_is_said_once_also_where_there_is_nothing_to_tell(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        board = Board()
        rig = await Rig(exchange=board).start()
        board.away = True
        with caplog.at_level(logging.WARNING):
            await rig.seconds(5)
            assert caplog.text.count("the directory is away") == 1
            board.away = False
            await rig.seconds(2)
            board.away = True
            await rig.seconds(5)
        assert caplog.text.count("the directory is away") == 2, "the second time is another"
        board.away = False
        await rig.stop()

    virtually(scenario())
