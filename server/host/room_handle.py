"""A room's handle: what edges and the host hold of a room, whoever owns it, through its whole life.

Whatever happens to the room is an event of its life (`server/core/lifecycle.py`); the actions that
the table answers with are carried out here, in one place. What an edge asks goes to the owner. What
is asked once (a seat, its end, a connection) is kept until the rows show it, so that it survives
the owner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from random import Random
from typing import Any, ClassVar, Protocol

from server.core.hooks import HookFailed, OutOfMemory, cut, with_place
from server.core.inbox import Item
from server.core.lifecycle import Action, Event, Life, State
from server.core.load import Load, Pace, Part
from server.core.lobby import RoomMeta
from server.core.outbox import Outbox
from server.core.ports import Census, Follower, Publication
from server.core.post import Failed, Move, Request, Resumed, decode_letter
from server.core.room import Room, SeatRequest, is_open
from server.host.context import Context
from server.host.follower import Ending, RoomFollower, Won
from server.host.lifespan import Expiry
from server.host.owner import RoomOwner
from server.host.room_store import RoomStore
from server.host.room_work import FAILED_AGAIN, Handed, RoomWork, event_of
from server.host.seat_bots import MakeBrain, SeatBots
from server.host.tick_group import TickGroups
from server.store.base import (
    Append,
    Fenced,
    Held,
    NoSuchRoom,
    Tail,
    Taken,
)
from server.store.exchange import NewEpoch, News, Paced, Subscription
from shared.errors import CloseCode, StoreError
from shared.game import Game
from shared.match import Match
from shared.messages import Status
from shared.rounding import RoundingWatch

# How often work beside the ticks looks whether the store has answered for the last of them.
SETTLE_S = 0.005

UNREADABLE = "the room cannot be read here; try again"
ENDINGS: Mapping[Event, Ending] = {
    Event.NO_SUCH_ROOM: Ending(CloseCode.ROOM_CLOSED, "the room is over"),
    Event.DAMAGED: Ending(CloseCode.UNAVAILABLE, UNREADABLE),
    Event.INCOMPATIBLE: Ending(CloseCode.UNAVAILABLE, UNREADABLE),
    Event.QUARANTINE_HEARD: Ending(CloseCode.GAME_FAILED, "the game failed"),
    Event.HOPELESS: Ending(CloseCode.GAME_FAILED, FAILED_AGAIN),
    # Whoever is in it here was not known of there: to come again wakes the room.
    Event.SLEEP_HEARD: Ending(CloseCode.UNAVAILABLE, "the room fell asleep; try again"),
    Event.EMPTY: Ending(CloseCode.ROOM_CLOSED, Expiry.EMPTY.value),
    Event.FINISHED: Ending(CloseCode.ROOM_CLOSED, Expiry.FINISHED.value),
    Event.WRITTEN: Ending(CloseCode.ROOM_CLOSED, Expiry.EMPTY.value),
    Event.CRASHED: Ending(CloseCode.UNAVAILABLE, "the server failed; try again"),
}
"""What those in a room are told, where the event does not bring it."""


class Keeper(Protocol):
    """The process that holds a handle."""

    @property
    def groups(self) -> TickGroups:
        """Where its rooms are stepped."""
        ...

    def may_take(self) -> bool:
        """Whether it takes rooms."""
        ...

    def brain_of(self, game: str) -> MakeBrain:
        """What makes the brains in seats of this game."""
        ...

    def owns(self, room: RoomHandle) -> None:
        """A room is owned here from now on."""

    def lost(self, room: RoomHandle) -> None:
        """Another process owns the room, or may."""

    def forget(self, room: RoomHandle) -> None:
        """A room's life is over here."""

    def has_neighbours(self, room: RoomHandle) -> bool:
        """Whether anybody else's ticks wait for this room's."""
        ...

    def too_slow(self, room: RoomHandle) -> None:
        """A room takes too much of the loop: where there is a process for such, it goes there."""

    def move(self, room: RoomHandle, to: str) -> None:
        """Hand a room over, to this process or ("") to any."""


