"""What a room's state has under way: reading back, a release, the last writes, falling asleep.

All of it runs beside the ticks and tells the room's handle by an event what came of it. It belongs
to the state that began it, and is cancelled when that state is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from server.core.journal import encode_checkpoint
from server.core.lifecycle import Event, State
from server.core.lobby import RoomMeta
from server.core.versions import LeftAlone
from server.host.context import Context
from server.host.follower import RECOVERIES_MAX, Copy, Ending, Followed, RoomFollower, Won
from server.host.owner import RoomOwner
from server.host.room_store import RELOAD_S, RoomStore
from server.store.base import (
    Checkpoint,
    Fenced,
    Held,
    NoSuchRoom,
    RoomExists,
    StoreUnavailable,
    Tail,
    Taken,
)
from server.store.base import Status as StoredStatus
from server.store.exchange import Ended, NewEpoch, News, Released, Slept
from shared.errors import CloseCode, StoreError

T = TypeVar("T")

# A handover that takes longer keeps players waiting: the room goes on where it is.
HANDOVER_S = 2.0
FAILED_AGAIN = "the room failed again and again; it is kept aside"
STORED: Mapping[State, StoredStatus] = {
    State.CLOSING: StoredStatus.CLOSED,
    State.FAILING: StoredStatus.QUARANTINED,
}
"""What the store is told of a room whose last writes are under way."""


@dataclass(frozen=True, slots=True)
class Handed:
    """A room that was released: how it is followed, and what is told of it."""

    follower: RoomFollower
    released: Released


class Working(Followed, Protocol):
    """What work knows of the room it is done for: its handle."""

    @property
    def meta(self) -> RoomMeta: ...
    @property
    def store(self) -> RoomStore: ...
    @property
    def over(self) -> Ending | None: ...
    @property
    def owned(self) -> RoomOwner | None: ...
    @property
    def rows(self) -> RoomOwner | RoomFollower: ...
    @property
    def due_s(self) -> float:
        """When the next tick of a room that left its group would have been due."""
        ...

    def must_own(self) -> RoomOwner:
        """The owner of a room that is owned here."""
        ...

    async def settle(self) -> bool:
        """Wait until the store has answered for every tick; whether it is owned here still."""
        ...

    async def checkpoint(self, *, last: bool = False) -> None:
        """Write down all rows, where they are whole; the `last` time also soon after another."""

    def refused(self, outcome: StoreError) -> None:
        """The store would not have a write."""

    def tell(self, news: News) -> None:
        """Tell other processes."""

    def changed(self) -> None:
        """Tell edges that status, speed or epoch changed."""

    def announce_again(self) -> None:
        """What the directory knows of the room is out of date."""

    def give_sign_of_life(self) -> None:
        """Tell followers that the room's owner lives."""

    def say_that_it_stands(self) -> None:
        """Say in the log that the room waits for its author."""


