"""A room's follower: its rows kept current by its owner's records, and its owner watched.

When nothing is heard of the owner for a while, the store is asked for the room. It gives it only if
what is held here is all there is: a slow owner loses nothing to an eager follower. Nobody needs to
be sure that the owner is dead, since from then on the store refuses its ticks.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Protocol, cast

from server.core.census import census_of, diverges
from server.core.journal import JournalDamaged, follow_record
from server.core.lifecycle import Event, Life, State
from server.core.lobby import RoomMeta
from server.core.outbox import Outbox
from server.core.ports import Census, Publication
from server.core.post import Request, encode_letter
from server.core.presence import REPORT_S
from server.core.room import is_open
from server.core.versions import LeftAlone, check_rules
from server.host.context import Context
from server.host.failure_detector import FailureDetector
from server.host.room_store import RELOAD_S, RoomStore, first_ticks
from server.store.base import Held, Loaded, NoSuchRoom, Record, StoreUnavailable, Tail
from server.store.base import Status as StoredStatus
from server.store.exchange import (
    BEAT_S,
    PROCESS_TTL_S,
    Ended,
    Gap,
    NewEpoch,
    News,
    Paced,
    Released,
    Slept,
    Subscription,
)
from shared.errors import CloseCode, StoreError
from shared.game import Game
from shared.limits import HISTORY_TICKS, INTEGER_MAX
from shared.match import PLAYER_TABLE, Match

RECENT_RECORDS = 64
"""Kept to bring back a journal's lost end: 3 s at 20 Hz; a store that syncs each second loses 2."""
STARTS_KEPT = 16
"""Owners that are remembered, for sessions that come back with what one of them said."""
RECOVERIES_MAX = 3
"""A room that crashed so many processes running is not given to a next one."""
# How often what does not show is asked again, and silence judged while something is under way.
REPEAT_S, BUSY_S = 0.25, 0.05
WAITING_NEWS_MAX = 256
"""News that wait while the journal is read; beyond these the journal is read once more."""


class Heard(Enum):
    """What a piece of news came to, where it was no tick to show."""

    OLD = "known, or of an owner who is no more"
    EPOCH = "a new owner goes on from here"
    BEHIND = "something was missed"


class Copy:
    """A match as of a committed tick, the epoch it is under, and its newest records.

    It takes only what fits: the next tick of its epoch, or a newer epoch that goes on from its
    tick. `starts` are the epochs known of and their first ticks, rising.
    """

    def __init__(
        self,
        match: Match,
        epoch: int,
        recent: Sequence[Record] = (),
        starts: Sequence[tuple[int, int]] = (),
    ) -> None:
        self.starts = list(starts)
        self.match = match
        self.epoch = epoch
        # How many owners in a row took the room and committed nothing: followers wait longer then.
        self.idle_epochs = 0
        # The owner's name, "" as long as none was heard.
        self.owner = ""
        self._left_alone: LeftAlone | None = None
        self._recent = deque(recent[-RECENT_RECORDS:], maxlen=RECENT_RECORDS)

    @property
    def tick(self) -> int:
        """The last tick taken in."""
        return self.match.tick

    def held(self) -> Held:
        """What this follower has, for taking over."""
        return Held(self.epoch, self.tick, tuple(self._recent))

    def take(self, news: Record | NewEpoch) -> Publication | Heard:
        """One piece of news: the tick it brought, or what it came to."""
        if news.epoch < self.epoch:
            return Heard.OLD
        if isinstance(news, NewEpoch):
            self.owner = news.owner or self.owner
            if news.epoch == self.epoch:
                return Heard.OLD
            if news.tick != self.tick:
                return Heard.BEHIND
            self._enter(news.epoch)
            return Heard.EPOCH
        if news.epoch == self.epoch and news.tick <= self.tick:
            return Heard.OLD
        if news.epoch > self.epoch or news.tick != self.tick + 1:
            return Heard.BEHIND
        return self._apply(news)

    def catch_up(self, tail: Tail) -> Iterator[Publication]:
        """Take in what was missed, tick by tick; `fits` says whether the copy is whole then.

        LeftAlone if the room went on by rules that this process may not take up.
        """
        if self._left_alone is not None:
            raise self._left_alone
        self.owner = tail.owner
        for record in tail.records:
            if record.tick == self.tick + 1 and record.epoch >= self.epoch:
                if record.epoch > self.epoch:
                    self._enter(record.epoch)
                yield self._apply(record)
        if self.fits(tail) and tail.epoch > self.epoch:
            self._enter(tail.epoch)

    def fits(self, tail: Tail) -> bool:
        """Whether this copy ends where the journal does."""
        return self.tick == tail.tick and self.epoch <= tail.epoch

    def _enter(self, epoch: int) -> None:
        self.epoch = epoch
        self.idle_epochs += 1

    def _apply(self, record: Record) -> Publication:
        try:
            commit, refused = follow_record(self.match, record.record)
            if commit.written is not None:
                check_rules(self.match, "")
        except LeftAlone as why:
            # The match is a tick ahead of what may be shown; nobody goes on with it.
            self._left_alone = why
            raise JournalDamaged(str(why)) from why
        except JournalDamaged:
            raise
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            # A whole record whose rows do not fit the game's: written by other rules.
            raise JournalDamaged(f"tick {record.tick} does not fit: {error}") from error
        self.idle_epochs = 0
        self._recent.append(record)
        if not self.starts or self.starts[-1][0] < record.epoch:
            self.starts.append((record.epoch, record.tick))
            del self.starts[:-STARTS_KEPT]
        gone = [n for c in self.match.history.newest if c.table == PLAYER_TABLE for n in c.gone]
        return Publication(commit, {}, refused, tuple(gone))


