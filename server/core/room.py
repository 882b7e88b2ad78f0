"""A room: one match being run; its seats, its inboxes, and the order in which a tick happens.

The host calls `step` once a tick and publishes what it returns when that is in the journal. A game
that raises is reported as `HookFailed`; the host restores the match and calls `step_without`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from shared.entities import Player
from shared.errors import GameError, Refused
from shared.game import Game, Inputs
from shared.history import Refusal
from shared.inputs import Input
from shared.match import PLAYER_TABLE, Commit, Match

from .attempt import Attempt, SeatRequest
from .hooks import HookFailed, cut
from .inbox import Inbox, Item


@dataclass(frozen=True, slots=True)
class Step:
    """What a tick did: its delta, the seats taken or refused (by nonce), the players who left."""

    commit: Commit
    seated: dict[bytes, int]
    refused: dict[bytes, str]
    left: tuple[int, ...]
    result: bytes | None


class Room:
    """Seats, inboxes and the step of one match. `bots` is how many seats brains are to fill."""

    def __init__(self, room_id: str, match: Match, epoch: int, bots: int = 0) -> None:
        self.id = room_id
        self.match = match
        self.epoch = epoch
        self.bots = bots
        self.present: set[int] = set()
        self.spectators = 0
        self.empty_since: int | None = None
        self._bots_seated = 0
        self._joining: dict[bytes, SeatRequest] = {}
        self._leaving: set[int] = set()
        self._resumed: dict[int, int] = {}
        self._inboxes: dict[int, Inbox] = {}
        self._attempt: Attempt = Attempt()
        self._finished = match.tick > 0 and match.room.finished > 0

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
        """Seats a human could take: a brain gives its own up."""
        return self.game.seats - self.humans - len(self._joining)

    def join(self, request: SeatRequest) -> None:
        """Ask for a seat at the next tick, which finds the one the nonce may have already."""
        self._joining[request.nonce] = request

    def seat_of(self, nonce: bytes) -> int | None:
        """The player seated with this nonce."""
        text = nonce.hex()
        return next((p.id for p in self.match.players if p.nonce == text), None)

    def unapplied(self) -> dict[int, list[Item]]:
        """What was asked for and is in no tick, as far as the last tick is not committed."""
        taken = self._attempt.originals
        return {n: [*taken.get(n, ()), *inbox.items] for n, inbox in self._inboxes.items()}

    def leave(self, player: int) -> None:
        """Give a seat up at the next tick."""
        self._leaving.add(player)

    def submit(self, player: int, items: Sequence[Item]) -> None:
        """Queue what a player asks for; repeats are dropped by seq."""
        inbox = self._inbox(player)
        if inbox is not None:
            inbox.put(items)

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
        self.match = match
        # Who was seated in the tick that never was has no inbox, and what made the game fail is
        # not held into the next tick.
        rows = match.tables[PLAYER_TABLE].rows
        self._inboxes = {n: inbox for n, inbox in self._inboxes.items() if n in rows}
        for inbox in self._inboxes.values():
            inbox.let_go()

    def step(self) -> Step:
        """Advance exactly one tick. HookFailed if the game raises; then `recover` first."""
        self._attempt = attempt = Attempt(self._joining, self._leaving, self._resumed)
        self._joining, self._leaving, self._resumed = {}, set(), {}
        seated: dict[bytes, int] = {}
        refused: dict[bytes, str] = {}
        refusals: list[Refusal] = []
        match, game = self.match, self.game
        self._begin()
        overdue = self._presence()
        self._connections(attempt.resumed)
        self._leaves(attempt.leaves | overdue)
        for request in attempt.joins.values():
            self._seat(request, seated, refused)
        if self.bots or self._bots_seated:
            self._fill_with_bots()
        inputs = self._inputs(attempt, refusals)
        self._call("step", game.step, match, Inputs(game.input(), inputs))
        return self._finish(seated, refused, refusals)

    def step_without(self, reason: str) -> Step:
        """The tick again without its inputs and joins, which are refused with the reason."""
        attempt = self._attempt
        reason = cut(reason)
        refusals = list(attempt.skipped)
        self._begin()
        overdue = self._presence()
        self._connections(attempt.resumed)
        self._leaves(attempt.leaves | overdue)
        for player, items in attempt.items.items():
            row = self.match.get(self.game.player, player)
            if row is not None:
                row.input_seq = items[-1].seq
                row.inputs_skipped += sum(1 for skip in attempt.skipped if skip.player == player)
                for item in items:
                    parts = range(0 if item.input is not None else 1, len(item.actions) + 1)
                    refusals += [Refusal(player, item.seq, part, reason) for part in parts]
        self._call("step", self.game.step, self.match, Inputs(self.game.input(), {}))
        held = {nonce: self.seat_of(nonce) for nonce in attempt.joins}
        seated = {nonce: player for nonce, player in held.items() if player is not None}
        refused = {nonce: reason for nonce in attempt.joins if nonce not in seated}
        return self._finish(seated, refused, refusals)

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
        self, seated: dict[bytes, int], refused: dict[bytes, str], refusals: list[Refusal]
    ) -> Step:
        try:
            commit = self.match.commit(refusals)
            room = next(iter(self.match.all(self.game.room)), None)
            if room is None:
                raise GameError("the room's own row was despawned; the match cannot do without")
        except Exception as error:
            raise HookFailed("step", self.game, error) from error
        finished, self._finished = self._finished, room.finished > 0
        result = room.result.encode() if room.finished and not finished else None
        return Step(commit, seated, refused, self._left(), result)

    def _left(self) -> tuple[int, ...]:
        """Players who are gone since the last tick, also those whose row the game despawned."""
        rows = self.match.tables[PLAYER_TABLE].rows
        left = tuple(number for number in self._inboxes if number not in rows)
        for number in left:
            del self._inboxes[number]
            self.present.discard(number)
        return left

    def _call(self, hook: str, function: Any, *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception as error:
            # To refuse is a way to answer a player who asks; nobody asked the other hooks.
            if isinstance(error, Refused) and hook in ("join", "act"):
                raise
            raise HookFailed(hook, self.game, error) from error

    def _inbox(self, player: int) -> Inbox | None:
        inbox = self._inboxes.get(player)
        if inbox is None:
            row = self.match.get(self.game.player, player)
            if row is None:
                return None
            inbox = self._inboxes[player] = Inbox(row.input_seq)
        return inbox

    def _presence(self) -> set[int]:
        """Write down who is connected, and return whose grace, counted in ticks, is over."""
        tick, present = self.match.tick, self.present
        grace = int(self.game.grace_s * self.game.tick_rate)
        overdue: set[int] = set()
        somebody = self.spectators > 0
        self._bots_seated = 0
        rows = cast("dict[int, Player]", self.match.tables[PLAYER_TABLE].rows)
        for player in rows.values():
            if player.bot:
                self._bots_seated += 1
                connected = True
            else:
                connected = player.id in present
                somebody = somebody or connected
            if connected != player.connected:
                player.connected = connected
                player.absent_since = 0 if connected else tick
            if not connected and tick - player.absent_since >= grace:
                overdue.add(player.id)
        if somebody:
            self.empty_since = None
        elif self.empty_since is None:
            self.empty_since = tick
        return overdue

    def _connections(self, resumed: dict[int, int]) -> None:
        """Write down on which connections sessions go on, if they are newer: edges close others."""
        for number, connection in resumed.items():
            row = self.match.get(self.game.player, number)
            if row is not None:
                row.connection = max(connection, row.connection)

    def _leaves(self, leaving: set[int]) -> None:
        for number in sorted(leaving):
            row = self.match.get(self.game.player, number)
            if row is not None:
                self._unseat(row)

    def _unseat(self, row: Player) -> None:
        self._call("leave", self.game.leave, self.match, row)
        self.match.despawn(row)

    def _seat(
        self, request: SeatRequest, seated: dict[bytes, int], refused: dict[bytes, str]
    ) -> None:
        held = self.seat_of(request.nonce)
        if held is not None:
            seated[request.nonce] = held
            return
        if len(self.match.players) >= self.game.seats:
            bot = next((player for player in reversed(self.match.players) if player.bot), None)
            if bot is None:
                refused[request.nonce] = "the room is full"
                return
            self._unseat(bot)
        row = self.game.player(
            name=request.name, nonce=request.nonce.hex(), identity=request.identity
        )
        reason = self._admit(row)
        if reason is None:
            seated[request.nonce] = row.id
        else:
            refused[request.nonce] = reason

    def _admit(self, row: Player) -> str | None:
        """Spawn a player's row and let the game have it; why not, if the game refuses."""
        self.match.spawn(row)
        try:
            self._call("join", self.game.join, self.match, row)
        except Refused as refusal:
            for table in self.match.tables[2:]:
                for other in list(table.rows.values()):
                    if other.owner == row.id:
                        self.match.despawn(other)
            self.match.despawn(row)
            return cut(refusal.reason)
        return None

    def _fill_with_bots(self) -> None:
        """Keep as many brains seated as the room wants and has seats for."""
        bots = [player for player in self.match.players if player.bot]
        wanted = max(0, min(self.bots, self.game.seats - (len(self.match.players) - len(bots))))
        for row in bots[wanted:]:
            self._unseat(row)
        wish = self.bots
        for number in range(len(bots), wanted):
            # Should the game refuse this brain, or raise, no more are offered to it.
            self.bots = number
            if self._admit(self.game.player(name=f"Bot {number + 1}", bot=True)) is not None:
                return
        self.bots = wish

    def _inputs(self, attempt: Attempt, refusals: list[Refusal]) -> dict[int, Input]:
        """Each player's input of this tick; applies actions on the way."""
        game, match = self.game, self.match
        applied: dict[int, Input] = {}
        backlog, rate, hold = game.input_backlog_ticks, game.tick_rate, game.input_hold_ticks
        for player in cast("list[Player]", match.players):
            number = player.id
            inbox = self._inboxes.get(number)
            if inbox is None:
                inbox = self._inbox(number)
            if inbox is None:
                # An action of this very tick sent the newcomer away.
                continue
            sample: Input | None = None
            taken, skipped = inbox.take(backlog, rate)
            if taken:
                attempt.note(number, taken, skipped)
                if skipped:
                    told = [Refusal(number, item.seq, 0, "skipped") for item in skipped]
                    attempt.skipped += told
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
        return applied

    def _act(self, player: Player, item: Item, refusals: list[Refusal]) -> None:
        for part, action in enumerate(item.actions, 1):
            try:
                self._call("act", self.game.act, self.match, player, action)
            except Refused as refusal:
                refusals.append(Refusal(player.id, item.seq, part, cut(refusal.reason)))


__all__ = ["Room", "SeatRequest", "Step"]
