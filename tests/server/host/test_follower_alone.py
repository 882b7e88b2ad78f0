"""A copy whose owner is played by hand: what it shows, reads and asks, in which order."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from server.app import seeded_chance
from server.core.journal import encode_checkpoint, encode_record
from server.core.lifecycle import State
from server.core.lobby import RoomMeta
from server.core.metrics import Metrics
from server.core.ports import Publication
from server.core.post import Asked, Present, Request, Resumed, decode_letter
from server.core.room import Room, SeatRequest
from server.host.clock import LoopClock
from server.host.context import Context
from server.host.failure_detector import SILENCE_JITTER_S, SILENCE_LEAST_S
from server.host.follower import RoomFollower
from server.host.journal_writer import JournalWriter
from server.host.room_handle import RoomHandle
from server.host.seat_bots import MakeBrain
from server.host.tick_group import TickGroups
from server.store.base import Append, NoSuchRoom, Record, Tail
from server.store.exchange import Gap, NewEpoch, News, Released
from server.store.memory_exchange import MemoryExchange
from shared.errors import CloseCode
from shared.match import Match
from shared.messages import Status
from tests.server.core.yard import NOT_YOU, Yard, item, nonce
from tests.server.host.rig import LOG, MoodyStore, make_pusher
from tests.shared.reference import whole
from tests.simulation.loop import virtually

ROOM = "abcdefgh"
GAME = Yard()
META = RoomMeta("yard", tuple(GAME.options().to_wire()), 7, 0, False, 0, GAME.version)
PERIOD_S = 1 / GAME.tick_rate


class SlowStore(MoodyStore):
    """Answers who reads the journal when it is let, and counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = asyncio.Event()
        self.reading.set()
        self.tails = 0

    async def tail(self, room: str, tick: int) -> Tail:
        self.tails += 1
        await self.reading.wait()
        return await super().tail(room, tick)


class Owner:
    """Who runs the room elsewhere: each tick is committed, and told unless it gets lost."""

    def __init__(self, store: SlowStore, exchange: MemoryExchange) -> None:
        self.store = store
        self.exchange = exchange
        self.room = Room(ROOM, Match(GAME, GAME.options(), META.seed), 0)
        self.asked: list[tuple[str, list[Request]]] = []

    @property
    def match(self) -> Match:
        return self.room.match

    async def begin(self) -> None:
        await self.store.create(ROOM, META.encode())
        await self.own("owner")
        await self.exchange.listen(ROOM, lambda letter: self.asked.append(decode(letter)))

    async def own(self, name: str) -> None:
        self.room.epoch = (await self.store.acquire(ROOM, name)).epoch

    async def ticks(self, count: int = 1, *, told: bool = True) -> list[Record]:
        """Step and commit so many ticks; the records."""
        records: list[Record] = []
        for _ in range(count):
            step = self.room.step()
            blob = encode_record(step.commit, step.refused)
            tick = step.commit.tick
            [outcome] = await self.store.append([Append(ROOM, self.room.epoch, tick, blob)])
            assert outcome is None
            records.append(Record(self.room.epoch, tick, blob))
            if told:
                self.tell(records[-1])
                await asyncio.sleep(0)
        return records

    def tell(self, news: News) -> None:
        self.exchange.tell([(ROOM, news)])

    async def play(self, seconds: float, *, told: bool = True) -> None:
        """Run the room at its rate."""
        for _ in range(round(seconds / PERIOD_S)):
            await self.ticks(told=told)
            await asyncio.sleep(PERIOD_S)


def decode(letter: bytes) -> tuple[str, list[Request]]:
    return decode_letter(letter, GAME)