assert RECENT_RECORDS <= HISTORY_TICKS


class Ending(NamedTuple):
    """What everybody in a room is told when it is over for them."""

    code: CloseCode
    reason: str


@dataclass(frozen=True, slots=True)
class Won:
    """A room that the store gave to this process, with the committed rows.

    `due_s` is when its next tick is due (None: at once); `starts` are the epochs before and their
    first ticks; `checkpoint` is the tick of the store's newest (0: not known). A room taken over
    unread may be asleep or put aside by the store's word; `live` says that it is not.
    """

    match: Match
    epoch: int
    inbox: Subscription
    due_s: float | None = None
    starts: Sequence[tuple[int, int]] = field(default=())
    checkpoint: int = 0
    live: bool = True


class Followed(Protocol):
    """What a follower knows of the room it follows: its handle."""

    @property
    def id(self) -> str: ...
    @property
    def game(self) -> Game: ...
    @property
    def meta(self) -> RoomMeta: ...
    @property
    def life(self) -> Life: ...
    @property
    def outbox(self) -> Outbox: ...

    @property
    def wanted(self) -> bool:
        """Whether somebody here is in it, or waits to be."""
        ...

    def on(self, event: Event, about: object = None) -> None:
        """Something happened; what it brought."""

    def crashed(self, error: BaseException) -> None:
        """The server itself failed."""

    def receive(self, message: bytes) -> None:
        """A message to the room's owner."""

    def may_take(self) -> bool:
        """Whether this process takes rooms."""
        ...


