"""A match: the world of one room as its game sees it, committed once a tick.

Law: rows(checkpoint) + deltas == rows, to the last bit; live values are wire values.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple, TypeVar, cast

from .chunks import Rows, by_mask
from .entities import Entity, Event, Player, Room
from .errors import Full, GameError
from .game import Game
from .history import History, Merged, Refusal
from .inputs import Options
from .limits import ENTITY_ID_MAX, MATCH_ROWS_MAX, ROWS_MAX, SPAWNS_BURST, SPAWNS_PER_S
from .origin import Origin
from .past import Moment, Past
from .result import result_text
from .rounding import RoundingWatch
from .tables import HIDDEN, ONLY_IN_HOOKS, OWNED, PUBLIC, Change, Table, refuse

E = TypeVar("E", bound=Entity)

ROOM_TABLE = 0
PLAYER_TABLE = 1


@dataclass(frozen=True, slots=True)
class Chunks:
    """Encoded chunks laid end to end, and how many they are."""

    count: int = 0
    data: bytes = b""

    @staticmethod
    def of(parts: list[bytes]) -> Chunks:
        """The chunks of these parts."""
        return Chunks(len(parts), b"".join(parts)) if parts else NOTHING


NOTHING = Chunks()


class Commit(NamedTuple):
    """One tick's delta: for everyone, for each owner, for the server alone; and its refusals.

    `written` names rules and fields where the rows before had others; then the delta is whole.
    """

    tick: int
    public: Chunks
    owners: dict[int, Chunks]
    server: Chunks
    refusals: tuple[Refusal, ...] = ()
    written: list[Any] | None = None

    @property
    def empty(self) -> bool:
        """Whether the tick changed nothing and refused nothing."""
        changed = self.public.count or self.owners or self.server.count
        return not (changed or self.refusals or self.written)


class Match:
    """Rows by table, the tick, and chance. A game reads and writes it only inside its hooks."""

    def __init__(self, game: Game, options: Options, seed: int) -> None:
        self.game = game
        self.options: Any = options
        self.tick = 0
        self.dt = 1 / game.tick_rate
        self.tables = [Table(index, kind) for index, kind in enumerate(game.kinds)]
        self._events = [table for table in self.tables if issubclass(table.kind, Event)]
        self.history = History()
        self.origin = Origin(game)
        self.former = self.origin.former
        self._seed = seed
        self._rng: Random | None = None
        self._open = True
        self._free_rows = MATCH_ROWS_MAX
        # It is not journaled: who takes the room over begins with all of it.
        self.spawns_left: float = SPAWNS_BURST
        self._by_kind = dict(zip(game.kinds, self.tables, strict=True))
        self._by_kind[Room] = self.tables[ROOM_TABLE]
        self._by_kind[Player] = self.tables[PLAYER_TABLE]
        self._hidden = any(table.kind._masks[OWNED] for table in self.tables)
        named = {kind: self._by_kind[kind] for kind in game.past_entities}
        self._past = Past(named, game.rewind_ticks) if named else None

    @property
    def room(self) -> Any:
        """The room's row, of the game's own `room` class."""
        return next(iter(self.tables[ROOM_TABLE].rows.values()))

    @property
    def players(self) -> list[Any]:
        """The players' rows, of the game's own `player` class, in id order."""
        return list(self.tables[PLAYER_TABLE].rows.values())

    @property
    def rng(self) -> Random:
        """Chance, made once a tick from the room's seed and the tick."""
        if self._rng is None:
            self._rng = Random((self._seed << 64) | self.tick)
        return self._rng

    @property
    def has_owned_columns(self) -> bool:
        """Whether any field is sent to its owner only."""
        return self._hidden

    def spawn(self, row: E) -> E:
        """Take a new row into the match; it has an id from here on.

        `Full`, which in `join` and `act` refuses the player, where the match takes no more: rows
        of a class, rows at all, rows spawned of late, or ids.
        """
        self._check_open()
        if row.id:
            raise GameError(f"{row!r} was spawned before; make a new one")
        table = self._table(type(row))
        self._check_space(table)
        room = self.tables[ROOM_TABLE].rows
        number = self.room.next_id if room else 1
        # `next_id` itself must fit its field.
        if number >= ENTITY_ID_MAX:
            raise Full("this room has used up its ids")
        table.add(row, number)
        self._free_rows -= 1
        self.spawns_left -= 1
        if isinstance(row, Player):
            row.owner = number
        elif isinstance(row, Event):
            row.born = self.tick
        self.room.next_id = number + 1
        return row

    def despawn(self, row: Entity) -> None:
        """Let a row go; doing so twice does nothing."""
        self._check_open()
        if self._table(type(row)).remove(row):
            self._free_rows += 1
        if self._past is not None:
            self._past.forget(row.id)

    def _check_space(self, table: Table) -> None:
        name = table.kind.__name__
        if len(table.rows) >= ROWS_MAX:
            raise Full(f"{name}: {ROWS_MAX} rows at most; despawn some")
        if self._free_rows < 1:
            raise Full(f"{name}: the match has {MATCH_ROWS_MAX} rows, the most; despawn some")
        if self.spawns_left < 1:
            raise Full(
                f"{name}: {SPAWNS_BURST} rows were spawned of late; from here on {SPAWNS_PER_S} a "
                "second"
            )

    def get(self, kind: type[E], number: int) -> E | None:
        """The row with this id, or None when it is gone."""
        return cast("E | None", self._table(kind).rows.get(number))

    def all(self, kind: type[E], *, owner: int | Player | None = None) -> list[E]:
        """Rows of a class in id order, safe to despawn in; `owner` narrows to one player's."""
        rows = cast("dict[int, E]", self._table(kind).rows)
        if owner is None:
            return list(rows.values())
        number = owner.id if isinstance(owner, Player) else owner
        return [row for row in rows.values() if row.owner == number]

    def one(self, kind: type[E], *, owner: int | Player | None = None) -> E | None:
        """The first row of a class (of one owner), or None."""
        if owner is None:
            return cast("E | None", next(iter(self._table(kind).rows.values()), None))
        return next(iter(self.all(kind, owner=owner)), None)

    def count(self, kind: type[Entity]) -> int:
        """How many rows of a class there are."""
        return len(self._table(kind).rows)

    def past(self, tick: int) -> Moment:
        """The rows of `past_entities` as they were when this tick was committed, to read only.

        Beyond `rewind_ticks_max`, or what is known, that is the oldest there is; for the tick under
        way the newest whole one. `past(...).tick` says which.
        """
        return self._remembered().at(tick)

    def seen(self, player: int | Player) -> int:
        """The tick a player's screen showed for what is applied now: what `past` is asked for.

        As the client says, within `rewind_ticks_max` and the last whole tick, which it is for
        whoever does not say.
        """
        number = player.id if isinstance(player, Player) else player
        return max(0, self.tick - self._remembered().lag(number))

    def saw(self, player: int, tick: int) -> None:
        """Note what tick a player saw (0: not said) when asking for what is applied next."""
        if self._past is not None:
            self._past.saw(player, self.tick - tick if tick else 1)

    def finish(self, result: Any) -> None:
        """End the match with a result, committed with this tick, once.

        It is anything JSON holds, of at most 16,384 bytes in UTF-8; its whole numbers are at most
        2**53.
        """
        self._check_open()
        if self.room.finished:
            raise GameError("match.finish was called before; match.restart() begins anew")
        self.room.result = result_text(result)
        self.room.finished = self.tick

    def restart(self) -> None:
        """Begin anew with the players and seats there are: `start`, then `join` for each.

        It is the room's next match, open like the first. GameError in the tick of `finish`: the
        result would never be committed.
        """
        self._check_open()
        room = self.room
        if room.finished and room.finished == self.tick:
            raise GameError("the match was finished in this tick; restart it in a later one")
        for table in self.tables[2:]:
            self._free_rows += len(table.rows)
            for row in list(table.rows.values()):
                table.remove(row)
        room.match_number += 1
        kept: list[tuple[Any, Any]] = [(room, Room), *((p, Player) for p in self.players)]
        for row, base in kept:
            for key, field in row._fields.items():
                if key not in base._fields or key in ("finished", "result", "open"):
                    setattr(row, key, field.default)
        self.game.start(self)
        for player in self.players:
            self.game.join(self, player)

    def watch_rounding(self, watch: RoundingWatch) -> None:
        """In development, have fields named whose changes rounding swallows."""
        for table in self.tables:
            table.codec.watch = watch

    def open_rows(self) -> None:
        """Let rows be written until the next commit, as `begin_tick` does.

        A new match is open, for who lays it out by hand.
        """
        self._open = True
        for table in self.tables:
            table.writes.append = table.writes.opened

    def _close_rows(self) -> None:
        self._open = False
        for table in self.tables:
            table.writes.append = refuse

    def _check_open(self) -> None:
        if not self._open:
            raise GameError(ONLY_IN_HOOKS)

    def begin_tick(self) -> None:
        """Move on to the next tick, before its hooks run; until `commit` rows may be written."""
        self.open_rows()
        self.tick += 1
        self._rng = None
        if self.origin.stale:
            for table in self.tables:
                table.rewrite()
        free = MATCH_ROWS_MAX
        for table in self.tables:
            free -= len(table.rows)
        self._free_rows = free
        for table in self._events:
            if table.rows:
                self._free_rows += self._end_events(table)
        if self.spawns_left < SPAWNS_BURST:
            self.spawns_left = min(SPAWNS_BURST, self.spawns_left + SPAWNS_PER_S * self.dt)

    def _end_events(self, table: Table) -> int:
        """Despawn the events whose time is over; how many."""
        lifetime, ended = self.game.event_lifetime_ticks, 0
        for row in list(table.rows.values()):
            if cast(Event, row).born + lifetime > self.tick:
                break
            table.remove(row)
            ended += 1
        return ended

    def commit(self, refusals: list[Refusal] | None = None) -> Commit:
        """Round and encode what the tick changed; its delta. GameError names what does not fit."""
        self._close_rows()
        refusals = refusals or []
        touched = [table for table in self.tables if table.dirty or table.fresh or table.gone]
        if not (touched or refusals or self.origin.stale):
            self.history.note(self.tick, [], refusals, shown=False)
            if self._past is not None:
                self._past.note(self.tick, [])
            return Commit(self.tick, NOTHING, {}, NOTHING)
        public: list[bytes] = []
        server: list[bytes] = []
        owners: dict[int, list[bytes]] = {}
        changes: list[Change] = []
        for table in touched:
            change = table.commit()
            if change is None:
                continue
            changes.append(change)
            if change.public is not None:
                public.append(change.public)
            if change.server is not None:
                server.append(change.server)
            for owner, chunk in change.owners.items():
                owners.setdefault(owner, []).append(chunk)
        self._note(changes, refusals)
        if (written := self.origin.renew()) is not None:
            self.history.floor = self.tick
        return Commit(
            self.tick,
            Chunks.of(public),
            {owner: Chunks.of(parts) for owner, parts in owners.items()},
            Chunks.of(server),
            tuple(refusals),
            written,
        )

    def snapshot(self) -> Commit:
        """The delta from nothing, whole: what a checkpoint holds."""
        public: list[bytes] = []
        server: list[bytes] = []
        owners: dict[int, list[bytes]] = {}
        for table in self.tables:
            groups = {table.kind._full: list(table.rows.values())} if table.rows else {}
            for parts, audience in ((public, PUBLIC), (server, HIDDEN)):
                chunk = table.encode(audience, groups, [])
                if chunk is not None:
                    parts.append(chunk)
            for owner, chunk in table.encode_owned(groups).items():
                owners.setdefault(owner, []).append(chunk)
        return Commit(
            self.tick,
            Chunks.of(public),
            {owner: Chunks.of(parts) for owner, parts in owners.items()},
            Chunks.of(server),
            written=self.origin.now,
        )

    def delta(self, base: int) -> Chunks:
        """The public chunks from tick `base` (0: from nothing) to now, with values of now."""
        return Chunks.of(
            [
                chunk
                for table, groups, gone in self._merged(base)
                if (chunk := table.encode(PUBLIC, groups, gone)) is not None
            ]
        )

    def delta_owned(self, base: int, player: int) -> Chunks:
        """The chunks only `player` may see, from tick `base` to now."""
        if not self._hidden or not player:
            return NOTHING
        return Chunks.of(
            [
                chunk
                for table, groups, _ in self._merged(base)
                if (chunk := table.encode_owned(_owned_by(groups, player)).get(player)) is not None
            ]
        )

    def _merged(self, base: int) -> list[tuple[Table, dict[int, Rows], list[int]]]:
        if base == 0:
            return [
                (table, {table.kind._full: list(table.rows.values())} if table.rows else {}, [])
                for table in self.tables
            ]
        return [
            (self.tables[index], _present(self.tables[index], merged), merged.gone)
            for index, merged in self.history.since(base).items()
        ]

    def apply(
        self, tick: int, chunks: list[list[Any]], refusals: list[Refusal], *, follows: bool
    ) -> None:
        """Take in a decoded record; `follows` is false for a checkpoint, which has no history."""
        if self._open:
            self._close_rows()
        changes: list[Change] = []
        for chunk in chunks:
            index: int = chunk[0]
            changes.append(self.tables[index].apply(chunk[1], chunk[2:]))
        self.tick = tick
        self._rng = None
        if follows:
            self._note(changes, refusals)
        elif self._past is not None:
            self._past.begin(tick)

    def _note(self, changes: list[Change], refusals: list[Refusal]) -> None:
        shown = any(change.shown(self.tables[change.table].kind) for change in changes)
        self.history.note(self.tick, changes, refusals, shown=shown)
        if self._past is not None:
            self._past.note(self.tick, changes)

    def _remembered(self) -> Past:
        if self._past is None:
            name = type(self.game).__name__
            raise GameError(f"{name}.past_entities names no rows; write `past_entities = Tank,`")
        return self._past

    def _table(self, kind: type[Entity]) -> Table:
        table = self._by_kind.get(kind)
        if table is None:
            name = type(self.game).__name__
            raise GameError(f"{kind.__name__} is not in {name}.entities; add it there")
        return table


def _present(table: Table, merged: Merged) -> dict[int, Rows]:
    rows = table.rows
    return by_mask((mask, rows[n]) for n, mask in merged.masks.items() if n in rows)


def _owned_by(groups: dict[int, Rows], player: int) -> dict[int, Rows]:
    return {
        mask: mine
        for mask, rows in groups.items()
        if (mine := [row for row in rows if row.owner == player])
    }