class RoomWork:
    """The work of one room's states."""

    def __init__(self, room: Working, context: Context) -> None:
        self._room = room
        self._context = context
        self._log = context.log

    async def reading_back(self, failure: Ending | None) -> None:
        """The committed rows again, after a tick was broken off; without a failure, by memory."""
        try:
            if failure is None:
                await self._context.clock.sleep(RELOAD_S)
            # What was shown must be in what is read back.
            await self._room.settle()
            loaded = await self._room.store.load_again()
            # Rules were checked when the room was taken; they are not checked again.
            match = self._room.store.restored(loaded, development=True)
        except NoSuchRoom:
            self._room.on(Event.NO_SUCH_ROOM)
        except StoreError as error:
            self._context.metrics.count("rooms_failed_total")
            self._log.error(
                "room %s: its rows cannot be read back, it ends: %s", self._room.id, error
            )
            self._room.on(
                Event.FAILED, failure or Ending(CloseCode.GAME_FAILED, "the server failed")
            )
        else:
            owner = self._room.must_own()
            owner.recover(match)
            if failure is None:
                owner.put_back()
                self._room.on(Event.PUT_BACK)
            elif self._context.development:
                self._room.say_that_it_stands()
                self._room.on(Event.STOPPED_BY_GAME)
            else:
                self._room.on(Event.RESTORED)

    async def handing_over(self, to: str) -> None:
        """Follow the room, then release it: news of the successor must not be missed."""
        owner, clock = self._room.must_own(), self._context.clock
        epoch, tick = owner.epoch, owner.match.tick
        follower = RoomFollower(self._room, self._room.store, self._context)
        follower.have(Copy(owner.match, epoch, (), owner.starts))
        try:
            async with asyncio.timeout(HANDOVER_S):
                await follower.subscribe()
        except (StoreError, TimeoutError) as error:
            follower.stop()
            self._log.warning("room %s is not handed over: %r", self._room.id, error)
            self._room.on(Event.SUBSCRIBE_FAILED)
            return
        except BaseException:
            follower.stop()
            raise
        try:
            async with asyncio.timeout(HANDOVER_S):
                await self._room.store.release(epoch)
        except (Fenced, NoSuchRoom) as error:
            follower.stop()
            self._room.refused(error)
        except (StoreError, TimeoutError) as error:
            self._log.warning("room %s: its release was not answered: %s", self._room.id, error)
            self._room.on(Event.NO_ANSWER, follower)
        except BaseException:
            follower.stop()
            raise
        else:
            due_ms = int(max(0.0, self._room.due_s - clock.now()) * 1000)
            self._room.on(Event.RELEASED, Handed(follower, Released(epoch, tick, due_ms, to)))

    async def writing_anew(self) -> None:
        """Write the room anew into an emptied store; no client was shown a later tick."""
        owner, name = self._room.must_own(), self._context.name
        checkpoint = Checkpoint(owner.epoch, owner.match.tick, encode_checkpoint(owner.match))
        store, meta = self._context.store, self._room.meta.encode()
        try:
            epoch = await self._surely(
                lambda: store.recreate(self._room.id, meta, name, checkpoint)
            )
        except RoomExists:
            # Closed, or written anew by another process, or by a call whose answer was lost.
            self._room.on(Event.KNOWN)
            return
        except StoreError as error:
            self._room.refused(error)
            return
        self._log.warning("room %s: the store had lost it; it is written anew", self._room.id)
        owner.written_anew(epoch)
        self._room.store.owned_from(owner.match.tick, owner.match.tick)
        self._room.announce_again()
        self._room.tell(NewEpoch(epoch, owner.match.tick, name))
        self._room.on(Event.WRITTEN_ANEW)
        if owner.shows:
            self._room.on(Event.COMMITTED)
        self._room.changed()

    async def following_again(self) -> None:
        """Another process owns the room: drop the ticks that the store refused, and follow."""
        while True:
            follower = RoomFollower(self._room, self._room.store, self._context)
            try:
                await follower.subscribe()
                status = (await follower.load()).status
            except StoreUnavailable as error:
                follower.stop()
                self._log.warning("room %s waits for the store: %s", self._room.id, error)
                self._room.on(Event.NO_ANSWER)
                await self._context.clock.sleep(RELOAD_S)
            except StoreError as error:
                follower.stop()
                if not isinstance(error, NoSuchRoom):
                    self._log.error("room %s cannot be followed: %s", self._room.id, error)
                self._room.on(event_of(error))
                return
            except BaseException:
                follower.stop()
                raise
            else:
                self._room.on(Event.FOLLOWS, follower)
                follower.rests(status)
                return

    async def writing_last(self, state: State) -> None:
        """What the store is to know of a room that is not stepped any more."""
        if not await self._room.settle():
            return
        owner = self._room.must_own()
        try:
            if state is State.LEAVING:
                await self._room.checkpoint()
                await self._room.store.release(owner.epoch)
            else:
                reason = self._room.over.reason if self._room.over is not None else ""
                await self._room.store.set_status(owner.epoch, STORED[state], reason)
        except StoreError as error:
            self._room.refused(error)
            return
        if state in (State.CLOSING, State.FAILING) and self._room.over is not None:
            self._room.tell(Ended(owner.epoch, self._room.over.code, self._room.over.reason))
        self._room.on(Event.WRITTEN)

    async def giving_signs_of_life(self, state: State) -> None:
        """Tell followers that the owner lives while it waits for the store outside its ticks."""
        while self._room.life.state is state:
            self._room.give_sign_of_life()
            await self._context.clock.sleep(1 / self._room.game.tick_rate)

    async def falling_asleep(self) -> None:
        """Checkpoint, sleep and release an empty room, unless a player joins meanwhile."""
        if not await self._room.settle():
            return
        owner = self._room.must_own()
        try:
            # A sleeping room is kept as its last checkpoint alone.
            await self._room.checkpoint(last=True)
            # A join that arrives during a write keeps the room awake: it is looked for after each.
            if await self._sleeps_on(owner.epoch):
                self._room.on(Event.WANTED)
                return
            await self._room.store.release_surely(owner.epoch)
        except StoreError as error:
            self._room.refused(error)
            return
        self._room.tell(Slept(owner.epoch, owner.match.tick))
        self._room.on(Event.WANTED_ASLEEP if self._room.wanted else Event.WRITTEN)

    async def _sleeps_on(self, epoch: int) -> bool:
        """Say that the room sleeps; whether somebody came meanwhile, and it is said to be live."""
        if self._room.wanted:
            return True
        await self._room.store.set_status(epoch, StoredStatus.ASLEEP)
        if self._room.wanted:
            await self._room.store.set_status(epoch, StoredStatus.LIVE)
            return True
        return False

    async def waking(self, held: Held) -> None:
        """Take a room again that fell asleep a moment ago, from the rows that are here."""
        try:
            inbox = await self._surely(
                lambda: self._context.exchange.listen(self._room.id, self._room.receive)
            )
        except StoreError as error:
            self._room.on(event_of(error))
            return
        try:
            answer = await self._surely(lambda: self._ask_again(held))
            if isinstance(answer, Taken) and answer.recoveries < RECOVERIES_MAX:
                await self._room.store.set_status(answer.epoch, StoredStatus.LIVE)
        except BaseException as error:
            inbox.cancel()
            if not isinstance(error, StoreError):
                raise
            self._room.on(Event.FENCED if isinstance(error, Fenced) else event_of(error))
            return
        if isinstance(answer, Taken) and answer.recoveries < RECOVERIES_MAX:
            port = self._room.rows
            self._room.on(Event.TAKEN, Won(port.match, answer.epoch, inbox, None, port.starts))
            return
        inbox.cancel()
        self._room.on(Event.HOPELESS if isinstance(answer, Taken) else Event.NOT_TAKEN, answer)

    async def _ask_again(self, held: Held) -> Taken | Tail:
        """Ask for the room; where the store names this process already, an answer was lost."""
        answer = await self._room.store.take_over(held)
        if isinstance(answer, Tail) and (answer.owner, answer.tick) == (
            self._context.name,
            held.tick,
        ):
            answer = await self._room.store.take_over(replace(held, epoch=answer.epoch))
        return answer

    async def _surely(self, call: Callable[[], Awaitable[T]]) -> T:
        """What a call comes to once the store answers."""
        while True:
            try:
                return await call()
            except StoreUnavailable as error:
                self._log.warning("room %s waits for the store: %s", self._room.id, error)
                self._room.on(Event.NO_ANSWER)
                await self._context.clock.sleep(RELOAD_S)

    async def reading_status(self, owner: RoomOwner) -> None:
        """What the store says of a room that was taken from a silent owner: it may be asleep."""
        try:
            status = await self._room.store.status()
        except StoreError:
            # The owner's next write is refused for the same reason.
            return
        if self._room.owned is not owner or not self._room.life.steps:
            return
        if status is StoredStatus.QUARANTINED:
            self._room.on(Event.QUARANTINE_HEARD)
        elif status is StoredStatus.ASLEEP and not self._room.wanted:
            self._room.on(Event.EMPTY)
        elif status is StoredStatus.ASLEEP:
            try:
                await self._room.store.set_status(owner.epoch, StoredStatus.LIVE)
            except StoreError as error:
                self._log.warning("room %s: %s", self._room.id, error)

    async def writing_quarantine(self, epoch: int) -> None:
        try:
            await self._room.store.set_status(epoch, StoredStatus.QUARANTINED)
            self._room.tell(Ended(epoch, CloseCode.GAME_FAILED, FAILED_AGAIN))
        except StoreError as error:
            self._log.error("room %s: %s", self._room.id, error)


def event_of(error: BaseException) -> Event:
    """What it means to a room that is read, that the store answered with this."""
    match error:
        case NoSuchRoom():
            return Event.NO_SUCH_ROOM
        case LeftAlone():
            return Event.INCOMPATIBLE
        case StoreUnavailable():
            return Event.NO_ANSWER
        case StoreError():
            return Event.DAMAGED
        case _:
            return Event.PROCESS_ENDS