class RoomFollower:
    """Hears of one room, and tells its handle what that came to."""

    def __init__(self, room: Followed, store: RoomStore, context: Context) -> None:
        # The handle holds its follower and waits for its work, so it is there while that runs; held
        # back, both would outlive the room until the collector looks.
        self._room = cast("Followed", weakref.proxy(room))
        self._store = store
        self._context = context
        self._clock = context.clock
        self._exchange = context.exchange
        self._copy: Copy | None = None
        self._news: Subscription | None = None
        self._inbox: Subscription | None = None
        self._waiting: deque[News | Gap] = deque()
        # The room that its owner was stuck in when it fell silent, as another machine says.
        self._stuck = ""
        self._posting = False
        self._over = False
        self._watching: asyncio.Task[None] | None = None
        self.detector = FailureDetector(room.game.tick_rate, context.rng, context.clock.now())

    @property
    def copy(self) -> Copy:
        """The rows and what is known of their journal."""
        assert self._copy is not None, "followed before it was read"
        return self._copy

    @property
    def starts(self) -> list[tuple[int, int]]:
        """The epochs known of and their first ticks, rising."""
        return self.copy.starts

    @property
    def match(self) -> Match:
        """The rows, always committed."""
        return self.copy.match

    @property
    def epoch(self) -> int:
        """The epoch of the owner last heard of."""
        return self.copy.epoch

    @property
    def settled(self) -> bool:
        """Whether the match holds committed rows only: it always does."""
        return True

    @property
    def census(self) -> Census:
        """The room in numbers, as its rows have it."""
        return census_of(self.match, 0, 0.0)

    @property
    def free_seats(self) -> int:
        """Seats a human could take."""
        if not is_open(self.match):
            return 0
        people = sum(1 for player in self.match.players if not player.bot)
        return self._room.game.seats - people - len(self._room.outbox.nonces)

    @property
    def finished(self) -> bool:
        """Whether the match has a result."""
        return self.match.tick > 0 and self.match.room.finished > 0

    def holds(self, nonce: bytes) -> bool:
        """Whether a seat was taken with this nonce."""
        text = nonce.hex()
        return any(player.nonce == text for player in self.match.players)

    def diverged(self, epoch: int, held: int) -> bool:
        """Whether somebody who holds this tick of this epoch holds what was never committed."""
        return diverges(self.copy.starts, epoch, held)

    def behind(self, epoch: int, held: int) -> bool:
        """Whether somebody who holds this tick of this epoch has heard what is not heard here."""
        return held > self.match.tick and not self.diverged(epoch, held)

    async def subscribe(self) -> None:
        """Hear of the room from now on; what is heard waits. StoreUnavailable passes."""
        self._news = await self._exchange.follow(self._room.id, self._hear)

    async def load(self) -> Loaded:
        """Have the rows from the store: the newest checkpoint, and the journal behind it.

        StoreUnavailable, NoSuchRoom, LeftAlone and JournalDamaged pass.
        """
        loaded = await self._store.load()
        match = self._store.restored(loaded)
        self._copy = copy = Copy(match, loaded.epoch, loaded.records, first_ticks(loaded))
        # Beyond any tick, so that no records come along.
        copy.owner = (await self._store.tail(INTEGER_MAX)).owner
        return loaded

    def have(self, copy: Copy) -> None:
        """Rows that are up to date already."""
        self._copy = copy

    def begin(self) -> None:
        """Ask for what is open, and watch the owner."""
        self._post(self._room.outbox.everything())
        self._watching = asyncio.get_running_loop().create_task(self._watch())
        self._watching.add_done_callback(self._watched)

    def stop(self) -> None:
        """Follow no more; stopping twice does nothing."""
        self._over = True
        self._waiting.clear()
        for subscription in (self._news, self._inbox):
            if subscription is not None:
                subscription.cancel()
        self._news = self._inbox = None
        watching, self._watching = self._watching, None
        if watching is not None and watching is not asyncio.current_task():
            watching.cancel()

    def won(self, epoch: int, due_s: float | None) -> Won:
        """What the store gave; the inbox is the owner's from now on."""
        inbox, self._inbox = self._inbox, None
        assert inbox is not None
        return Won(self.match, epoch, inbox, due_s, self.copy.starts, live=False)

    def post_soon(self) -> None:
        """Post what is fresh at the end of this turn of the loop, in one message."""
        if not self._posting:
            self._posting = True
            asyncio.get_running_loop().call_soon(self._post_fresh)

    def entered(self) -> None:
        """A new owner: it knows nothing of what was asked of the one before."""
        self.detector.be_patient(self.copy.idle_epochs)
        self._post(self._room.outbox.everything())

    def hear_waiting(self) -> None:
        """Take in what was heard while the journal was read."""
        while self._waiting and not self._over and not self._room.life.busy:
            self._take(self._waiting.popleft())

    async def read_tail(self) -> None:
        """Read what was missed."""
        await self._tell_failure(self._read_tail())

    async def take_in(self, tail: Tail) -> None:
        """Show what was missed; where the journal does not hold it, begin again from the rows."""
        await self._tell_failure(self._take_in(tail))

    async def ask(self, due_s: float | None) -> None:
        """Ask the store for the room; what it answers instead is what was missed."""
        await self._tell_failure(self._ask(due_s))

    async def _read_tail(self) -> None:
        await self._take_in(await self._store.tail(self.copy.tick))

    async def _take_in(self, tail: Tail) -> None:
        room, copy = self._room, self.copy
        if tail.status is StoredStatus.QUARANTINED:
            room.on(Event.QUARANTINE_HEARD)
            return
        epoch = copy.epoch
        try:
            for publication in copy.catch_up(tail):
                room.on(Event.RECORD_HEARD, publication)
        except JournalDamaged:
            await self.load()
        else:
            if not copy.fits(tail):
                await self.load()
        if self.epoch > epoch:
            room.on(Event.EPOCH_HEARD)
        room.on(Event.CAUGHT_UP)
        if self._sleeps(tail.status, tail.owner) and room.life.state is State.FOLLOWED:
            self._slept()

    def rests(self, status: StoredStatus) -> bool:
        """The room was read in this status: tell if it is not to be followed."""
        if self._room.life.state is not State.FOLLOWED:
            # News that waited while it was read have said more since.
            return self._room.life.over
        if status is StoredStatus.QUARANTINED:
            self._room.on(Event.QUARANTINE_HEARD)
        elif self._sleeps(status, self.copy.owner):
            self._slept()
        return self._room.life.over

    def _sleeps(self, status: StoredStatus, owner: str) -> bool:
        # One that has an owner falls asleep at this moment, or is being woken.
        return status is StoredStatus.ASLEEP and not owner

    def _slept(self) -> None:
        wanted = self._room.wanted and self._room.may_take()
        self._room.on(Event.WANTED_ASLEEP if wanted else Event.SLEEP_HEARD)

    async def _ask(self, due_s: float | None) -> None:
        room, copy, name = self._room, self.copy, self._context.name
        if self._inbox is None:
            self._inbox = await self._exchange.listen(room.id, room.receive)
        answer = await self._store.take_over(copy.held(), copy.owner, self._stuck)
        if isinstance(answer, Tail):
            if (answer.owner, answer.tick) == (name, copy.tick) and answer.epoch > copy.epoch:
                copy.epoch = answer.epoch
                room.on(Event.OURS, due_s)
                return
            self.detector.asked(self._clock.now())
            room.on(Event.NOT_TAKEN, answer)
        elif answer.recoveries >= RECOVERIES_MAX and not await self._lives(
            copy.owner, answer.epoch
        ):
            room.on(Event.HOPELESS, answer)
        else:
            self._context.log.info("room %s: taken over at tick %d", room.id, copy.tick)
            self._context.metrics.count("takeovers_total")
            room.on(Event.TAKEN, self.won(answer.epoch, due_s))

    async def _lives(self, owner: str, epoch: int) -> bool:
        """Whether the owner that fell silent beats on: then the room did not crash it.

        A room that loses its owners one after the other, each cut off or stopped for a moment, is
        not put aside for that. It stands still meanwhile; nobody has seen more of it.
        """
        if not owner:
            return False
        room, until_s = self._room, self._clock.now() + PROCESS_TTL_S + BEAT_S / 2
        while self._clock.now() < until_s:
            # Or the next follower would take it for dead.
            sign = NewEpoch(epoch, self.match.tick, self._context.name)
            self._exchange.tell([(room.id, sign)])
            await self._clock.sleep(1 / room.game.tick_rate)
        return any(process.name == owner for process in await self._exchange.processes())

    async def _tell_failure(self, work: Coroutine[Any, Any, None]) -> None:
        room, log = self._room, self._context.log
        try:
            await work
        except NoSuchRoom:
            room.on(Event.NO_SUCH_ROOM)
        except StoreUnavailable as error:
            log.warning("room %s: its journal cannot be read: %s", room.id, error)
            self.detector.ask_in(RELOAD_S, self._clock.now())
            room.on(Event.NO_ANSWER)
        except LeftAlone as why:
            log.error("room %s cannot be followed: %s", room.id, why)
            room.on(Event.INCOMPATIBLE)
        except StoreError as error:
            log.error("room %s cannot be followed: %s", room.id, error)
            room.on(Event.DAMAGED)

    def _hear(self, news: News | Gap) -> None:
        if self._over:
            return
        self.detector.heard_s = self._clock.now()
        if self._room.life.busy:
            if len(self._waiting) >= WAITING_NEWS_MAX:
                self._waiting.clear()
                news = Gap()
            self._waiting.append(news)
            return
        try:
            self._take(news)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this room alone.
            self._room.crashed(error)

    def _take(self, news: News | Gap) -> None:
        room, copy = self._room, self.copy
        match news:
            case Gap():
                room.on(Event.MISSED)
            case Ended():
                # What an owner says that is no more is not the room's end.
                if news.epoch >= copy.epoch:
                    self._end(news)
            case Paced():
                if news.epoch == copy.epoch:
                    room.on(Event.PACE_HEARD, news.permille / 1000)
            case Slept():
                if news.epoch >= copy.epoch:
                    self._slept()
            case Released():
                fits = (news.epoch, news.tick) == (copy.epoch, copy.tick)
                if not fits and news.epoch >= copy.epoch:
                    room.on(Event.MISSED)
                elif fits and news.to in ("", self._context.name) and room.may_take():
                    room.on(Event.RELEASE_HEARD, self._clock.now() + news.due_ms / 1000)
            case _:
                self._take_in_turn(news)

    def _take_in_turn(self, news: Record | NewEpoch) -> None:
        room = self._room
        try:
            shown = self.copy.take(news)
        except JournalDamaged as error:
            self._context.log.error("room %s: %s", room.id, error)
            room.on(Event.MISSED)
            return
        if isinstance(shown, Publication):
            room.on(Event.RECORD_HEARD, shown)
        elif shown is Heard.EPOCH:
            room.on(Event.EPOCH_HEARD)
        elif shown is Heard.BEHIND:
            room.on(Event.MISSED)

    def _end(self, news: Ended) -> None:
        code = CloseCode(news.code)
        failed = code is CloseCode.GAME_FAILED
        event = Event.QUARANTINE_HEARD if failed else Event.END_HEARD
        self._room.on(event, Ending(code, news.reason))

    async def _watch(self) -> None:
        """Repeat what does not show, report who is here, and notice when the owner falls silent."""
        room, detector = self._room, self.detector
        repeat_s = report_s = self._clock.now()
        while True:
            now = self._clock.now()
            if now - repeat_s >= REPEAT_S:
                repeat_s = now
                if room.outbox.open:
                    self._post(room.outbox.standing())
            if now - report_s >= REPORT_S:
                report_s = now
                self._post([room.outbox.present])
            left_s = detector.left_s(now)
            if left_s > 0 or room.life.busy or not room.may_take():
                await self._clock.sleep(min(REPEAT_S, left_s) if left_s > 0 else BUSY_S)
                continue
            # A loop that was late has news in its sockets: two turns read them.
            heard_s = detector.heard_s
            await self._clock.sleep(0)
            await self._clock.sleep(0)
            if await self._is_suspect():
                await self._clock.sleep(REPEAT_S)
            elif detector.heard_s == heard_s and not room.life.busy:
                self._context.metrics.count("silences_total")
                room.on(Event.SILENCE)

    async def _is_suspect(self) -> bool:
        """Whether this room hangs who runs it: then it is the watchdog's, and not taken over."""
        room, suspicion = self._room, self._context.watch.suspicion
        if suspicion.suspects(room.id) or suspicion.refuses(room.meta.game):
            return True
        self._stuck = await self._store.stuck_in(self.copy.owner)
        return self._stuck == room.id

    def _watched(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._room.crashed(error)

    def _post_fresh(self) -> None:
        self._posting = False
        if self._over:
            return
        self._post(self._room.outbox.take())

    def _post(self, requests: list[Request]) -> None:
        room = self._room
        if requests and not self._over:
            message = encode_letter(self._context.name, requests, room.game)
            self._exchange.post(room.id, message)
