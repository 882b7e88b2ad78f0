"""A room's owner: steps it, encodes its ticks for the journal, and shows them once committed.

In this order and never otherwise. Between step and commit nobody reads the rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from server.core.census import diverges, people
from server.core.hooks import explain, place_in
from server.core.inbox import Item
from server.core.journal import encode_record
from server.core.load import Load, Part
from server.core.ports import Census, Publication
from server.core.post import Asked, Leaving, Present, Request, Resumed
from server.core.presence import Presence
from server.core.room import Room, SeatRequest, Step
from server.host.context import Context
from server.host.lifespan import Expiry, expiry
from server.host.seat_bots import SeatBots
from server.store.base import Append
from shared.game import Game
from shared.match import Match

FAILED_TICKS_MAX, FAILED_WITHIN_TICKS = 10, 50
"""A room whose game raised in so many of so many ticks is not played any more.

A repeated tick has no inputs: at 10 of 50, players miss one input in five. A bug in every tick gets
there in a second, one that a player's input brings out now and then does not.
"""
# So many views of brains in a row for which `visible` fails stop the room, in development.
VIEWS_FAILED_MAX = 2


class RoomOwner:
    """The rows of a room this process owns; `starts` are the epochs before and their first ticks.

    It does what it is told and decides nothing: its `RoomHandle` does, by the table.
    """

    def __init__(
        self, room: Room, bots: SeatBots, context: Context, starts: Sequence[tuple[int, int]] = ()
    ) -> None:
        self.id = room.id
        self.game: Game = room.game
        self.runs_ahead = room.game.journal_lag_ticks_max > 0
        """Whether its ticks may be seen before they are committed."""
        self.starts = [*starts, (room.epoch, room.match.tick + 1)]
        # Why `visible` fails for brains again and again, and where in the game's files.
        self.broken_view: tuple[str, str] | None = None
        self._room = room
        self._bots = bots
        self._context = context
        seen = frozenset(p.id for p in room.match.players if p.connected and not p.bot)
        self.presence = Presence(room.age_s, seen)
        self._step: Step | None = None
        # The rows are those of a whole tick; not so from the begin of a step that raised.
        self._whole = True
        # Ticks the store has not answered for; more than one only where the game allows it.
        self._unanswered: deque[int] = deque()
        self._committed = room.match.tick
        self._views_failed = 0
        # The ticks in which the game raised, the newest last.
        self._failed: deque[int] = deque(maxlen=FAILED_TICKS_MAX)
        self._tick_s = 0.0
        # What the census counts of the rows, as of the tick that was shown last.
        self._shown = room.match.tick
        self._finished = self.finished
        self._people, self._brains = people(room.match)
        self.load = Load(room.game.tick_rate)
        self._tick_seconds = context.metrics.histogram("tick_seconds")

    @property
    def census(self) -> Census:
        """The room in numbers, as of the tick that was shown last."""
        if not self._shown:
            return Census()
        return Census(
            self._shown,
            self._people,
            self._brains,
            self._room.spectators,
            self._finished,
            self._tick_s,
            self.load.share,
        )

    @property
    def match(self) -> Match:
        """Its rows; read them only when told of a publication, or when `settled`."""
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
        return self._whole and not self._unanswered

    @property
    def whole(self) -> bool:
        """Whether the rows are those of a whole tick."""
        return self._whole

    @property
    def committed(self) -> int:
        """The last tick that is in the journal."""
        return self._committed

    @property
    def unanswered(self) -> int:
        """How many ticks the store has not answered for."""
        return len(self._unanswered)

    @property
    def finished(self) -> bool:
        """Whether the match has a result."""
        return self.match.tick > 0 and self.match.room.finished > 0

    @property
    def awaited(self) -> bool:
        """Whether a player waits for a seat."""
        return self._room.awaited

    @property
    def may_run_ahead(self) -> bool:
        """Whether its next tick may be seen before it is committed."""
        return len(self._unanswered) < self.game.journal_lag_ticks_max

    @property
    def may_end(self) -> bool:
        """Whether it may have `expired`."""
        return self._room.may_end

    def expired(self, *, pinned: bool) -> Expiry | None:
        """Why the room ends of itself after its last tick; one that is pinned, not by emptiness."""
        return expiry(self._room, stands=pinned)

    def holds(self, nonce: bytes) -> bool:
        """Whether a seat was taken, or asked for, with this nonce."""
        return self._room.holds(nonce)

    def diverged(self, epoch: int, held: int) -> bool:
        """Whether somebody who holds this tick of this epoch holds what was never committed."""
        return diverges(self.starts, epoch, held)

    def unapplied(self) -> dict[int, list[Item]]:
        """What players asked for and no committed tick has used, to be asked of the next owner."""
        return self._room.unapplied()

    def submit(self, player: int, items: Sequence[Item]) -> None:
        """Queue what a player asks for."""
        self._room.submit(player, items)

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
            case _:
                self._context.log.warning("room %s: a room is not asked for %r", self.id, request)

    def step(self) -> Append:
        """Advance by one tick; what to append. HookFailed or OutOfMemory: then `recover`."""
        began = self._context.clock.stopwatch_s()
        room = self._room
        room.present, room.spectators = self.presence.at(room.age_s)
        self._bots.think(room)
        self._whole = False
        return self._stepped(room.step(self._context.clock.now()), began)

    def step_without(self, reason: str) -> Append:
        """The tick that raised, without its inputs and joins, which are refused for this reason."""
        began = self._context.clock.stopwatch_s()
        self._whole = False
        return self._stepped(self._room.step_without(reason), began)

    def recover(self, match: Match) -> None:
        """Go on from the committed rows, as they were read back."""
        assert not self._unanswered, "what was shown must be in what is read back"
        self._room.recover(match)
        self._whole = True

    def fails_too_often(self) -> bool:
        """Note that the game raised in this tick; whether it did in too many of the last ones."""
        tick = self.match.tick
        self._failed.append(tick)
        return len(self._failed) == FAILED_TICKS_MAX and (
            tick - self._failed[0] < FAILED_WITHIN_TICKS
        )

    def put_back(self) -> None:
        """Let the next tick take in what the last one did, which never was; `recover` first."""
        self._room.put_back()

    def committed_until(self, tick: int) -> None:
        """The store has this tick, and so those before it."""
        self._committed = tick
        while self._unanswered and self._unanswered[0] <= tick:
            self._unanswered.popleft()

    def refused(self) -> None:
        """The store refused a tick: none of those after the last committed one ever was."""
        self._unanswered.clear()
        self._whole = False

    @property
    def shows(self) -> bool:
        """Whether a tick was stepped that nobody has seen."""
        return self._step is not None

    def written_anew(self, epoch: int) -> None:
        """The store was emptied, and has the rows as they are now, under this epoch."""
        self._room.epoch = epoch
        self.starts.append((epoch, self.match.tick + 1))
        self.committed_until(self.match.tick)

    def publication(self) -> Publication:
        """What the tick that was stepped lets be seen; the brains in its seats see it first."""
        step, self._step = self._step, None
        assert step is not None
        committed = self._committed if self._unanswered else None
        self._shown = step.commit.tick
        if not step.commit.empty:
            self._finished = self.finished
        if step.seated or step.left or self._room.bots_seated != self._brains:
            self._people, self._brains = people(self.match)
        error = self._bots.see(self.match, step.commit)
        if error is None:
            self._views_failed = 0
        else:
            self._context.metrics.count("game_errors_total")
            self._views_failed += 1
            if self._views_failed >= VIEWS_FAILED_MAX:
                reason = f"the game failed: {explain(error, self.game)}"
                self.broken_view = (reason, place_in(self.game, error))
        return Publication(step.commit, step.seated, step.refused, step.left, committed)

    def _stepped(self, step: Step, began: float) -> Append:
        self._step = step
        clock = self._context.clock
        commit = step.commit
        stepped = clock.stopwatch_s()
        record = encode_record(commit, step.refused)
        encoded = clock.stopwatch_s()
        self.load.spent(Part.STEP, stepped - began)
        self.load.spent(Part.RECORD, encoded - stepped)
        self._whole = True
        self._unanswered.append(commit.tick)
        self._tick_s = encoded - began
        self._tick_seconds.observe(self._tick_s)
        number = self.match.room.match_number if step.result is not None else 0
        return Append(self.id, self._room.epoch, commit.tick, record, step.result, number)