class RoomHandle:
    """A `RoomPort`: one room, owned or followed here."""

    def __init__(
        self, room: str, meta: RoomMeta, game: Game, context: Context, keeper: Keeper
    ) -> None:
        self.id = room
        self.meta = meta
        self.game = game
        self.life = Life(context.observer)
        self.outbox = Outbox()
        self._shown = Status.LIVE
        # What those in it were told when it ended.
        self.over: Ending | None = None
        # Kept open when nobody is in it: one room of each standing kind is.
        self.pinned = False
        # Nonces whose seats were taken or refused since the directory was last told.
        self.seated: list[bytes] = []
        # The nonce of the JOIN it was made for, until the directory was told.
        self.made_for: list[bytes] = []
        # The part of its tick rate at which it is stepped.
        self._speed = 1.0
        self._pace = Pace(context.room_budget)
        self._spared = context.room_budget
        # What showing another process's ticks costs this one.
        self._following = Load(game.tick_rate)
        self._publish_seconds = context.metrics.histogram("publish_seconds")
        # Whether this process owned it when its life here ended, and so says so.
        self.was_owned = False
        self.unused_since_s = context.clock.now()
        self.store = RoomStore(room, meta, game, context)
        self._context = context
        self._log = context.log
        self._keeper = keeper
        self._edges: list[Follower] = []
        self._owner: RoomOwner | None = None
        self._follower: RoomFollower | None = None
        self._inbox: Subscription | None = None
        self._append: Append | None = None
        # Why the tick that is done again refuses what it consumed the first time.
        self._raised = ""
        # In development, why it stands still or will.
        self._fault = ""
        # When the next tick of a room that left its group would have been due.
        self.due_s = 0.0
        # What the room's state has under way; it is cancelled when the state is left.
        self._work: asyncio.Task[None] | None = None
        # In the order they began: a set of tasks has another order in each process.
        self._beside: dict[asyncio.Task[None], None] = {}

    # What the rows say, whoever owns them.

    @property
    def rows(self) -> RoomOwner | RoomFollower:
        port = self._owner or self._follower
        assert port is not None, f"a room that is {self.life.state} has no rows"
        return port

    @property
    def owned(self) -> RoomOwner | None:
        """The room itself, where this process owns it."""
        return self._owner if self.life.owned else None

    @property
    def follower(self) -> RoomFollower | None:
        """The copy, where another process owns it."""
        return self._follower

    @property
    def status(self) -> Status:
        """Whether it goes on, as edges were told."""
        return self._shown

    @property
    def speed(self) -> float:
        """The part of its tick rate at which it is stepped; less than 1 while it is too dear."""
        return self._speed

    @property
    def ending(self) -> bool:
        """Whether it is over, or its last writes are under way."""
        return self.life.ending

    @property
    def used(self) -> bool:
        """Whether an edge follows it."""
        return bool(self._edges)

    @property
    def wanted(self) -> bool:
        """Whether somebody here is in it, or waits to be."""
        present = self.outbox.present
        here = bool(present.players or present.spectators or self.outbox.nonces)
        return here or (self._owner is not None and self._owner.awaited)

    @property
    def match(self) -> Match:
        """Its rows; read them only when told of a publication, or when `settled`."""
        return self.rows.match

    @property
    def epoch(self) -> int:
        """The epoch of its owner."""
        return self.rows.epoch

    @property
    def free_seats(self) -> int:
        """Seats a human could take."""
        return self.rows.free_seats

    @property
    def development(self) -> bool:
        """Whether a room whose game fails stands still for its author."""
        return self._context.development

    @property
    def open_to_join(self) -> bool:
        """Whether the game takes new players."""
        return is_open(self.rows.match)

    @property
    def finished(self) -> bool:
        """Whether the match has a result, or the room is over."""
        return self.ending or self.rows.finished

    @property
    def census(self) -> Census:
        """The room in numbers."""
        return self.rows.census

    @property
    def load(self) -> float:
        """What its ticks cost this process, as a share of the time between them."""
        owner = self.owned
        return self._following.share if owner is None else owner.load.share

    @property
    def settled(self) -> bool:
        """Whether the match holds committed rows only."""
        return self.rows.settled

    @property
    def fault(self) -> str:
        """Why it stands still here, in development; "" while it does not."""
        return self._fault if self.life.state is State.STANDING and self.settled else ""

    @property
    def understood(self) -> bool:
        """Whether inputs and actions mean the same to the room's owner as here."""
        return self._follower is None or self._follower.match.origin.asks_alike

    def diverged(self, epoch: int, held: int) -> bool:
        """Whether somebody who holds this tick of this epoch holds what was never committed."""
        return self.rows.diverged(epoch, held)

    def behind(self, epoch: int, held: int) -> bool:
        """Whether somebody who holds this tick of this epoch knows more than this process does."""
        if self._follower is None:
            # What its owner did not commit was not committed. Who has met a newer owner knows what
            # this one will learn with its next append, if it may run ahead of that.
            return epoch > self.rows.epoch
        return self._follower.behind(epoch, held)

    def holds(self, nonce: bytes) -> bool:
        """Whether a seat was taken, or asked for here, with this nonce."""
        return nonce in self.outbox.nonces or self.rows.holds(nonce)

    # What edges ask.

    def follow(self, follower: Follower) -> None:
        """Tell this follower of every tick from now on."""
        self._edges.append(follower)

    def unfollow(self, follower: Follower) -> None:
        """Stop telling it."""
        if follower in self._edges:
            self._edges.remove(follower)
            self.unused_since_s = self._context.clock.now()

    def join(self, request: SeatRequest) -> None:
        """Ask for a seat at the next tick, which finds the one the nonce may have already."""
        self.outbox.join(request)
        self._ask_owner()

    def leave(self, player: int) -> None:
        """Give a seat up."""
        self.outbox.leave(player)
        self._ask_owner()

    def resume(self, player: int, connection: int, first_seq: int) -> None:
        """A session goes on on this connection (0: it stays), with no input before this seq."""
        self.outbox.resume(player, connection, first_seq)
        self._ask_owner()

    def present(self, players: set[int], spectators: int) -> None:
        """Whose connections are open here."""
        self.outbox.report(players, spectators)
        self._ask_owner()

    def fail(self, reason: str, place: str = "") -> None:
        """End the room: a hook the edge calls raised, at this place in the game's files."""
        self.outbox.fail(reason, place)
        self._ask_owner()

    def submit(self, player: int, items: Sequence[Item]) -> None:
        """Queue what a player asks for; while the room is owned here, nothing of it is kept."""
        owner = self.owned
        if owner is not None:
            if owner.runs_ahead and items:
                # What came before may have been acknowledged in ticks that never were: the edge
                # here lets no gap pass, so nothing before these is on its way.
                owner.obey(self._context.name, Resumed(player, 0, items[0].seq))
            owner.submit(player, items)
        else:
            self.outbox.submit(player, items)
            self._ask_owner()

    def receive(self, message: bytes) -> None:
        """A message to the room; only its owner answers it."""
        if self.owned is None:
            return
        try:
            sender, requests = decode_letter(message, self.game)
        except ValueError as error:
            self._log.warning("room %s: a letter cannot be read: %s", self.id, error)
            return
        for request in requests:
            self.obey(sender, request, lasting=False)

    def obey(self, sender: str, request: Request, *, lasting: bool = True) -> None:
        """Do what an edge or an operator asks of the owner; `lasting` where it is this process."""
        owner = self.owned
        if owner is None:
            return
        match request:
            case Failed(reason, place):
                self._failed_elsewhere(reason, place)
            case Move(to):
                # Asked again while it is on the way, or by name of who has it: nothing to do.
                if to != self._context.name:
                    self.on(Event.TOLD_TO_MOVE, to)
            case _:
                owner.obey(sender, request, lasting=lasting)

    def may_take(self) -> bool:
        """Whether this process takes rooms."""
        return self._keeper.may_take()

    # What happens to it.

    def on(self, event: Event, about: object = None) -> None:
        """Something happened to the room; `about` is what it brought. Does what the table says."""
        before = self.life.state
        actions = self.life.on(event)
        if self.life.state is not before:
            self._cancel_work()
            if not self.life.ending:
                self.over = None
            elif self.over is None:
                self.over = about if isinstance(about, Ending) else ENDINGS.get(event)
        for action in actions:
            self.ACTIONS[action](self, about)

    def crashed(self, error: BaseException) -> None:
        """A bug of ours ends the room it showed in, or this process's part in it; others go on."""
        what = "the server failed, the room ends" if self.life.owned else "following it failed"
        self._log.critical("room %s: %s", self.id, what, exc_info=error)
        if self.life.over:
            return
        about = None
        if self.life.owned:
            self._context.metrics.count("rooms_failed_total")
            about = Ending(CloseCode.GAME_FAILED, "the server failed")
        self.on(Event.CRASHED, about)

    def tick(self) -> Append | None:
        """The room's next tick is due: what to append, if there is anything."""
        self._append = None
        self._context.watch.marker.enter(self.id, self.meta.game, "step")
        due = self.life.state is not State.SLOWED or self._pace.due()
        try:
            self.on(Event.TICK_DUE if due else Event.TICK_PASSED)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this room alone.
            self.crashed(error)
        finally:
            self._context.watch.marker.leave()
        append, self._append = self._append, None
        return append

    def answered(self, append: Append, outcome: StoreError | None) -> None:
        """The store's answer for a tick; one that comes after the room was lost says nothing."""
        owner = self.owned
        if owner is None or owner.epoch != append.epoch:
            return
        self._context.watch.marker.enter(self.id, self.meta.game, "publish")
        try:
            if outcome is None:
                owner.committed_until(append.tick)
                self.on(Event.COMMITTED)
            elif not isinstance(outcome, NoSuchRoom):
                owner.refused()
                self.refused(outcome)
            elif self.life.state is not State.MISSING:
                self.refused(outcome)
        except Exception as error:  # noqa: BLE001 - as above.
            self.crashed(error)
        finally:
            self._context.watch.marker.leave()

    async def settle(self) -> bool:
        """Wait until the store has answered for every tick; whether it is owned here still."""
        while (owner := self.owned) is not None and owner.unanswered:
            await self._context.clock.sleep(SETTLE_S)
        return owner is not None

    async def open(self) -> None:
        """Follow the room from what the store has of it; the StoreError that prevents it passes."""
        follower = RoomFollower(self, self.store, self._context)
        try:
            await follower.subscribe()
            status = (await follower.load()).status
        except BaseException as error:
            follower.stop()
            self.on(event_of(error))
            raise
        self.on(Event.FOLLOWS, follower)
        follower.rests(status)

    @property
    def pending(self) -> list[asyncio.Task[None]]:
        """What is under way for it beside the ticks."""
        return [task for task in (self._work, *self._beside) if task is not None]

    async def close(self) -> None:
        """The process ends now: nothing more is done for this room here."""
        tasks = self.pending
        if not self.life.over:
            self.on(Event.PROCESS_ENDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # The actions of the table.

    def _own(self, about: object) -> None:
        assert isinstance(about, Won)
        if self._follower is not None:
            self._follower.stop()
            self._follower = None
        context, match = self._context, about.match
        if context.development:
            match.watch_rounding(RoundingWatch(self._log.warning))
        rng = Random(context.rng.getrandbits(128))
        bots = SeatBots(self._keeper.brain_of(self.meta.game), rng, self._log)
        room = Room(self.id, match, about.epoch, self.meta.bots)
        self._inbox = about.inbox
        self._owner = owner = RoomOwner(room, bots, context, about.starts)
        self.store.owned_from(match.tick, about.checkpoint)
        self._pace = Pace(context.room_budget)
        self._speed = 1.0
        self.tell(NewEpoch(about.epoch, match.tick, context.name))
        self._keeper.owns(self)
        self._keeper.groups.add(self, about.due_s)
        for request in self.outbox.everything():
            self.obey(context.name, request)
        self.changed()
        if self._keeper.groups.store_is_away and self.owned is owner:
            self.on(Event.STORE_AWAY)
        if not about.live:
            self._run_beside(self._works.reading_status(owner))

    def _follow(self, about: object) -> None:
        follower = about.follower if isinstance(about, Handed) else about
        assert isinstance(follower, RoomFollower)
        if self._follower is not None:
            self._follower.stop()
        moved = self._owner is not None or self._follower is not None
        self._owner, self._follower = None, follower
        self._shown = Status.LIVE
        self._speed = 1.0
        if moved:
            self.changed()
        follower.begin()

    def _step(self, about: object) -> None:
        owner = self.must_own()
        if owner.runs_ahead and not owner.may_run_ahead:
            self._context.metrics.count("ticks_held_total")
            self._show_status()
            return
        self._try_tick(owner, owner.step)

    def _step_without(self, about: object) -> None:
        owner = self.must_own()
        self._try_tick(owner, lambda: owner.step_without(self._raised))

    def _try_tick(self, owner: RoomOwner, step: Callable[[], Append]) -> None:
        try:
            self._append = step()
        except HookFailed as failure:
            self._game_raised(failure)
            return
        except OutOfMemory as error:
            self._log.error("room %s: %s; the tick is repeated", self.id, error)
            self.on(Event.OUT_OF_MEMORY)
            return
        if self.life.state is State.RETRYING:
            self.on(Event.RETRIED)
        if owner.runs_ahead:
            self._context.metrics.count("ticks_ahead_total")
            self._show_tick(owner)

    def _game_raised(self, failure: HookFailed) -> None:
        self._context.metrics.count("game_errors_total")
        self._log.error("room %s: %s", self.id, failure, exc_info=failure.__cause__)
        ending = Ending(CloseCode.GAME_FAILED, cut(failure.reason))
        if self.life.state is State.RETRYING:
            self._context.metrics.count("rooms_failed_total")
            self._log.error("room %s: failed again, it ends", self.id)
        elif self.must_own().fails_too_often() and not self._context.development:
            self._context.metrics.count("rooms_failed_total")
            self._log.error("room %s: failed in too many of its last ticks, it ends", self.id)
            self.on(Event.FAILED, ending)
            return
        self._raised = f"the game failed: {failure.reason}"
        self._fault = str(failure) if self._context.development else ""
        self.on(Event.GAME_RAISED, ending)

    def _give_sign_of_life(self, about: object) -> None:
        # Followers treat three silent ticks as the owner's death.
        owner = self.must_own()
        if self.life.state is State.SLOWED:
            self.tell(Paced(owner.epoch, round(1000 * self.speed)))
        else:
            self.tell(NewEpoch(owner.epoch, owner.committed, ""))

    def _publish(self, about: object) -> None:
        owner = self.must_own()
        if owner.runs_ahead:
            self._show_status()
        else:
            self._show_tick(owner)

    def _show_tick(self, owner: RoomOwner) -> None:
        """Let the tick that was stepped be seen, and see what becomes of the room after it."""
        clock, metrics = self._context.clock, self._context.metrics
        began = clock.stopwatch_s()
        publication = owner.publication()
        self.published(publication)
        publish_s = clock.stopwatch_s() - began
        metrics.count("ticks_total")
        self._publish_seconds.observe(publish_s)
        owner.load.spent(Part.VIEWS, publish_s)
        owner.load.ticked(self._pace.stretch if self.life.state is State.SLOWED else 1)
        self._weigh(owner)
        if owner.broken_view is not None and self._context.development:
            self._failed_elsewhere(*owner.broken_view)
        if self.store.is_checkpoint_due(publication.commit.tick) and self.owned is owner:
            self.on(Event.CHECKPOINT_DUE)
        if owner.may_end and self.life.steps and (why := owner.expired(pinned=self.pinned)):
            self.on(Event.EMPTY if why is Expiry.EMPTY else Event.FINISHED)

    def _weigh(self, owner: RoomOwner) -> None:
        """Slow a room down that takes more of the loop than those beside it can spare."""
        if (owner.load.share < self._spared and self._pace.stretch == 1) or not self.life.steps:
            return
        if self._pace.weigh(owner.load, neighbours=self._keeper.has_neighbours(self)):
            state = self.life.state
            if self._pace.stretch > 1 and state in (State.RUNNING, State.SLOWED):
                self.on(Event.OVER_BUDGET)
            elif state is State.SLOWED:
                self.on(Event.IN_BUDGET)

    def _tell_pace(self, about: object) -> None:
        owner, stretch = self.must_own(), self._pace.stretch
        if stretch > 1:
            self._log.warning(
                "room %s is over its budget and goes on at 1/%d of its pace: its load is %s",
                self.id,
                stretch,
                owner.load.told(),
            )
            self._keeper.too_slow(self)
        else:
            self._log.info("room %s goes on at its pace", self.id)
        self._show_pace(1 / stretch)
        self.tell(Paced(owner.epoch, round(1000 / stretch)))

    def _show_pace(self, about: object) -> None:
        assert isinstance(about, float)
        if about != self.speed:
            self._speed = about
            self.changed()

    def _checkpoint(self, about: object) -> None:
        work = self._checkpoint_now()
        if work is not None:
            self._run_beside(work)

    def _wake(self, about: object) -> None:
        port = self.rows
        held = self._follower.copy.held() if self._follower else Held(port.epoch, port.match.tick)
        self._begin(self._works.waking(held))

    def _show_status(self, about: object = None) -> None:
        status = self._status()
        if status is not self._shown:
            self._shown = status
            self.changed()

    def _read_back(self, about: object) -> None:
        assert about is None or isinstance(about, Ending)
        self._begin(self._works.reading_back(about))

    def _leave_group(self, about: object) -> None:
        self.due_s = self._context.clock.now() + self._keeper.groups.remove(self)

    def _rejoin_group(self, about: object) -> None:
        self._keeper.groups.add(self, self.due_s)
        if self._fault:
            # It stood still when it was to move, and what its failed tick took still waits.
            self.on(Event.STOPPED_BY_GAME)

    def _write_anew(self, about: object) -> None:
        self._begin(self._works.writing_anew())

    def _find_successor(self, about: object) -> None:
        assert isinstance(about, str)
        self._keeper.move(self, about)

    def _hand_over(self, about: object) -> None:
        assert isinstance(about, str)
        self._begin(self._works.handing_over(about))
        self._run_beside(self._works.giving_signs_of_life(self.life.state))

    def _tell_release(self, about: object) -> None:
        assert isinstance(about, Handed)
        self.tell(about.released)

    def _give_up_ownership(self, about: object) -> None:
        """What was asked of this owner and is in no committed tick is asked of the next one."""
        self._close_inbox()
        assert self._owner is not None
        for player, items in self._owner.unapplied().items():
            self.outbox.submit(player, items)
        self.announce_again()

    def _follow_again(self, about: object) -> None:
        self._begin(self._works.following_again())

    def _write_last(self, about: object) -> None:
        if self.over is not None:
            self._log.info("room %s ends: %s", self.id, self.over.reason)
        falls_asleep = self.life.state is State.FALLING_ASLEEP
        work = (
            self._works.falling_asleep()
            if falls_asleep
            else self._works.writing_last(self.life.state)
        )
        self._begin(work)
        self._run_beside(self._works.giving_signs_of_life(self.life.state))

    def _write_quarantine(self, about: object) -> None:
        assert isinstance(about, Taken)
        self._log.error("room %s is quarantined: it crashed %d times", self.id, about.recoveries)
        self._context.metrics.count("rooms_quarantined_total")
        self._run_beside(self._works.writing_quarantine(about.epoch))

    def _show(self, about: object) -> None:
        assert isinstance(about, Publication)
        clock = self._context.clock
        began = clock.stopwatch_s()
        self._context.watch.marker.enter(self.id, self.meta.game, "publish")
        try:
            self.published(about)
        finally:
            self._context.watch.marker.leave()
        self._following.spent(Part.VIEWS, clock.stopwatch_s() - began)
        self._following.ticked()

    def _enter_epoch(self, about: object) -> None:
        assert self._follower is not None
        self._follower.entered()
        self._shown = Status.LIVE
        self._speed = 1.0
        self.changed()

    def _read_tail(self, about: object) -> None:
        assert self._follower is not None
        self._begin(self._follower.read_tail())

    def _take_in(self, about: object) -> None:
        assert self._follower is not None
        assert isinstance(about, Tail)
        self._begin(self._follower.take_in(about))

    def _hear_waiting(self, about: object) -> None:
        assert self._follower is not None
        self._follower.hear_waiting()

    def _ask(self, about: object) -> None:
        assert self._follower is not None
        assert about is None or isinstance(about, float)
        self._begin(self._follower.ask(about))

    def _end(self, about: object) -> None:
        assert self.over is not None, f"{self.life.state} without a reason"
        for edge in list(self._edges):
            edge.ended(self.over.code, self.over.reason)

    def _forget(self, about: object) -> None:
        self._close_inbox()
        if self._follower is not None:
            self._follower.stop()
        self.was_owned = self._owner is not None
        self._keeper.forget(self)

    async def checkpoint(self, *, last: bool = False) -> None:
        """Write down all rows, where they are whole; the `last` time also soon after another."""
        work = self._checkpoint_now(last=last)
        if work is not None:
            await work

    def _checkpoint_now(self, *, last: bool = False) -> Coroutine[Any, Any, None] | None:
        """Read all rows, where they are whole, and return what writes them down."""
        owner = self.owned
        if owner is None or not owner.whole or not (owner.runs_ahead or owner.settled):
            return None
        return self.store.checkpoint(
            owner.match,
            owner.epoch,
            lambda: owner.committed,
            lambda: self.owned is not owner,
            last=last,
        )

    # What edges are told.

    def published(self, publication: Publication) -> None:
        """A tick is to be seen: settle what was asked, and let the edges see it."""
        for nonce in publication.refused:
            self.outbox.refused(nonce)
        if self.outbox.open:
            seated = self.outbox.settle(self.match) | publication.seated
            publication = publication._replace(seated=seated)
        if (publication.seated or publication.refused) and self.owned is not None:
            self.seated += [*publication.seated, *publication.refused]
        if self._shown is not Status.LIVE and self._follower is not None:
            self._show_status()
        for edge in list(self._edges):
            edge.published(publication)

    def changed(self) -> None:
        """The room's status or epoch changed."""
        for edge in list(self._edges):
            edge.changed(self.status)

    def _status(self) -> Status:
        """Whether the room goes on, as players see it."""
        owner = self.owned
        match self.life.state:
            case State.STANDING | State.OUT_OF_REACH:
                return Status.PAUSED
            case State.WAITING:
                ahead = owner is not None and owner.may_run_ahead
                return Status.UNCOMMITTED if ahead else Status.PAUSED
            case _:
                held = owner is not None and owner.runs_ahead and not owner.may_run_ahead
                return Status.PAUSED if held else Status.LIVE

    # Small things.

    @property
    def _works(self) -> RoomWork:
        # Made where it is used: a room that is over is not to keep itself alive.
        return RoomWork(self, self._context)

    def announce_again(self) -> None:
        """What the directory knows of the room is out of date."""
        self._keeper.lost(self)

    def give_sign_of_life(self) -> None:
        """Tell followers that the room's owner lives."""
        self._give_sign_of_life(None)

    def must_own(self) -> RoomOwner:
        assert self._owner is not None
        assert self.life.owned, self.life.state
        return self._owner

    def _failed_elsewhere(self, reason: str, place: str) -> None:
        """A hook that an edge or a brain's view calls raised."""
        if self._context.development:
            # The first reason counts.
            if not self._fault:
                self._fault = with_place(reason, place)
                self._log.error("room %s: %s", self.id, self._fault)
                self.say_that_it_stands()
                self.on(Event.STOPPED_BY_GAME)
        else:
            self.on(Event.FAILED, Ending(CloseCode.GAME_FAILED, cut(reason)))

    def say_that_it_stands(self) -> None:
        self._log.error(
            "room %s stands still after tick %d and goes on when the game's file is saved again",
            self.id,
            self.match.tick,
        )

    def refused(self, outcome: StoreError) -> None:
        """The store would not have a write: the room goes on elsewhere, or ends."""
        if isinstance(outcome, Fenced):
            self._log.warning("room %s: %s", self.id, outcome)
            self._context.metrics.count("fenced_total")
            self.on(Event.FENCED)
            return
        self._log.error("room %s: its write was refused: %s", self.id, outcome)
        if isinstance(outcome, NoSuchRoom):
            self.on(Event.NO_SUCH_ROOM)
        else:
            damaged = Ending(CloseCode.UNAVAILABLE, "the room's journal is damaged")
            self.on(Event.DAMAGED, damaged)

    def _ask_owner(self) -> None:
        if self.owned is not None:
            for request in self.outbox.take():
                self.obey(self._context.name, request)
        elif self._follower is not None:
            self._follower.post_soon()

    def tell(self, news: News) -> None:
        self._context.exchange.tell([(self.id, news)])

    def _close_inbox(self) -> None:
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            inbox.cancel()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Let the state's work run, beside the ticks."""
        self._work = asyncio.get_running_loop().create_task(work)
        self._work.add_done_callback(self._done)

    def _run_beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something run that the state does not wait for."""
        task = asyncio.get_running_loop().create_task(work)
        self._beside[task] = None
        task.add_done_callback(self._done)

    def _cancel_work(self) -> None:
        work, self._work = self._work, None
        if work is not None and work is not asyncio.current_task():
            work.cancel()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._beside.pop(task, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.crashed(error)

    ACTIONS: ClassVar[Mapping[Action, Callable[[Any, object], None]]] = {
        Action.OWN: _own,
        Action.FOLLOW: _follow,
        Action.STEP: _step,
        Action.STEP_WITHOUT: _step_without,
        Action.GIVE_SIGN_OF_LIFE: _give_sign_of_life,
        Action.PUBLISH: _publish,
        Action.CHECKPOINT: _checkpoint,
        Action.SHOW_STATUS: _show_status,
        Action.SHOW_PACE: _show_pace,
        Action.TELL_PACE: _tell_pace,
        Action.READ_BACK: _read_back,
        Action.LEAVE_GROUP: _leave_group,
        Action.REJOIN_GROUP: _rejoin_group,
        Action.FIND_SUCCESSOR: _find_successor,
        Action.HAND_OVER: _hand_over,
        Action.WAKE: _wake,
        Action.WRITE_ANEW: _write_anew,
        Action.TELL_RELEASE: _tell_release,
        Action.GIVE_UP_OWNERSHIP: _give_up_ownership,
        Action.FOLLOW_AGAIN: _follow_again,
        Action.WRITE_LAST: _write_last,
        Action.WRITE_QUARANTINE: _write_quarantine,
        Action.SHOW: _show,
        Action.ENTER_EPOCH: _enter_epoch,
        Action.READ_TAIL: _read_tail,
        Action.TAKE_IN: _take_in,
        Action.HEAR_WAITING: _hear_waiting,
        Action.ASK: _ask,
        Action.END: _end,
        Action.FORGET: _forget,
    }
    """What is done for each action of the table; it gets what the event brought."""
