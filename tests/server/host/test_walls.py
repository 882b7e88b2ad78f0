"""A room's trouble is its own: a store call that fails, is late, or whose answer is lost.

Each test has a room beside the one in trouble, or a room that must come out of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from server.core.lifecycle import Event, State
from server.core.post import Failed
from server.core.room import SeatRequest
from server.host.owner import FAILED_TICKS_MAX, FAILED_WITHIN_TICKS
from server.host.room_handle import RoomHandle
from server.host.room_store import CHECKPOINT_TICKS
from server.store.base import (
    Append,
    Fenced,
    Held,
    NoSuchRoom,
    Status,
    StoreCorrupt,
    StoreUnavailable,
    Tail,
    Taken,
)
from server.store.exchange import Gap, News, Subscription
from server.store.memory_exchange import MemoryExchange
from shared.errors import CloseCode, RemoteError, StoreError
from tests.server.core.yard import Yard, nonce
from tests.server.host.rig import MoodyStore, Rig, Watcher, player, post
from tests.simulation.loop import virtually


class Trouble:
    """What happens to the next calls of one method: each fails, is lost, hangs, or goes through."""

    def __init__(self) -> None:
        self.next: list[str] = []

    async def through(self, call: Callable[[], Awaitable[Any]]) -> Any:
        kind = self.next.pop(0) if self.next else ""
        if kind == "fails":
            raise StoreUnavailable("gone fishing")
        if kind == "late":
            await asyncio.sleep(0.3)
        if kind == "hangs":
            await asyncio.sleep(1000)
        answer = await call()
        if kind == "lost":
            raise StoreUnavailable("it was done, and the answer is lost")
        return answer


class TroubledStore(MoodyStore):
    """A store whose releases, takeovers and status changes go wrong as told."""

    def __init__(self) -> None:
        super().__init__()
        self.releasing, self.taking, self.setting = Trouble(), Trouble(), Trouble()

    async def release(self, room: str, epoch: int) -> None:
        await self.releasing.through(lambda: super(TroubledStore, self).release(room, epoch))

    async def take_over(
        self, room: str, owner: str, held: Held, *, blameless: bool = False
    ) -> Taken | Tail:
        answer: Taken | Tail = await self.taking.through(
            lambda: super(TroubledStore, self).take_over(room, owner, held, blameless=blameless)
        )
        return answer

    async def set_status(self, room: str, epoch: int, status: Status, reason: str = "") -> None:
        await self.setting.through(
            lambda: super(TroubledStore, self).set_status(room, epoch, status, reason)
        )


class TroubledExchange(MemoryExchange):
    """An exchange whose subscriptions go wrong as told."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop().time)
        self.following, self.listening = Trouble(), Trouble()

    async def follow(self, room: str, hear: Callable[[News | Gap], None]) -> Subscription:  # type: ignore[override]
        found: Subscription = await self.following.through(
            lambda: super(TroubledExchange, self).follow(room, hear)
        )
        return found

    async def listen(self, name: str, hear: Callable[[bytes], None]) -> Subscription:  # type: ignore[override]
        found: Subscription = await self.listening.through(
            lambda: super(TroubledExchange, self).listen(name, hear)
        )
        return found


class Two:
    """A room of process one that process two follows, with players seen at both."""

    def __init__(self, store: TroubledStore, exchange: TroubledExchange) -> None:
        self.store, self.exchange = store, exchange
        self.one: Rig
        self.two: Rig
        self.room: RoomHandle
        self.copy: RoomHandle

    async def start(self) -> Two:
        self.one = await Rig(store=self.store, exchange=self.exchange).start()
        self.two = await self.one.beside(2)
        self.room, _ = await self.one.room("Ada", private=True)
        copy = await self.two.host.reach(self.room.id)
        assert copy is not None
        self.copy = copy
        # As an edge does: a copy that nobody uses is dropped.
        Watcher(copy, self.store)
        self.copy.present(set(), 1)
        await self.one.seconds(1.02)
        return self

    def goes_on(self) -> None:
        """Exactly one process owns the room, both show its newest tick, and nobody blames it."""
        owners = [one for one in (self.room, self.copy) if one.life.owned]
        assert len(owners) == 1
        kept = self.store._rooms[self.room.id]
        assert (kept.status, kept.crashes.count < 2) == (Status.LIVE, True)
        assert self.room.epoch == self.copy.epoch == kept.epoch
        assert abs(self.room.match.tick - self.copy.match.tick) <= 1

    async def stop(self) -> None:
        await self.two.stop()
        await self.one.stop()


