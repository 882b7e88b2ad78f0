"""A room that another process runs, followed: its news heard, its rows kept, its owner watched.

When nothing is heard of the owner for `silence_s`, this process asks the store for the room. It
gets it only if what is held here is all there is: a slow owner loses nothing to an eager follower.
Nobody needs to be sure that the owner is dead, since from then on the store refuses its ticks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from server.core.census import census_of, diverges
from server.core.journal import JournalDamaged
from server.core.lobby import RoomMeta
from server.core.outbox import Outbox
from server.core.ports import Census, Follower, Publication
from server.core.post import Request, encode_letter
from server.core.presence import REPORT_S
from server.host.parts import Parts
from server.host.replica import Heard, Replica
from server.host.room_store import RELOAD_S, first_ticks, restored
from server.host.silence import Silence
from server.store.base import NoSuchRoom, StoreUnavailable, Tail, Taken
from server.store.base import Status as StoredStatus
from server.store.exchange import Ended, Gap, News, Released, Subscription
from shared.errors import CloseCode, StoreError
from shared.game import Game
from shared.match import Match
from shared.messages import Status

# How often what does not show is asked again, and silence judged while something is under way.
REPEAT_S, BUSY_S = 0.25, 0.05

Work = Coroutine[Any, Any, None]


class Mirror:
    """A `RoomPort`'s other half; see `LocalRoom`.

    `won` is told when the store gave this process the room, with when its next tick is due (None:
    at once); `may_take` says whether this process takes rooms at all.
    """

    def __init__(
        self,
        room: str,
        meta: RoomMeta,
        game: Game,
        parts: Parts,
        *,
        outbox: Outbox,
        follower: Follower,
        won: Callable[[Mirror, Taken, float | None], None],
        letters: Callable[[bytes], None],
        may_take: Callable[[], bool],
    ) -> None:
        self.id = room
        self.meta = meta
        self.game = game
        self.status = Status.LIVE
        self.replica: Replica | None = None
        self.inbox: Subscription | None = None
        self._name = parts.name
        self._store = parts.store
        self._exchange = parts.exchange
        self._clock = parts.clock
        self._metrics = parts.metrics
        self._log = parts.log
        self._outbox = outbox
        self._follower = follower
        self._won = won
        self._letters = letters
        self._may_take = may_take
        self._subscription: Subscription | None = None
        self._waiting: list[News | Gap] = []
        self._busy = True
        self._over = False
        self._posting = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._silence = Silence(game.tick_rate, parts.rng, parts.clock.now())

    @property
    def match(self) -> Match:
        """The rows, always committed."""
        assert self.replica is not None
        return self.replica.match

    @property
    def epoch(self) -> int:
        """The epoch of the owner last heard of."""
        assert self.replica is not None
        return self.replica.epoch

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
        people = sum(1 for player in self.match.players if not player.bot)
        return self.game.seats - people - len(self._outbox.nonces)

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
        return self.replica is not None and diverges(self.replica.starts, epoch, held)

    def behind(self, epoch: int, held: int) -> bool:
        """Whether somebody who holds this tick of this epoch has heard what is not heard here."""
        return held > self.match.tick and not self.diverged(epoch, held)

    async def open(self, replica: Replica | None) -> None:
        """Hear of the room and have its rows; a replica that is up to date is taken as it is.

        StoreUnavailable, NoSuchRoom and JournalDamaged pass.
        """
        self.replica = replica
        self._subscription = await self._exchange.follow(self.id, self._hear)
        if replica is None:
            await self._load()

    def begin(self) -> None:
        """Show what is heard from now on, ask for what is open, and watch the owner."""
        self._post(self._outbox.everything())
        self._settle()
        self._spawn(self._watch())

    def stop(self) -> None:
        """Follow no more; stopping twice does nothing."""
        self._over = True
        for subscription in (self._subscription, self.inbox):
            if subscription is not None:
                subscription.cancel()
        self._subscription = self.inbox = None
        for task in list(self._tasks):
            task.cancel()

    def post_soon(self) -> None:
        """Post what is fresh at the end of this turn of the loop, in one letter."""
        if not self._posting:
            self._posting = True
            asyncio.get_running_loop().call_soon(self._post_fresh)

    def _post_fresh(self) -> None:
        self._posting = False
        self._post(self._outbox.take())

    def _post(self, requests: list[Request]) -> None:
        if requests and not self._over:
            self._exchange.post(self.id, encode_letter(self._name, requests, self.game))

    def _hear(self, news: News | Gap) -> None:
        if self._over:
            return
        self._silence.heard_s = self._clock.now()
        if self._busy:
            self._waiting.append(news)
            return
        try:
            self._take(news)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this room alone.
            self._failed(error)

    def _settle(self) -> None:
        """The copy is whole: take in what was heard meanwhile."""
        self._busy = False
        while self._waiting and not self._busy and not self._over:
            self._take(self._waiting.pop(0))

    def _take(self, news: News | Gap) -> None:
        replica = self.replica
        assert replica is not None
        match news:
            case Gap():
                self._begin(self._catch_up())
            case Ended():
                self._end(CloseCode(news.code), news.reason)
            case Released():
                fits = (news.epoch, news.tick) == (replica.epoch, replica.tick)
                if not fits and news.epoch >= replica.epoch:
                    self._begin(self._catch_up())
                elif fits and news.to in ("", self._name) and self._may_take():
                    self._begin(self._try(self._clock.now() + news.due_ms / 1000))
            case _:
                try:
                    shown = replica.take(news)
                except JournalDamaged as error:
                    self._log.error("room %s: %s", self.id, error)
                    self._begin(self._catch_up())
                    return
                if isinstance(shown, Publication):
                    self._show(shown)
                elif shown is Heard.EPOCH:
                    self._entered()
                elif shown is Heard.BEHIND:
                    self._begin(self._catch_up())

    def _show(self, publication: Publication) -> None:
        if self.status is not Status.LIVE:
            self._change(Status.LIVE)
        self._follower.published(publication)

    def _entered(self) -> None:
        """A new owner: it knows nothing of what was asked of the one before."""
        self._silence.be_patient(self.replica.barren_epochs if self.replica else 0)
        self._post(self._outbox.everything())
        self._follower.changed(self.status)

    def _change(self, status: Status) -> None:
        self.status = status
        self._follower.changed(status)

    def _begin(self, work: Work) -> None:
        """Do something that takes its time; news wait meanwhile."""
        self._busy = True
        self._spawn(self._finish(work))

    async def _finish(self, work: Work) -> None:
        try:
            await work
        except NoSuchRoom:
            self._end(CloseCode.ROOM_CLOSED, "the room is over")
        except StoreUnavailable as error:
            self._log.warning("room %s: its journal cannot be read: %s", self.id, error)
            if self.status is Status.LIVE:
                self._change(Status.PAUSED)
            await self._clock.sleep(RELOAD_S)
        except StoreError as error:
            self._log.error("room %s cannot be followed: %s", self.id, error)
            self._end(CloseCode.UNAVAILABLE, "the room cannot be read here; try again")
        if not self._over:
            self._settle()

    async def _catch_up(self) -> None:
        assert self.replica is not None
        await self._take_in(await self._store.tail(self.id, self.replica.tick))

    async def _take_in(self, tail: Tail) -> None:
        """Show what was missed; where the journal does not hold it, begin again from the rows."""
        replica = self.replica
        assert replica is not None
        epoch = replica.epoch
        if tail.status is StoredStatus.QUARANTINED:
            self._end(CloseCode.GAME_FAILED, "the game failed")
            return
        try:
            for publication in replica.catch_up(tail):
                self._show(publication)
        except JournalDamaged:
            await self._load()
        else:
            if not replica.fits(tail):
                await self._load()
        if self.epoch > epoch:
            self._entered()

    async def _load(self) -> None:
        """Rows from the store: the newest checkpoint, and the journal behind it."""
        loaded = await self._store.load(self.id)
        match = restored(self.game, self.meta, loaded)
        starts = first_ticks(loaded)
        self.replica = Replica(match, loaded.epoch, match.tick, loaded.records, starts)

    async def _watch(self) -> None:
        """Repeat what does not show, report who is here, and notice when the owner falls silent."""
        repeat_s = report_s = self._clock.now()
        while True:
            now = self._clock.now()
            if now - repeat_s >= REPEAT_S:
                repeat_s = now
                if self._outbox.open:
                    self._post(self._outbox.standing())
            if now - report_s >= REPORT_S:
                report_s = now
                self._post([self._outbox.present])
            left_s = self._silence.left_s(now)
            if left_s > 0 or self._busy or not self._may_take():
                await self._clock.sleep(min(REPEAT_S, left_s) if left_s > 0 else BUSY_S)
                continue
            # A loop that was late has news in its sockets: two turns read them.
            heard_s = self._silence.heard_s
            await self._clock.sleep(0)
            await self._clock.sleep(0)
            if self._silence.heard_s == heard_s and not self._busy:
                self._metrics.count("silences_total")
                self._busy = True
                await self._finish(self._try(None))

    async def _try(self, due_s: float | None) -> None:
        """Ask the store for the room; what it answers instead is what was missed."""
        replica = self.replica
        assert replica is not None
        if self.inbox is None:
            self.inbox = await self._exchange.listen(self.id, self._letters)
        answer = await self._store.take_over(self.id, self._name, replica.held())
        if isinstance(answer, Taken):
            self._log.info("room %s: taken over at tick %d", self.id, replica.tick)
            self._metrics.count("takeovers_total")
            self._over = True
            if self._subscription is not None:
                self._subscription.cancel()
            self._won(self, answer, due_s)
            return
        self._silence.asked(self._clock.now())
        await self._take_in(answer)

    def _end(self, code: CloseCode, reason: str) -> None:
        if not self._over:
            self.stop_soon()
            self._follower.ended(code, reason)

    def stop_soon(self) -> None:
        """Stop, but let the task that says so come to its end."""
        self._over = True
        asyncio.get_running_loop().call_soon(self.stop)

    def _spawn(self, work: Work) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        self._log.critical("room %s: following it failed", self.id, exc_info=error)
        self._end(CloseCode.UNAVAILABLE, "the server failed; try again")
