"""A room: one match being run; its seats, its inboxes, and the order in which a tick happens.

The host calls `step` once a tick and publishes what it returns when that is in the journal. A game
that raises is reported as `HookFailed`; the host restores the match and calls `step_without`. Where
the process ran out of memory, `OutOfMemory` says so; the host restores the match and calls
`put_back`, so that the next tick takes in what this one did.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

from shared.entities import Player
from shared.errors import GameError, Refused
from shared.game import Game, Inputs
from shared.history import Refusal
from shared.inputs import Input
from shared.match import PLAYER_TABLE, ROOM_TABLE, Commit, Match

from .capacity import Capacity
from .hooks import HookFailed, OutOfMemory, cut, defined_at, reason_of, returned
from .inbox import Inbox, Item
from .seating import FULL, LOCKED, JoinRefusal, RefusalCode, SeatRequest
from .tick_inputs import TickInputs

STANDSTILL_S = 1.0
"""The most that one tick adds to a room's age: while a room stands still no grace runs out."""
BOTS_RETRY_S = 5.0
"""How long a game that refused a bot is asked for no other, unless people come or go."""
ROUNDING_S = 1e-6
"""Sums of floats miss a limit of whole ticks by less than this."""


class Step(NamedTuple):
    """What a tick did: its delta, the seats taken or refused (by nonce), the players who left."""

    commit: Commit
    seated: dict[bytes, int]
    refused: dict[bytes, JoinRefusal]
    left: tuple[int, ...]
    result: bytes | None