def _reached(room: RoomHandle) -> list[State]:
    """Every state that a room comes to from now on, in order."""
    states: list[State] = []

    def note(before: State, event: Event, after: State) -> None:
        states.append(after)

    room.life._observer = note
    return states


async def two() -> Two:
    return await Two(TroubledStore(), TroubledExchange()).start()


@pytest.mark.parametrize("subscription", ["fails", "lost", "hangs"])
def test_a_handover_whose_subscription_fails_leaves_the_room_running_here(
    subscription: str,
) -> None:
    async def scenario() -> None:
        both = await two()
        both.exchange.following.next = [subscription]
        assert not await both.one.host.handover.room(both.room)
        await both.one.seconds(3)
        assert both.room.life.state is State.RUNNING
        tick = both.room.match.tick
        await both.one.seconds(60)
        assert both.room.match.tick >= tick + 60 * 20 - 3
        both.goes_on()
        assert both.room.life.owned
        await both.stop()

    virtually(scenario())


@pytest.mark.parametrize("release", ["fails", "lost", "late", "hangs"])
def test_a_release_that_goes_wrong_freezes_nobody(release: str) -> None:
    async def scenario() -> None:
        both = await two()
        both.store.releasing.next = [release]
        tick = both.room.match.tick
        await both.one.host.handover.room(both.room)
        await both.one.seconds(4)
        both.goes_on()
        assert both.room.match.tick > tick + 20
        again = await both.one.host.reach(both.room.id)
        assert again is both.room
        await both.stop()

    virtually(scenario())


@pytest.mark.parametrize("follower", ["lives", "is gone"])
def test_a_successor_that_is_gone_when_the_subscription_fails_changes_nothing(
    follower: str,
) -> None:
    async def scenario() -> None:
        both = await two()
        if follower == "is gone":
            await both.two.kill()
        both.exchange.following.next = ["fails"]
        assert not await both.one.host.handover.room(both.room)
        tick = both.room.match.tick
        await both.one.seconds(120)
        assert both.room.life.owned
        assert both.room.match.tick >= tick + 120 * 20 - 3
        await both.stop()

    virtually(scenario())


def test_a_process_that_drains_although_a_subscription_fails_lets_every_room_go() -> None:
    async def scenario() -> None:
        both = await two()
        both.exchange.following.next = ["fails"]
        await both.one.host.drain()
        kept = both.store._rooms[both.room.id]
        assert (kept.owner, kept.status) == ("", Status.LIVE)
        await both.one.seconds(1)
        assert both.copy.life.owned
        assert kept.crashes.count == 0
        await both.stop()

    virtually(scenario())


@pytest.mark.parametrize("lost", [1, 2, 5])
def test_a_takeover_whose_answer_is_lost_is_one_crash_however_often(lost: int) -> None:
    async def scenario() -> None:
        both = await two()
        both.store.taking.next = ["lost"] * lost
        await both.one.kill()
        await both.two.seconds(5)
        kept = both.store._rooms[both.room.id]
        assert (kept.status, kept.crashes.count, kept.owner) == (Status.LIVE, 1, "host-2")
        assert both.copy.life.owned
        assert both.copy.match.tick == kept.tick
        await both.two.stop()

    virtually(scenario())


@pytest.mark.parametrize("trouble", ["inbox", "question"])
def test_a_takeover_that_cannot_be_asked_for_is_asked_for_again(trouble: str) -> None:
    async def scenario() -> None:
        both = await two()
        asked = both.exchange.listening if trouble == "inbox" else both.store.taking
        asked.next = ["fails"] * 3
        await both.one.kill()
        await both.two.seconds(3)
        assert asked.next == []
        assert both.copy.life.owned
        assert both.store._rooms[both.room.id].crashes.count == 1
        await both.two.stop()

    virtually(scenario())


def test_a_follower_that_is_out_of_reach_and_hears_the_owner_asks_for_nothing() -> None:
    async def scenario() -> None:
        both = await two()
        seen = _reached(both.copy)
        context = both.two.host._context
        assert context.name == "host-2"
        both.store.taking.next = ["fails"]
        both.copy.on(Event.SILENCE)
        await both.one.seconds(0.2)
        assert State.OUT_OF_REACH in seen
        assert both.copy.life.state is State.FOLLOWED
        assert both.room.life.owned
        await both.stop()

    virtually(scenario())