class Scene:
    """A mirror of an owner's room, and what it says to its follower and to its process."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.store = SlowStore()
        self.exchange = MemoryExchange(loop.time)
        self.owner = Owner(self.store, self.exchange)
        self.metrics = Metrics()
        self.takes = True
        self.won: list[tuple[int, float]] = []
        self.publications: list[Publication] = []
        self.changes: list[tuple[int, Status]] = []
        self.end: tuple[CloseCode, str] | None = None
        clock = LoopClock(loop.time, loop.time)
        chance, rng, tell = seeded_chance(1), Random(1), self.exchange.tell
        writer = JournalWriter(self.store, clock, self.metrics, LOG, lambda rooms, away: None, tell)
        self.groups = TickGroups(clock, writer, self.metrics, loop.create_task)
        context = Context("here", self.store, self.exchange, clock, chance, rng, self.metrics, LOG)
        self.room = RoomHandle(ROOM, META, GAME, context, self)
        self.outbox = self.room.outbox
        self.room.follow(self)

    async def start(self, ticks: int = 3) -> Scene:
        """Follow a room that has run for a few ticks."""
        await self.store.open()
        await self.owner.begin()
        await self.owner.ticks(ticks)
        await self.room.open()
        self.store.tails = 0
        return self

    @property
    def follower(self) -> RoomFollower:
        assert self.room.follower is not None
        return self.room.follower

    def may_take(self) -> bool:
        return self.takes

    def brain_of(self, game: str) -> MakeBrain:
        return make_pusher

    def owns(self, room: RoomHandle) -> None:
        self.won.append((room.epoch, asyncio.get_running_loop().time()))

    def lost(self, room: RoomHandle) -> None:
        raise AssertionError("nobody else takes it")

    def forget(self, room: RoomHandle) -> None:
        """There is no host that holds it."""

    def has_neighbours(self, room: RoomHandle) -> bool:
        return False

    def too_slow(self, room: RoomHandle) -> None:
        raise AssertionError("it is alone")

    def move(self, room: RoomHandle, to: str) -> None:
        raise AssertionError("nobody asks for it")

    @property
    def ticks(self) -> list[int]:
        return [one.commit.tick for one in self.publications]

    def published(self, publication: Publication) -> None:
        assert self.room.match.tick == publication.commit.tick
        self.publications.append(publication)

    def changed(self, status: Status) -> None:
        self.changes.append((self.room.epoch, status))

    def ended(self, code: CloseCode, reason: str) -> None:
        assert self.end is None, "told once"
        self.end = (code, reason)

    async def turns(self, seconds: float = 0.001) -> None:
        """Let what was told arrive."""
        await asyncio.sleep(seconds)

    def whole(self) -> bool:
        """Whether the copy is the owner's rows."""
        return whole(self.follower.match) == whole(self.owner.match)

    async def stop(self) -> None:
        self.groups.stop()
        await self.room.close()


def test_each_tick_is_shown_as_it_is_told() -> None:
    async def scenario() -> None:
        scene = await Scene().start()
        assert (scene.follower.match.tick, scene.follower.epoch) == (3, scene.owner.room.epoch)
        assert scene.whole()
        scene.owner.room.join(SeatRequest(nonce("Ada"), "Ada"))
        scene.owner.room.join(SeatRequest(nonce("unwelcome"), "unwelcome"))
        await scene.owner.ticks(3)
        await scene.turns()
        assert scene.ticks == [4, 5, 6]
        assert scene.whole()
        assert scene.publications[0].refused == {nonce("unwelcome"): NOT_YOU}
        assert scene.follower.holds(nonce("Ada"))
        assert not scene.follower.holds(nonce("Bob"))
        assert (scene.follower.free_seats, scene.follower.census.players) == (3, 1)
        assert (scene.follower.settled, scene.follower.finished) == (True, False)
        [ada] = [player.id for player in scene.follower.match.players]
        scene.owner.room.leave(ada)
        await scene.owner.ticks()
        await scene.turns()
        assert scene.publications[-1].left == (ada,)
        assert scene.store.tails == 0, "nothing was read but what was told"
        await scene.stop()

    virtually(scenario())


@pytest.mark.parametrize("hint", ["the next tick", "a gap", "a new epoch", "a release"])
def test_what_was_not_heard_is_read_and_shown_in_order(hint: str) -> None:
    async def scenario() -> None:
        scene = await Scene().start()
        owner = scene.owner
        await owner.ticks(4, told=False)
        await scene.turns()
        assert scene.ticks == []
        match hint:
            case "the next tick":
                await owner.ticks(1)
            case "a gap":
                [hear] = [one._hear for one in scene.exchange._followers[ROOM]]
                assert hear is not None
                hear(Gap())
            case "a new epoch":
                await owner.own("another")
                owner.tell(NewEpoch(owner.room.epoch, owner.match.tick, "another"))
            case _:
                owner.tell(Released(owner.room.epoch, owner.match.tick, 0, "another"))
        await scene.turns()
        assert scene.ticks == list(range(4, owner.match.tick + 1))
        assert scene.whole()
        assert scene.follower.epoch == owner.room.epoch
        assert scene.store.tails == 1
        await scene.stop()

    virtually(scenario())