class Room:
    """Seats, inboxes and the step of one match. `bots` is how many seats brains are to fill.

    `age_s` are the seconds since this owner has the room, as the host's clock counts them, except
    that a standstill counts as `STANDSTILL_S`. Grace and emptiness are measured by it, so that a
    host whose ticks come late keeps nobody's seat for longer.
    """

    def __init__(self, room_id: str, match: Match, epoch: int, bots: int = 0) -> None:
        self.id = room_id
        self.match = match
        self.epoch = epoch
        self.bots = bots
        self.present: set[int] = set()
        self.spectators = 0
        self.age_s = 0.0
        self.bots_seated = 0
        self._stepped_s: float | None = None
        self._empty_since_s: float | None = None
        self._finished_since_s: float | None = None
        self._absent_since_s: dict[int, float] = {}
        self._seats: dict[str, int] = {}
        self._joining: dict[bytes, SeatRequest] = {}
        self._leaving: set[int] = set()
        self._resumed: dict[int, int] = {}
        self._inboxes: dict[int, Inbox] = {}
        self._taken = TickInputs()
        self._capacity = Capacity()
        self._neutral = match.game.input()
        self._no_inputs = Inputs(self._neutral, {})
        # The last tick changed nothing and left no grace running, so that one in which the same
        # people are there and nobody asks for anything has nothing to do but the game's step.
        self._calm = False
        self._calm_with: tuple[set[int], int] = (set(), 0)
        # An inbox may have something for the next tick.
        self._asked = True
        self._bots_refused: tuple[float, int] | None = None
        self._bots_most: float = math.inf
        # The last match whose result is journaled.
        self._last_result = 0
        if match.tick > 0 and match.room.finished:
            self._last_result = match.room.match_number
            self._finished_since_s = -(match.tick - match.room.finished) * match.dt
        self._index_seats()

    @property
    def game(self) -> Game:
        """The rules."""
        return self.match.game

    @property
    def humans(self) -> int:
        """How many seats are not brains'."""
        return sum(1 for player in self.match.players if not player.bot)

    @property
    def free_seats(self) -> int:
        """Seats a human could take: a brain gives its own up; none while the room is locked."""
        return self.game.seats - self.humans - len(self._joining) if is_open(self.match) else 0

    @property
    def awaited(self) -> bool:
        """Whether a player waits for a seat."""
        return bool(self._joining)

    @property
    def may_end(self) -> bool:
        """Whether nobody is there, or the match has a result."""
        return self._empty_since_s is not None or self._finished_since_s is not None

    @property
    def empty_for_s(self) -> float | None:
        """For how many seconds nobody was connected or watching; None while somebody is."""
        since_s = self._empty_since_s
        return None if since_s is None else self.age_s - since_s

    @property
    def finished_for_s(self) -> float | None:
        """For how many seconds the match has had a result; None while it has none."""
        since_s = self._finished_since_s
        return None if since_s is None else self.age_s - since_s

    def join(self, request: SeatRequest) -> None:
        """Ask for a seat at the next tick, which finds the one the nonce may have already."""
        self._joining[request.nonce] = request

    def seat_of(self, nonce: bytes) -> int | None:
        """The player seated with this nonce."""
        text = nonce.hex()
        number = self._seats.get(text, 0)
        row = self._rows().get(number)
        return number if row is not None and row.nonce == text else None

    def unapplied(self) -> dict[int, list[Item]]:
        """What was asked for and is in no tick, as far as the last tick is not committed."""
        taken = self._taken.originals
        return {n: [*taken.get(n, ()), *inbox.items] for n, inbox in self._inboxes.items()}

    def leave(self, player: int) -> None:
        """Give a seat up at the next tick."""
        self._leaving.add(player)

    def submit(self, player: int, items: Sequence[Item]) -> None:
        """Queue what a player asks for; repeats are dropped by seq."""
        inbox = self._inbox(player)
        if inbox is not None:
            inbox.put(items)
            self._asked = True

    def resume(self, player: int, connection: int, first_seq: int) -> None:
        """A session goes on on this connection (0: it stays), with no input before `first_seq`."""
        inbox = self._inbox(player)
        if inbox is not None:
            inbox.jump(first_seq)
            if connection:
                self._resumed[player] = max(connection, self._resumed.get(player, 0))

    def holds(self, nonce: bytes) -> bool:
        """Whether a seat was taken, or asked for, with this nonce."""
        return nonce in self._joining or self.seat_of(nonce) is not None

    def recover(self, match: Match) -> None:
        """Go on from a match restored to its last whole tick."""
        # A tick that failed for what it spawned would else have as much to spawn each time.
        match.spawns_left = self.match.spawns_left
        self.match = match
        # Who was seated in the tick that never was has no inbox, and what made the game fail is
        # not held into the next tick.
        rows = self._rows()
        self._inboxes = {n: inbox for n, inbox in self._inboxes.items() if n in rows}
        for inbox in self._inboxes.values():
            inbox.let_go()
        self._index_seats()
        self._calm = False

    def put_back(self) -> None:
        """Let the next tick take in what the last one did, which never was; `recover` first."""
        taken, self._taken = self._taken, TickInputs()
        self._bots_most = math.inf
        self._joining = taken.joins | self._joining
        self._leaving |= taken.leaves
        for player, connection in taken.resumed.items():
            self._resumed[player] = max(connection, self._resumed.get(player, 0))
        for player, items in taken.originals.items():
            inbox = self._inboxes.get(player)
            if inbox is not None:
                inbox.put_back(items)
                self._asked = True

    def step(self, now_s: float | None = None) -> Step:
        """Advance exactly one tick; `now_s` is the host's monotonic time.

        Without it, ticks take the time they should. HookFailed if the game raises, OutOfMemory if
        there is none left; `recover` first before the room is stepped again.
        """
        if self._joining or self._leaving or self._resumed or self.bots or self.bots_seated:
            self._calm = False
        if not (self._calm and self._taken.empty):
            self._taken = TickInputs(self._joining, self._leaving, self._resumed)
            self._joining, self._leaving, self._resumed = {}, set(), {}
        seated: dict[bytes, int] = {}
        refused: dict[bytes, JoinRefusal] = {}
        refusals: list[Refusal] = []
        match, taken = self.match, self._taken
        self._grow_older(now_s)
        self._begin()
        if not (self._calm and self._calm_with == (self.present, self.spectators)):
            self._calm = False
            overdue = self._presence()
            self._connections(taken.resumed)
            self._leaves(taken.leaves | overdue)
            for request in taken.joins.values():
                self._seat(request, seated, refused)
        if self.bots or self.bots_seated:
            self._fill_with_bots()
        inputs = self._no_inputs
        if self._asked or not self._calm:
            self._asked = False
            inputs = Inputs(self._neutral, self._inputs(taken, refusals))
        self._call("step", match.game.step, match, inputs)
        return self._finish(seated, refused, refusals)

    def step_without(self, reason: str) -> Step:
        """The tick again without its inputs and joins, which are refused with the reason."""
        taken = self._taken
        self._calm = False
        reason = cut(reason)
        refusals = list(taken.skipped)
        self._begin()
        overdue = self._presence()
        self._connections(taken.resumed)
        self._leaves(taken.leaves | overdue)
        for player, items in taken.items.items():
            row = self._rows().get(player)
            if row is not None:
                row.input_seq = items[-1].seq
                row.inputs_skipped += sum(1 for skip in taken.skipped if skip.player == player)
                for item in items:
                    parts = range(0 if item.input is not None else 1, len(item.actions) + 1)
                    refusals += [Refusal(player, item.seq, part, reason) for part in parts]
        self._call("step", self.game.step, self.match, Inputs(self._neutral, {}))
        held = {nonce: self.seat_of(nonce) for nonce in taken.joins}
        seated = {nonce: player for nonce, player in held.items() if player is not None}
        failed = JoinRefusal(RefusalCode.FAILED, reason)
        refused = {nonce: failed for nonce in taken.joins if nonce not in seated}
        return self._finish(seated, refused, refusals)

    def _grow_older(self, now_s: float | None) -> None:
        """Count the time since the last tick; one that comes after a standstill counts less."""
        tick_s = self.match.dt
        last_s, self._stepped_s = self._stepped_s, now_s
        passed_s = tick_s if now_s is None or last_s is None else now_s - last_s
        self.age_s += min(max(0.0, passed_s), max(STANDSTILL_S, 2 * tick_s))

    def _begin(self) -> None:
        match = self.match
        first, older = match.tick == 0, match.origin.older
        match.begin_tick()
        if first:
            match.spawn(self.game.room())
            self._call("start", self.game.start, match)
        elif older is not None:
            self._call("migrate", self.game.migrate, match, older)

    def _finish(
        self, seated: dict[bytes, int], refused: dict[bytes, JoinRefusal], refusals: list[Refusal]
    ) -> Step:
        try:
            commit = self.match.commit(refusals)
            quiet = commit.empty
            if quiet and self._calm:
                return Step(commit, seated, refused, (), None)
            self._capacity.check(self.match, commit)
            if not self.match.tables[ROOM_TABLE].rows:
                raise GameError("the room's own row was despawned; the match cannot do without")
        except MemoryError as error:
            raise OutOfMemory("commit") from error
        except Exception as error:
            raise HookFailed("step", self.game, error) from error
        result, room = None, self.match.room
        if not room.finished:
            self._finished_since_s = None
        elif room.match_number != self._last_result:
            self._last_result, self._finished_since_s = room.match_number, self.age_s
            result = room.result.encode()
        left = self._left()
        self._calm = quiet and not self._absent_since_s
        if self._calm:
            self._calm_with = set(self.present), self.spectators
        return Step(commit, seated, refused, left, result)

    def _left(self) -> tuple[int, ...]:
        """Players who are gone since the last tick, also those whose row the game despawned."""
        rows = self._rows()
        left = tuple(number for number in self._inboxes if number not in rows)
        for number in left:
            del self._inboxes[number]
            self.present.discard(number)
            self._absent_since_s.pop(number, None)
        if left:
            self._seats = {nonce: n for nonce, n in self._seats.items() if n in rows}
        return left

    def _call(self, hook: str, function: Callable[..., object], *arguments: object) -> None:
        """Call a hook; whatever it raises, `sys.exit()` included, is the game's failure.

        Except that memory may be short through no fault of its own, and that only an operator
        interrupts the process.
        """
        try:
            answer = function(*arguments)
        except KeyboardInterrupt:
            raise
        except MemoryError as error:
            raise OutOfMemory(hook) from error
        except BaseException as error:
            # To refuse is a way to answer a player who asks; nobody asked the other hooks.
            if isinstance(error, Refused) and hook in ("join", "act"):
                raise
            raise HookFailed(hook, self.game, error) from error
        if answer is not None:
            raise HookFailed(hook, self.game, returned(hook, answer), defined_at(function))

    def _rows(self) -> dict[int, Player]:
        return cast("dict[int, Player]", self.match.tables[PLAYER_TABLE].rows)

    def _is_seated(self, player: Player) -> bool:
        """Whether a player's row is there still: a hook of this very tick may have despawned it."""
        return player.id in self._rows()

    def _index_seats(self) -> None:
        self._seats = {row.nonce: row.id for row in self._rows().values()}

    def _inbox(self, player: int) -> Inbox | None:
        inbox = self._inboxes.get(player)
        if inbox is None:
            row = self._rows().get(player)
            if row is None:
                return None
            inbox = self._inboxes[player] = Inbox(row.input_seq)
        return inbox

    def _presence(self) -> set[int]:
        """Write down who is connected, and return the players whose grace is over."""
        tick, present = self.match.tick, self.present
        overdue: set[int] = set()
        somebody = self.spectators > 0
        self.bots_seated = 0
        for player in self._rows().values():
            if player.bot:
                self.bots_seated += 1
                connected = True
            else:
                connected = player.id in present
                somebody = somebody or connected
            if connected != player.connected:
                player.connected = connected
                player.absent_since = 0 if connected else tick
            if connected:
                if self._absent_since_s:
                    self._absent_since_s.pop(player.id, None)
            elif self._absent_s(player) >= self.game.grace_s - ROUNDING_S:
                overdue.add(player.id)
        if somebody:
            self._empty_since_s = None
        elif self._empty_since_s is None:
            self._empty_since_s = self.age_s
        return overdue

    def _absent_s(self, player: Player) -> float:
        """For how long a player was away, at least.

        What owners before this one saw of it is in the row, in ticks, which were no shorter than
        they should be.
        """
        since_s = self._absent_since_s.get(player.id)
        if since_s is None:
            before_s = (self.match.tick - player.absent_since) * self.match.dt
            since_s = self._absent_since_s[player.id] = self.age_s - before_s
        return self.age_s - since_s

    def _connections(self, resumed: dict[int, int]) -> None:
        """Write down on which connections sessions go on, if they are newer: edges close others."""
        for number, connection in resumed.items():
            row = self._rows().get(number)
            if row is not None:
                row.connection = max(connection, row.connection)

    def _leaves(self, leaving: set[int]) -> None:
        for number in sorted(leaving):
            row = self._rows().get(number)
            if row is not None:
                self._unseat(row)

    def _unseat(self, row: Player) -> None:
        self._call("leave", self.game.leave, self.match, row)
        self.match.despawn(row)

    def _seat(
        self, request: SeatRequest, seated: dict[bytes, int], refused: dict[bytes, JoinRefusal]
    ) -> None:
        held = self.seat_of(request.nonce)
        if held is not None:
            seated[request.nonce] = held
            return
        if not is_open(self.match):
            refused[request.nonce] = LOCKED
            return
        if len(self.match.players) >= self.game.seats:
            bot = next((player for player in reversed(self.match.players) if player.bot), None)
            if bot is None:
                refused[request.nonce] = FULL
                return
            self._unseat(bot)
        row = self.game.player(
            name=request.name, nonce=request.nonce.hex(), identity=request.identity
        )
        reason = self._admit(row)
        if reason is None:
            seated[request.nonce] = self._seats[row.nonce] = row.id
        else:
            refused[request.nonce] = JoinRefusal(RefusalCode.GAME, reason)

    def _admit(self, row: Player) -> str | None:
        """Spawn a player's row and let the game have it; why not, if the game refuses."""
        try:
            self.match.spawn(row)
        except Refused as refusal:
            return reason_of(refusal)
        try:
            self._call("join", self.game.join, self.match, row)
        except Refused as refusal:
            for table in self.match.tables[2:]:
                for other in list(table.rows.values()):
                    if other.owner == row.id:
                        self.match.despawn(other)
            self.match.despawn(row)
            return reason_of(refusal)
        return None

    def _fill_with_bots(self) -> None:
        """Keep as many brains seated as the room wants and has seats for."""
        bots = [player for player in self.match.players if player.bot]
        people = len(self.match.players) - len(bots)
        wanted = max(0, min(self.bots, self.game.seats - people))
        for row in bots[wanted:]:
            if self._is_seated(row):
                self._unseat(row)
        if len(bots) >= min(wanted, self._bots_most) or not is_open(self.match):
            return
        if self._bots_refused is not None:
            refused_s, people_then = self._bots_refused
            if people == people_then and self.age_s - refused_s < BOTS_RETRY_S:
                return
        self._bots_refused = None
        for number in range(len(bots), wanted):
            # Should the game raise, this owner offers it no brain beyond those seated.
            most, self._bots_most = self._bots_most, number
            refusal = self._admit(self.game.player(name=f"Bot {number + 1}", bot=True))
            self._bots_most = most
            if refusal is not None:
                self._bots_refused = (self.age_s, people)
                return

    def _inputs(self, tick: TickInputs, refusals: list[Refusal]) -> dict[int, Input]:
        """Each player's input of this tick; applies actions on the way.

        Nothing is done for a player whose row an action of this tick despawned.
        """
        game, match, rows = self.game, self.match, self._rows()
        applied: dict[int, Input] = {}
        backlog, rate, hold = game.input_backlog_ticks, game.tick_rate, game.input_hold_ticks
        most = game.actions_per_tick_max
        for player in list(rows.values()):
            number = player.id
            if number not in rows:
                continue
            inbox = self._inboxes.get(number)
            if inbox is None:
                inbox = self._inboxes[number] = Inbox(player.input_seq)
            if inbox.idle:
                continue
            self._asked = True
            sample: Input | None = None
            taken, skipped = inbox.take(backlog, rate, most)
            if taken:
                tick.note(number, taken, skipped)
                if skipped:
                    told = [Refusal(number, item.seq, 0, "skipped") for item in skipped]
                    tick.skipped += told
                    refusals += told
                    player.inputs_skipped += len(skipped)
                player.input_seq = taken[-1].seq
                sample = taken[-1].input
                if sample is not None:
                    player.inputs_applied += 1
                for item in taken:
                    match.saw(number, item.seen)
                    if item.actions:
                        self._act(player, item, refusals)
            held = inbox.hold(sample, hold)
            if held is not None:
                applied[number] = held
        for number in applied.keys() - rows.keys():
            del applied[number]
        return applied

    def _act(self, player: Player, item: Item, refusals: list[Refusal]) -> None:
        for part, action in enumerate(item.actions, 1):
            if not self._is_seated(player):
                return
            try:
                self._call("act", self.game.act, self.match, player, action)
            except Refused as refusal:
                refusals.append(Refusal(player.id, item.seq, part, reason_of(refusal)))


def is_open(match: Match) -> bool:
    """Whether a match takes newcomers, as its room's row says; one without a tick yet does."""
    return not match.tables[ROOM_TABLE].rows or match.room.open is True


__all__ = ["JoinRefusal", "RefusalCode", "Room", "SeatRequest", "Step", "is_open"]