class SlowStatus(MoodyStore):
    """Closing a room takes its time, or fails for no reason of the room's."""

    crash = False

    async def set_status(self, room: str, epoch: int, status: Status, reason: str = "") -> None:
        await asyncio.sleep(0.2)
        if self.crash:
            raise ZeroDivisionError("a bug of ours")
        await super().set_status(room, epoch, status, reason)


@pytest.mark.parametrize("crash", [False, True])
def test_rooms_that_close_together_hold_up_nobody(
    crash: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        store = SlowStatus()
        rig = await Rig(store=store, rooms_max=20).start()
        rooms = [(await rig.room(f"player {n}", private=True))[0] for n in range(12)]
        groups = [group for groups in rig.host.groups.by_kind.values() for group in groups]
        victim, *others = [room for room in rooms if room in groups[0].rooms]
        assert len(others) == 11
        watcher = Watcher(victim, store)
        store.crash = crash
        for room in others:
            room.on(Event.FINISHED)
        await rig.seconds(3)
        gaps = [round(b - a, 6) for a, b in pairwise(watcher.times)]
        assert set(gaps) == {0.05}
        assert {room.life.state for room in others} == {State.UNREADABLE if crash else State.CLOSED}
        store.crash = False
        await rig.stop()

    with caplog.at_level(logging.CRITICAL):
        virtually(scenario())


def test_a_close_the_store_does_not_answer_is_repeated_until_it_does() -> None:
    async def scenario() -> None:
        both = await two()
        both.store.setting.next = ["fails", "lost", "fails"]
        both.room.fail("for this test")
        await both.one.seconds(3)
        assert both.store._rooms[both.room.id].status is Status.QUARANTINED
        assert both.copy.over == (CloseCode.GAME_FAILED, "for this test")
        assert both.one.host.rooms() == both.two.host.rooms() == []
        await both.stop()

    virtually(scenario())


class Ahead(Yard):
    journal_lag_ticks_max = 40


def test_a_room_that_runs_ahead_and_fails_twice_holds_up_nobody() -> None:
    async def scenario() -> None:
        rig = await Rig({"yard": Ahead()}).start()
        room, other = await rig.enter("Ada", private=True), await rig.enter("Bob", private=True)
        await rig.ticks(other, 5)
        for one in (room, other):
            rig.present(one, {row.id for row in one.match.players})
        rig.store.answering.clear()
        await rig.seconds(0.2)
        post(room, "Ada", 1, 1, trap=1)
        await rig.seconds(0.1)
        assert room.life.state is State.RECOVERING, "it waits for the ticks it has shown"
        room.fail("the game failed: visible")
        rig.store.answering.set()
        await rig.seconds(5)
        tick = other.match.tick
        await rig.seconds(10)
        assert room.over == (CloseCode.GAME_FAILED, "the game failed: visible")
        assert other.match.tick >= tick + 199
        async with asyncio.timeout(5):
            await rig.host.drain()
        await rig.stop()

    virtually(scenario())


class AlwaysBehind(MoodyStore):
    """Each commit takes longer than a tick."""

    delay_s = 0.0

    async def append(self, batch: Any) -> list[StoreError | None]:
        await asyncio.sleep(self.delay_s)
        return await super().append(batch)


class Calm(Yard):
    grace_s = room_empty_s = 1e6


def test_checkpoints_are_written_although_every_tick_comes_late() -> None:
    async def scenario() -> None:
        store = AlwaysBehind()
        rig = await Rig({"yard": Calm()}, store=store).start()
        rooms = [await rig.enter(f"player {n}", private=True) for n in range(10)]
        await rig.ticks(rooms[0], 2)
        store.delay_s = 0.06
        await rig.seconds(0.06 * CHECKPOINT_TICKS * 6)
        for room in rooms:
            kept = store._rooms[room.id]
            assert kept.tick > 5 * CHECKPOINT_TICKS
            assert len(kept.checkpoints) == 2
            assert len(kept.records) <= 2 * CHECKPOINT_TICKS
        await rig.stop()

    virtually(scenario())


def test_a_checkpoint_that_fails_is_written_soon_after() -> None:
    async def scenario() -> None:
        rig = await Rig({"yard": Calm()}).start()
        room, _ = await rig.room("Ada")
        await rig.ticks(room, 2)
        failures = 3

        async def checkpoint(name: str, epoch: int, tick: int, blob: bytes) -> None:
            nonlocal failures
            if failures:
                failures -= 1
                raise StoreUnavailable("gone fishing")
            await MoodyStore.checkpoint(rig.store, name, epoch, tick, blob)

        rig.store.checkpoint = checkpoint  # type: ignore[method-assign, assignment]
        await rig.ticks(room, 4 * CHECKPOINT_TICKS)
        kept = rig.store._rooms[room.id]
        assert kept.tick - kept.checkpoints[0].tick <= CHECKPOINT_TICKS
        await rig.stop()

    virtually(scenario())


@pytest.mark.parametrize("every", [1, 3, 8])
def test_a_game_that_fails_in_too_many_ticks_ends_and_one_that_fails_now_and_then_does_not(
    every: int,
) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada", "Bob")
        loads = 0
        load = rig.store.load

        async def counted(name: str) -> Any:
            nonlocal loads
            loads += 1
            return await load(name)

        rig.store.load = counted  # type: ignore[method-assign, assignment]
        for tick in range(60 * every):
            if room.life.over:
                break
            post(room, "Ada", tick + 1, 1, trap=1 if tick % every == 0 else 0)
            await rig.seconds(0.05)
        often = every * FAILED_TICKS_MAX <= FAILED_WITHIN_TICKS
        if often:
            assert watcher.end is not None
            assert watcher.end[0] is CloseCode.GAME_FAILED
            assert loads < FAILED_TICKS_MAX
            assert (await load(room.id)).status is Status.QUARANTINED
        else:
            assert watcher.end is None
            assert loads > 50
        await rig.stop()

    virtually(scenario())


def test_a_room_that_is_read_back_is_not_taken_for_dead() -> None:
    async def scenario() -> None:
        both = await two()
        load = both.store.load

        async def slow(name: str) -> Any:
            await asyncio.sleep(2)
            return await load(name)

        both.store.load = slow  # type: ignore[method-assign, assignment]
        post(both.room, "Ada", 1, 1, trap=1)
        await both.one.seconds(1)
        assert both.room.life.state is State.RECOVERING
        await both.one.seconds(2)
        assert both.room.life.steps
        assert both.store._rooms[both.room.id].owner == "host-1"
        both.goes_on()
        await both.stop()

    virtually(scenario())


def test_a_process_short_of_memory_repeats_the_tick_and_blames_nobody() -> None:
    fails = [True]

    class Short(Yard):
        def step(self, match: Any, inputs: Any) -> None:
            super().step(match, inputs)
            if match.tick > 5 and fails:
                fails.pop()
                raise MemoryError

    async def scenario() -> None:
        rig = await Rig({"yard": Short()}).start()
        room, watcher = await rig.room("Ada")
        await rig.ticks(room, 2)
        post(room, "Ada", 1, 2)
        await rig.seconds(2)
        assert not fails
        assert (watcher.end, room.life.state) == (None, State.RUNNING)
        assert player(room, "Ada").inputs_applied == 1
        assert "game_errors_total" not in rig.metrics.counters
        await rig.stop()

    virtually(scenario())


@pytest.mark.parametrize("step", ["create", "acquire", "listen"])
def test_a_room_that_cannot_be_made_is_in_nobodys_way(step: str) -> None:
    async def scenario() -> None:
        exchange = TroubledExchange()
        rig = await Rig(exchange=exchange).start()
        other, watcher = await rig.room("Bob", private=True)
        if step == "listen":
            exchange.listening.next = ["fails"]
        else:
            rig.store.away = True
        with pytest.raises(RemoteError, match="the store is away"):
            await rig.enter("Ada", private=True)
        rig.store.away = False
        await rig.seconds(1)
        again = await rig.enter("Ada", private=True)
        await rig.ticks(again, 2)
        assert watcher.end is None
        assert other.life.owned
        await rig.stop()

    virtually(scenario())


def test_an_end_told_by_an_owner_that_is_no_more_ends_nothing() -> None:
    async def scenario() -> None:
        both = await two()
        both.store.answering.clear()
        await both.one.seconds(0.6)
        assert both.copy.life.owned, "the owner is silent"
        both.room.obey("edge", Failed("the game failed: visible"))
        both.store.answering.set()
        await both.one.seconds(1)
        assert both.copy.over is None
        assert both.store._rooms[both.room.id].status is Status.LIVE
        await both.stop()

    virtually(scenario())


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (NoSuchRoom("abcdefgh"), State.CLOSED),
        (StoreCorrupt("torn"), State.UNREADABLE),
        (Fenced("abcdefgh", 1, 2), State.STALE),
    ],
)
def test_what_a_refused_write_means_while_the_last_state_is_written(
    error: StoreError, state: State
) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")

        async def set_status(*_: object) -> None:
            raise error

        rig.store.set_status = set_status  # type: ignore[method-assign, assignment]
        reached = _reached(room)
        room.on(Event.FINISHED)
        await rig.seconds(0.1)
        assert reached[:2] == [State.CLOSING, state]
        assert watcher.end is not None
        await rig.stop()

    virtually(scenario())