def test_what_is_told_while_the_journal_is_read_waits_its_turn() -> None:
    async def scenario() -> None:
        scene = await Scene().start()
        scene.store.reading.clear()
        await scene.owner.ticks(1, told=False)
        await scene.owner.ticks(3)
        await scene.turns()
        assert scene.ticks == []
        scene.store.reading.set()
        await scene.turns()
        assert scene.ticks == [4, 5, 6, 7], "each once, in order"
        assert scene.store.tails == 1
        await scene.owner.ticks(2)
        await scene.turns()
        assert scene.ticks == [4, 5, 6, 7, 8, 9]
        await scene.stop()

    virtually(scenario())


def test_a_copy_too_old_for_the_journal_begins_again_from_a_checkpoint() -> None:
    async def scenario() -> None:
        scene = await Scene().start()
        owner = scene.owner
        await owner.ticks(4, told=False)
        kept = scene.store._rooms[ROOM]
        blob = encode_checkpoint(owner.match)
        for _ in range(2):
            await owner.ticks(1, told=False)
        for _ in range(2):
            await scene.store.checkpoint(ROOM, owner.room.epoch, 7, blob)
        kept.records = {tick: one for tick, one in kept.records.items() if tick > 7}
        await owner.ticks(1)
        await scene.turns()
        assert scene.follower.match.tick == 10
        assert scene.whole()
        await owner.ticks(2)
        await scene.turns()
        assert scene.ticks[-2:] == [11, 12]
        assert scene.whole()
        await scene.stop()

    virtually(scenario())


def test_a_new_owner_is_told_of_and_asked_for_all_that_is_open() -> None:
    async def scenario() -> None:
        scene = await Scene().start()
        owner = scene.owner
        await scene.turns()
        scene.outbox.join(SeatRequest(nonce("Ada"), "Ada"))
        scene.outbox.submit(7, [item(GAME, 1, 1)])
        scene.outbox.report({7}, 2)
        scene.follower.post_soon()
        scene.follower.post_soon()
        await scene.turns()
        asked: list[Request] = [
            SeatRequest(nonce("Ada"), "Ada"),
            Asked(7, (item(GAME, 1, 1),)),
            Present(frozenset({7}), 2),
        ]
        assert owner.asked[-1] == ("here", asked), "in one letter"
        owner.asked.clear()
        await owner.own("another")
        owner.tell(NewEpoch(owner.room.epoch, 3, "another"))
        await scene.turns()
        assert scene.changes == [(owner.room.epoch, Status.LIVE)]
        asked.insert(1, Resumed(7, 0, 1))
        assert owner.asked == [("here", asked)]
        await scene.stop()

    virtually(scenario())


def test_an_owner_that_falls_silent_is_followed_by_who_has_all_it_did() -> None:
    async def scenario() -> None:
        scene = await Scene().start()
        await scene.owner.play(1)
        assert scene.won == [], "while it speaks it is let alone"
        heard_s = asyncio.get_running_loop().time() - PERIOD_S
        await scene.turns(1)
        [(epoch, at_s)] = scene.won
        assert epoch > scene.owner.room.epoch
        assert SILENCE_LEAST_S <= at_s - heard_s <= SILENCE_LEAST_S + SILENCE_JITTER_S + 0.001
        assert scene.room._inbox is not None, "letters are heard from before it is the owner"
        assert scene.metrics.counters["takeovers_total"] == 1
        assert scene.metrics.counters["silences_total"] == 1
        await scene.stop()

    virtually(scenario())


def test_a_room_whose_journal_cannot_be_read_is_not_opened() -> None:
    async def scenario() -> None:
        scene = Scene()
        await scene.store.open()
        with pytest.raises(NoSuchRoom):
            await scene.room.open()
        assert scene.room.life.state is State.CLOSED
        assert ROOM not in scene.exchange._followers

    virtually(scenario())


def test_who_holds_a_tick_that_is_not_heard_here_is_ahead_of_this_copy() -> None:
    async def scenario() -> None:
        scene = await Scene().start()
        epoch = scene.owner.room.epoch
        assert not scene.follower.behind(epoch, 3)
        assert scene.follower.behind(epoch, 4)
        await scene.owner.own("another")
        await scene.owner.ticks(2)
        await scene.turns()
        assert scene.follower.diverged(epoch, 4), "the next owner had a tick 4 of its own"
        assert not scene.follower.behind(epoch, 9)
        assert not scene.follower.diverged(epoch, 3)
        assert scene.follower.behind(scene.owner.room.epoch, 6)
        await scene.stop()

    virtually(scenario())
