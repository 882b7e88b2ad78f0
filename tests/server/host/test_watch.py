"""What a host notes for the watchdog, and what it leaves alone at the watchdog's word."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from holdfast import Inputs, Match
from server.core.ports import Watch
from server.host.conviction import HANGS, put_aside
from server.store.base import Status
from shared.errors import CloseCode, RemoteError
from tests.server.core.yard import Push, Yard
from tests.server.host.pair import Edge
from tests.server.host.rig import Rig, join
from tests.simulation.loop import virtually


class Marks:
    """A `Marker` that counts, and knows what is entered now."""

    def __init__(self) -> None:
        self.now: tuple[str, str, str] | None = None
        self.counts: Counter[tuple[str, str, str]] = Counter()

    def enter(self, room: str, game: str, hook: str) -> None:
        assert self.now is None, "entering does not nest"
        self.now = (room, game, hook)
        self.counts[self.now] += 1

    def leave(self) -> None:
        self.now = None


class Suspects:
    """A `Suspicion` of what a test says."""

    def __init__(self) -> None:
        self.rooms: set[str] = set()
        self.games: set[str] = set()
        self.innocent: set[tuple[str, str]] = set()

    def suspects(self, room: str) -> bool:
        return room in self.rooms

    def refuses(self, game: str) -> bool:
        return game in self.games

    def blameless(self, room: str, owner: str) -> bool:
        return (room, owner) in self.innocent


class Kept(Yard):
    """A yard that stays when nobody is in it."""

    grace_s = 1000.0
    room_empty_s = 1000.0


def noting(marks: Marks, seen: list[tuple[str, str, str] | None]) -> Yard:
    """A yard whose step notes what was entered when it ran."""

    class Noting(Kept):
        def step(self, match: Match, inputs: Inputs[Push]) -> None:
            seen.append(marks.now)
            super().step(match, inputs)

    return Noting()


def test_a_games_code_runs_within_its_rooms_mark_at_owner_and_follower() -> None:
    async def scenario() -> None:
        marks, theirs = Marks(), Marks()
        seen: list[tuple[str, str, str] | None] = []
        one = await Rig({"yard": noting(marks, seen)}, watch=Watch(marks)).start()
        two = await one.beside(2, watch=Watch(theirs))
        room, watcher = await one.room("Ada")
        watcher.during = lambda _: seen.append(marks.now)
        copy = await two.host.reach(room.id)
        assert copy is not None
        await one.seconds(1)
        assert set(seen) == {(room.id, "yard", "step"), (room.id, "yard", "publish")}
        assert marks.now is None, "left before anything is awaited"
        assert set(theirs.counts) == {(room.id, "yard", "restore"), (room.id, "yard", "publish")}
        assert theirs.now is None
        await two.stop()
        await one.stop()

    virtually(scenario())


def test_a_room_that_hangs_its_owner_is_not_taken_over_until_that_is_settled() -> None:
    async def scenario() -> None:
        suspects = Suspects()
        one = await Rig({"yard": Kept()}).start()
        two = await one.beside(2, watch=Watch(suspicion=suspects))
        guilty, _ = await one.room("Ada", private=True)
        other, _ = await one.room("Bob", private=True)
        there = [await two.host.reach(room.id) for room in (guilty, other)]
        await one.seconds(0.5)
        suspects.rooms.add(guilty.id)
        await one.kill()
        await one.seconds(10)
        assert [room is not None and room.owned is not None for room in there] == [False, True]
        suspects.rooms.clear()
        await one.seconds(1)
        assert all(room is not None and room.owned is not None for room in there)
        await two.stop()

    virtually(scenario())


def test_a_suspect_room_is_not_taken_up_by_a_process_that_starts() -> None:
    async def scenario() -> None:
        suspects = Suspects()
        one = await Rig({"yard": Kept()}).start()
        room, _ = await one.room("Ada")
        await one.kill()
        suspects.rooms.add(room.id)
        two = await one.beside(2, watch=Watch(suspicion=suspects))
        await one.seconds(10)
        assert two.owned() == []
        suspects.rooms.clear()
        await one.seconds(60)
        assert [owned.id for owned in two.owned()] == [room.id]
        await two.stop()

    virtually(scenario())


@pytest.mark.parametrize("innocent", [True, False])
def test_an_owner_that_hung_in_another_room_counts_no_crash_of_this_one(innocent: bool) -> None:
    async def scenario() -> None:
        suspects = Suspects()
        one = await Rig({"yard": Kept()}).start()
        two = await one.beside(2, watch=Watch(suspicion=suspects))
        followed, _ = await one.room("Ada", private=True)
        orphan, _ = await one.room("Bob", private=True)
        assert await two.host.reach(followed.id) is not None
        await one.seconds(0.5)
        # Heard of the owner by its name: it takes the room again.
        copy = two.local(followed).follower
        assert copy is not None
        copy.copy.owner = "host-1"
        if innocent:
            suspects.innocent = {(room.id, "host-1") for room in (followed, orphan)}
        await one.kill()
        await one.seconds(60)
        for room in (followed, orphan):
            assert two.local(room).owned is not None
            loaded = await one.store.load(room.id)
            assert loaded.recoveries == (0 if innocent else 1)
        await two.stop()

    virtually(scenario())


def test_a_game_that_hangs_in_every_room_is_refused_and_another_is_not() -> None:
    async def scenario() -> None:
        suspects = Suspects()
        suspects.games.add("yard")
        games = {"yard": Yard(), "pond": Yard()}
        standing: list[tuple[str, dict[str, Any]]] = [("yard", {}), ("pond", {})]
        watch = Watch(suspicion=suspects)
        rig = await Rig(games, watch=watch, standing=standing).start()
        assert [room.meta.game for room in rig.owned()] == ["pond"]
        with pytest.raises(RemoteError, match="this game hangs") as refused:
            await rig.host.place(join("Ada"))
        assert refused.value.code is CloseCode.UNAVAILABLE
        assert (await rig.enter("Ada", "pond")).owned is not None
        suspects.games.clear()
        await rig.seconds(6)
        assert sorted(room.meta.game for room in rig.owned()) == ["pond", "yard"]
        await rig.stop()

    virtually(scenario())


def test_a_room_is_put_aside_with_the_reason_and_its_followers_are_told() -> None:
    async def scenario() -> None:
        one = await Rig({"yard": Kept()}).start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        copy = await two.host.reach(room.id)
        assert copy is not None
        edge = Edge(copy)
        await one.kill()
        why = "yard: step did not return for 5.0 s (yard.py:7)"
        await put_aside(room.id, why, "next", one.store, one.exchange)
        await one.seconds(10)
        assert edge.end == (CloseCode.GAME_FAILED, HANGS)
        [entry] = await one.store.rooms()
        assert (entry.status, entry.reason) == (Status.QUARANTINED, why)
        assert (await one.store.load(room.id)).recoveries == 0
        epoch = entry.epoch
        await put_aside(room.id, why, "again", one.store, one.exchange)
        await put_aside("nosuch123", why, "again", one.store, one.exchange)
        [entry] = await one.store.rooms()
        assert entry.epoch == epoch, "done once"
        await two.stop()

    virtually(scenario())


def test_another_machines_word_keeps_from_its_room_and_clears_the_others() -> None:
    """Without a page that is shared: the mark in the store says which room hangs its owner."""

    async def scenario() -> None:
        one = await Rig({"yard": Kept()}).start()
        two = await one.beside(2)
        guilty, _ = await one.room("Ada", private=True)
        followed, _ = await one.room("Bob", private=True)
        orphan, _ = await one.room("Cid", private=True)
        forsaken, _ = await one.room("Dot", private=True)
        for room in (guilty, followed):
            assert await two.host.reach(room.id) is not None
        await one.seconds(0.5)
        await one.exchange.mark_stuck("host-1", guilty.id, 10)
        await one.kill()
        await one.seconds(9)
        assert {room.id for room in two.owned()} == {followed.id, orphan.id, forsaken.id}
        for room in (followed, orphan, forsaken):
            assert (await one.store.load(room.id)).recoveries == 0
        await one.seconds(10)
        assert guilty.id in {room.id for room in two.owned()}, "the mark is over"
        assert (await one.store.load(guilty.id)).recoveries == 1
        await two.stop()

    virtually(scenario())