def test_an_append_that_is_answered_after_the_room_was_lost_changes_nothing() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, _ = await rig.room("Ada")
        late = Append(room.id, room.epoch - 1, room.match.tick, b"")
        state = room.life.state
        for outcome in (None, Fenced(room.id, 1, 2), StoreCorrupt("torn")):
            room.answered(late, outcome)
        assert room.life.state is state
        room.obey("edge", SeatRequest(nonce("Bob"), "Bob"))
        await rig.ticks(room, 2)
        assert [row.name for row in room.match.players] == ["Ada", "Bob"]
        await rig.stop()

    virtually(scenario())


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "answer lost"])
def test_a_room_that_an_emptied_store_has_lost_is_written_anew_and_goes_on(lost: bool) -> None:
    async def scenario() -> None:
        both = await two()
        edge = Watcher(both.room, both.store)
        ada = player(both.room, "Ada")
        post(both.room, "Ada", 1, 2)
        await both.one.seconds(0.2)
        tick, epoch, x = both.room.match.tick, both.room.epoch, ada.score
        recreate = both.store.recreate
        if lost:

            async def unanswered(*words: Any) -> int:
                both.store.recreate = recreate  # type: ignore[method-assign]
                await recreate(*words)
                raise StoreUnavailable("it was done, and the answer is lost")

            both.store.recreate = unanswered  # type: ignore[method-assign, assignment]
        both.store._rooms.clear()
        await both.one.seconds(2)
        both.goes_on()
        assert edge.end is None
        assert both.room.epoch > epoch
        assert both.room.match.tick > tick + 20
        if not lost:
            assert edge.ticks == list(range(edge.ticks[0], both.room.match.tick + 1))
        assert player(both.room, "Ada").score == x
        # What is there now is enough to go on from.
        await both.one.kill()
        await both.two.kill()
        heir = await both.one.beside(3)
        await heir.seconds(5)
        assert [one.id for one in heir.owned()] == [both.room.id]
        await heir.stop()

    virtually(scenario())


