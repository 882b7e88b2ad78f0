"""One room being hosted: stepped, appended, published, in this order and never otherwise.

Between step and publish nobody reads the rows; the phase that runs the room awaits the commit.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from server.core.census import census_of, diverges
from server.core.hooks import HookFailed, cut, explain, place_in, with_place
from server.core.inbox import Item
from server.core.journal import encode_record
from server.core.lobby import RoomMeta
from server.core.metrics import Metrics
from server.core.ports import Census, Clock, Follower, Publication
from server.core.post import Asked, Failed, Leaving, Present, Request, Resumed
from server.core.presence import Presence
from server.core.room import Room, SeatRequest, Step
from server.host.failed_tick import FailedTick
from server.host.lifespan import Expiry, expiry
from server.host.room_store import RoomStore
from server.host.seat_bots import SeatBots
from server.store.base import Append, Fenced, NoSuchRoom, Store
from server.store.base import Status as StoredStatus
from server.store.exchange import Ended, NewEpoch, News
from shared.errors import CloseCode, StoreError
from shared.game import Game
from shared.match import Match
from shared.messages import Status

SETTLE_S = 0.005


class RoomHost:
    """A `RoomPort` with the room behind it. `spawn` runs work beside the ticks.

    `checkpointed` is the tick of the newest checkpoint the store has, 0 for none; `starts` are the
    epochs before this one and their first ticks. `tell` tells the room's news to other processes.
    In `development` a game that raises makes the room stand still.
    """

    def __init__(
        self,
        room: Room,
        meta: RoomMeta,
        bots: SeatBots,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        log: logging.Logger,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        tell: Callable[[News], None],
        checkpointed: int = 0,
        starts: Sequence[tuple[int, int]] = (),
        development: bool = False,
    ) -> None:
        self.meta = meta
        self.game: Game = room.game
        self.status = Status.LIVE
        self.over: tuple[CloseCode, str] | None = None
        # Another process owns the room: what was stepped here and not committed never was.
        self.fenced = False
        # Stopped after a whole tick, as when the room is handed over.
        self.halted = False
        self.sleeps = False
        self.starts = [*starts, (room.epoch, room.match.tick + 1)]
        # A standing room is kept open when nobody is in it.
        self.stands = False
        self._room = room
        self._bots = bots
        self._kept = RoomStore(room.id, room.epoch, store, clock, log, checkpointed)
        self._failed_tick = FailedTick(
            room, meta, self._kept, metrics, log, development=development
        )
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._spawn = spawn
        self._tell = tell
        seen = frozenset(p.id for p in room.match.players if p.connected and not p.bot)
        self.presence = Presence(room.age_s, seen)
        self._followers: list[Follower] = []
        self._step: Step | None = None
        # Ticks that were shown and are not committed yet; none unless the game allows some.
        self._late: deque[tuple[Append, int]] = deque()
        self._committed = room.match.tick
        self._settled = True
        self._blind = False
        self._tick_s = 0.0
        # A room taken up from the store has people in it before its first tick here.
        self.census = census_of(room.match, room.spectators, 0.0)

    @property
    def id(self) -> str:
        """The room's id."""
        return self._room.id

    @property
    def match(self) -> Match:
        """Its rows; read them only when told of a publication."""
        return self._room.match

    @property
    def epoch(self) -> int:
        """The fencing token this process writes with."""
        return self._room.epoch

    @property
    def free_seats(self) -> int:
        """Seats a human could take."""
        return self._room.free_seats

    @property
    def age_s(self) -> float:
        """Seconds this process has the room, by which presence and grace are measured."""
        return self._room.age_s

    @property
    def settled(self) -> bool:
        """Whether the match holds committed rows only."""
        return self._settled

    @property
    def finished(self) -> bool:
        """Whether the match has a result, or the room is over."""
        return self.over is not None or (self.match.tick > 0 and self.match.room.finished > 0)

    def follow(self, follower: Follower) -> None:
        """Tell this follower of every tick from now on."""
        self._followers.append(follower)

    def unfollow(self, follower: Follower) -> None:
        """Stop telling it."""
        if follower in self._followers:
            self._followers.remove(follower)

    def holds(self, nonce: bytes) -> bool:
        """Whether a seat was taken, or asked for, with this nonce."""
        return self._room.holds(nonce)

    def diverged(self, epoch: int, held: int) -> bool:
        """Whether somebody who holds this tick of this epoch holds what was never committed."""
        return diverges(self.starts, epoch, held)

    def submit(self, player: int, items: Sequence[Item]) -> None:
        """Queue what a player asks for."""
        self._room.submit(player, items)

    def unapplied(self) -> dict[int, list[Item]]:
        """What players asked for and no committed tick has used, for who asks the next owner."""
        return self._room.unapplied()

    def obey(self, sender: str, request: Request, *, lasting: bool = True) -> None:
        """Do what an edge asks; `lasting` where it is this process's own."""
        match request:
            case SeatRequest():
                self._room.join(request)
            case Leaving(player):
                self._room.leave(player)
            case Resumed(player, connection, first_seq):
                self._room.resume(player, connection, first_seq)
            case Asked(player, items):
                self._room.submit(player, items)
            case Present(players, spectators):
                self.presence.report(sender, players, spectators, self.age_s, lasting=lasting)
            case Failed(reason, place):
                self.fail(reason, place)
            case _:
                self._log.warning("room %s: a room is not asked for %r", self.id, request)

    def fail(self, reason: str, place: str = "") -> None:
        """End the room at its next tick, or let it stand still: a hook the edge calls raised."""
        if self._failed_tick.development:
            self._failed_tick.failed_elsewhere(with_place(reason, place))
        else:
            self.over = (CloseCode.GAME_FAILED, cut(reason))

    @property
    def fault(self) -> str:
        """Why it stands still, in development; "" while it does not."""
        return self._failed_tick.fault

    @property
    def done(self) -> bool:
        """Whether it is to be stepped no more by this process."""
        return self.over is not None or self.fenced or self.halted

    @property
    def runs_ahead(self) -> bool:
        """Whether its ticks may be seen before they are committed."""
        return self.game.journal_lag_ticks_max > 0

    async def step(self) -> Append | None:
        """Advance by one tick; what to append, or None when it is done or waits for its journal."""
        if self.done:
            return None
        if self.fault:
            self.show(Status.PAUSED)
            # Followers take silence for death; old news are news enough.
            self._tell(NewEpoch(self.epoch, self._committed, ""))
            return None
        if self.runs_ahead and len(self._late) >= self.game.journal_lag_ticks_max:
            self._metrics.count("ticks_held_total")
            self.show(Status.PAUSED)
            return None
        began = self._clock.stopwatch_s()
        room = self._room
        room.present, room.spectators = self.presence.at(room.age_s)
        self._bots.think(self._room)
        self._settled = False
        try:
            step = self._room.step(self._clock.now())
        except HookFailed as failure:
            recovered = await self._recover(failure)
            if recovered is None:
                return None
            step = recovered
        self._step = step
        record = encode_record(step.commit, step.refused)
        self._tick_s = self._clock.stopwatch_s() - began
        self._metrics.observe("tick_seconds", self._tick_s)
        return Append(self.id, self.epoch, step.commit.tick, record, step.result)

    def publish(self, outcome: StoreError | None) -> None:
        """Let the tick be seen, or the room go if another owner has it."""
        if not self._refused(outcome):
            self._committed = self.match.tick
            self._show(None)

    def run_ahead(self, append: Append) -> None:
        """Let the tick be seen although it is not committed; `acknowledge` follows."""
        self._late.append((append, self.match.tick))
        self._metrics.count("ticks_ahead_total")
        self._show(self._committed)

    def acknowledge(self, tick: int, outcome: StoreError | None) -> None:
        """The store has answered for a tick that was shown before."""
        if self.fenced or self.over is not None or self._refused(outcome):
            return
        self._committed = tick
        while self._late and self._late[0][1] <= tick:
            self._late.popleft()
        self._settled = not self._late
        self.show(Status.LIVE)

    def store_is(self, *, away: bool) -> None:
        """The store answers no more, or again."""
        ahead = self.runs_ahead and len(self._late) < self.game.journal_lag_ticks_max
        if away:
            self.show(Status.UNCOMMITTED if ahead else Status.PAUSED)
        else:
            self.show(Status.LIVE)

    def _refused(self, outcome: StoreError | None) -> bool:
        """Whether the store would not have a tick; then the room goes on elsewhere, or ends."""
        if outcome is None:
            return False
        if isinstance(outcome, Fenced):
            self._log.warning("room %s: %s", self.id, outcome)
            self._metrics.count("fenced_total")
            self.fenced = True
            return True
        self._log.error("room %s: its tick was refused: %s", self.id, outcome)
        closed = isinstance(outcome, NoSuchRoom)
        code = CloseCode.ROOM_CLOSED if closed else CloseCode.UNAVAILABLE
        self.over = (code, "the room is over" if closed else "the room's journal is damaged")
        return True

    def _show(self, committed: int | None) -> None:
        """Let the tick that was stepped be seen; `committed` (None: this one) is in the journal."""
        step, self._step = self._step, None
        assert step is not None
        began = self._clock.stopwatch_s()
        self._settled = committed is None
        publication = Publication(step.commit, step.seated, step.refused, step.left, committed)
        error = self._bots.watch(self.match, step.commit)
        if error is not None:
            self._metrics.count("game_errors_total")
            if self._blind:
                self.fail(f"the game failed: {explain(error)}", place_in(self.game, error))
        self._blind = error is not None
        for follower in list(self._followers):
            follower.published(publication)
        self._count(step)
        self._metrics.count("ticks_total")
        self._metrics.observe("publish_seconds", self._clock.stopwatch_s() - began)
        tick = step.commit.tick
        if self._kept.is_due(tick):
            self._spawn(self.checkpoint())
        why = expiry(self._room, stands=self.stands) if self.over is None else None
        if why is not None:
            self.sleeps = why is Expiry.EMPTY
            self.over = (CloseCode.ROOM_CLOSED, why.value)

    def show(self, status: Status) -> None:
        """Tell followers that the room stands still, or goes on."""
        status = Status.PAUSED if self.fault else status
        if status is not self.status:
            self.status = status
            for follower in list(self._followers):
                follower.changed(status)

    async def checkpoint(self) -> None:
        """Write down all rows, unless a tick of them is under way."""
        if self._step is None:
            await self._kept.checkpoint(self.match, lambda: self._committed, lambda: self.done)

    async def close(self) -> None:
        """End the room for all, for the reason in `over`; one that only moves does not end."""
        if self.over is None:
            return
        code, reason = self.over
        self._log.info("room %s ends: %s", self.id, reason)
        for follower in list(self._followers):
            follower.ended(code, reason)
        if code is CloseCode.UNAVAILABLE:
            return
        if self.sleeps:
            await self.checkpoint()
            await self._kept.set_status(StoredStatus.ASLEEP)
            return
        self._tell(Ended(self.epoch, code, reason))
        # The journal of a match whose game failed is kept, to find out why.
        failed = code is CloseCode.GAME_FAILED
        await self._kept.set_status(StoredStatus.QUARANTINED if failed else StoredStatus.CLOSED)

    def _count(self, step: Step) -> None:
        census, room, tick = self.census, self._room, step.commit.tick
        if step.seated or step.left or census.tick == 0 or room.bots_seated != census.bots:
            self.census = census_of(self.match, room.spectators, self._tick_s)
            return
        finished = self.match.room.finished > 0
        self.census = Census(
            tick, census.players, census.bots, room.spectators, finished, self._tick_s
        )

    async def _recover(self, failure: HookFailed) -> Step | None:
        """The tick done again from what is committed, or the room stands still, or it is over."""
        # What was shown must be in what is read back.
        while self._late and not self.fenced:
            await self._clock.sleep(SETTLE_S)
        step = await self._failed_tick.after(failure)
        if self.fault:
            self._settled = True
            self.show(Status.PAUSED)
        elif step is None:
            self.over = (CloseCode.GAME_FAILED, cut(failure.reason))
        return step
