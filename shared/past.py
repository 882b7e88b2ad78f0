"""The past: rows as they were at the last ticks, so that rules judge a shot by what was seen.

Nothing of it is journaled. Whoever applies the records of a match has its past as well: the
process that takes a room over, and the one that is started again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .entities import Entity, EntityMeta, Player, Room
from .errors import GameError

if TYPE_CHECKING:
    from .tables import Change, Table

E = TypeVar("E", bound=Entity)

Rows = dict[int, Entity]


class Moment:
    """Committed rows of one tick, to be read only. Rows that are gone by now are in it."""

    __slots__ = ("_rows", "tick")

    def __init__(self, tick: int, rows: dict[type[Entity], Rows]) -> None:
        self.tick = tick
        self._rows = rows

    def get(self, kind: type[E], number: int) -> E | None:
        """The row with this id as it was, or None where there was none."""
        return cast("E | None", self._of(kind).get(number))

    def all(self, kind: type[E], *, owner: int | Player | None = None) -> list[E]:
        """Rows of a class as they were, in id order; `owner` narrows to one player's of then."""
        rows = cast("list[E]", list(self._of(kind).values()))
        if owner is None:
            return rows
        number = owner.id if isinstance(owner, Player) else owner
        return [row for row in rows if row.owner == number]

    def one(self, kind: type[E], *, owner: int | Player | None = None) -> E | None:
        """The first row of a class (of one owner) as it was, or None."""
        return next(iter(self.all(kind, owner=owner)), None)

    def count(self, kind: type[Entity]) -> int:
        """How many rows of a class there were."""
        return len(self._of(kind))

    def _of(self, kind: type[Entity]) -> Rows:
        rows = self._rows.get(kind)
        if rows is None:
            raise GameError(f"{kind.__name__} is not in past_entities; add it there")
        return rows


class Past:
    """The last `ticks` committed ticks of some tables, and how far behind each player looks.

    A tick costs what it changed: rows that stood still are shared with the tick before.
    """

    __slots__ = ("_copies", "_lags", "_moments", "_names", "_tables", "_ticks")

    def __init__(self, named: Mapping[type[Entity], Table], ticks: int) -> None:
        self._tables = {table.index: table for table in named.values()}
        self._copies = {table.index: _copier(table.kind) for table in named.values()}
        # A game's own Player may be asked for by that name or by its own, as in a match.
        self._names: dict[type[Entity], int] = {}
        for kind, table in named.items():
            plain = [base for base in (Room, Player) if issubclass(kind, base)]
            self._names |= dict.fromkeys([kind, table.kind, *plain], table.index)
        self._ticks = ticks
        self._moments: deque[Moment] = deque(maxlen=ticks)
        self._lags: dict[int, int] = {}

    def begin(self, tick: int) -> None:
        """Forget all and begin with the rows there are, as after a checkpoint."""
        self._moments.clear()
        self._add(tick, {index: self._whole(table) for index, table in self._tables.items()})

    def note(self, tick: int, changes: Sequence[Change]) -> None:
        """Remember the rows of the tick after the newest one remembered."""
        if not self._moments:
            self.begin(tick)
            return
        newest = self._moments[-1]
        assert tick == newest.tick + 1, (tick, newest.tick)
        # A record that is applied has a change of the same table for each audience.
        rows: dict[int, Rows] = {}
        for index, table in self._tables.items():
            before = newest._of(table.kind)
            mine = [change for change in changes if change.table == index]
            rows[index] = self._after(table, before, mine) if mine else before
        self._add(tick, rows)

    def at(self, tick: int) -> Moment:
        """The rows of a tick; of the oldest or newest one there is for one beyond them."""
        if not self._moments:
            return Moment(0, {kind: {} for kind in self._names})
        oldest, newest = self._moments[0].tick, self._moments[-1].tick
        return self._moments[max(oldest, min(tick, newest)) - oldest]

    def saw(self, player: int, lag: int) -> None:
        """What a player asks for was asked `lag` ticks behind; it stays so until told again."""
        self._lags[player] = max(1, min(lag, self._ticks))

    def forget(self, player: int) -> None:
        """A row is gone; if it was a player's, so is how far behind it looked."""
        self._lags.pop(player, None)

    def lag(self, player: int) -> int:
        """How many ticks behind a player looks; 1, the newest there is, where nothing is known."""
        return self._lags.get(player, 1)

    def _add(self, tick: int, rows: dict[int, Rows]) -> None:
        by_kind = {kind: rows[index] for kind, index in self._names.items()}
        self._moments.append(Moment(tick, by_kind))

    def _whole(self, table: Table) -> Rows:
        copy = self._copies[table.index]
        return {number: copy(row) for number, row in table.rows.items()}

    def _after(self, table: Table, before: Rows, changes: list[Change]) -> Rows:
        copy = self._copies[table.index]
        rows = before.copy()
        for number in (number for change in changes for number in change.gone):
            rows.pop(number, None)
        written = [ids for change in changes for _, ids in change.masks]
        for number in dict.fromkeys(number for ids in written for number in ids):
            rows[number] = copy(table.rows[number])
        return rows


def _refuse(self: Entity, key: str, value: object) -> None:
    raise GameError(f"{type(self).__name__}.{key}: what was is only read; write the row of now")


def _copier(kind: type[Entity]) -> Callable[[Entity], Entity]:
    """A function that copies a row into one of a class that is the same but for writing."""
    made = EntityMeta(f"Past{kind.__name__}", (kind,), {"__setattr__": _refuse})
    names = ["id", "_owner", *("_" + key for key in kind._fields)]
    namespace: dict[str, Any] = {"made": made, "new": object.__new__}
    lines = ["def copy(row):", " past = new(made)", " d(past, None)", " m(past, 0)"]
    namespace |= {"d": _slot(kind, "_dirty"), "m": _slot(kind, "_mask")}
    for index, name in enumerate(names):
        namespace[f"s{index}"] = _slot(kind, name)
        lines.append(f" s{index}(past, row.{name})")
    lines.append(" return past")
    exec("\n".join(lines), namespace)
    copy: Callable[[Entity], Entity] = namespace["copy"]
    return copy


def _slot(kind: type[Entity], name: str) -> Callable[[Any, Any], None]:
    """Stores into a slot, past any property and `__setattr__`."""
    store: Callable[[Any, Any], None] = getattr(kind, name).__set__
    return store