def test_a_room_that_was_closed_is_not_written_anew() -> None:
    """The control: the store knows of it."""

    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        await rig.store.set_status(room.id, room.epoch, Status.CLOSED)
        await rig.seconds(0.5)
        assert watcher.end == (CloseCode.ROOM_CLOSED, "the room is over")
        assert rig.host.rooms() == []
        assert rig.store._rooms[room.id].status is Status.CLOSED
        await rig.stop()

    virtually(scenario())


def test_a_room_that_runs_ahead_does_its_failed_tick_again_once() -> None:
    async def scenario() -> None:
        rig = await Rig({"yard": Ahead()}).start()
        room = await rig.enter("Ada")
        await rig.ticks(room, 3)
        rig.present(room, {row.id for row in room.match.players})
        post(room, "Ada", 1, 1, trap=1)
        while room.life.state is not State.RETRYING:  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(0.001)
        # The store is slow to answer for the tick that is done again.
        rig.store.answering.clear()
        await rig.seconds(1)
        post(room, "Ada", 2, 2)
        rig.store.answering.set()
        await rig.seconds(1)
        ada = player(room, "Ada")
        assert room.life.state.value == State.RUNNING
        assert (ada.input_seq, ada.inputs_applied, ada.inputs_skipped) == (2, 1, 0)
        await rig.stop()

    virtually(scenario())


def test_a_store_client_that_fails_ends_the_rooms_of_its_batch_and_no_group() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada", private=True)
        append = rig.store.append

        async def broken(batch: Any) -> Any:
            rig.store.append = append  # type: ignore[method-assign]
            raise ZeroDivisionError("a bug of ours")

        rig.store.append = broken  # type: ignore[method-assign]
        await rig.seconds(0.2)
        assert watcher.end == (CloseCode.UNAVAILABLE, "the room's journal is damaged")
        again, _ = await rig.room("Bob", private=True)
        await rig.ticks(again, 20)
        await rig.seconds(3)
        assert room.id in {one.id for one in rig.owned()}, "it goes on from its journal"
        await rig.stop()

    virtually(scenario())
