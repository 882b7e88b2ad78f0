"""Random play: what a restless game does to its rows, tick by tick, for laws and vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import pi
from random import Random
from typing import Any

from shared.columns import Kind
from shared.entities import Entity, Player
from shared.fields import Field
from shared.game import Game
from shared.history import Refusal
from shared.match import Commit, Match

LETTERS = "ab é中😀\x00'\"\\"


class Play:
    """A match of `game` in which every tick some rows come, go, change hands and are written."""

    def __init__(self, game: Game, rng: Random, *, rows_max: int = 24, players: int = 3) -> None:
        self.rng = rng
        self.rows_max = rows_max
        self.match = Match(game, game.options(), seed=1)
        self.match.spawn(game.room())
        for number in range(players):
            self.match.spawn(game.player(name=f"player {number}"))
        self._kept = {row.id for row in self.rows()}
        self.columns = [(t.kind, name) for t in self.match.tables for name in _free(t.kind)]
        self._deeds: tuple[Callable[[], None], ...] = (
            *(self._write,) * 6,
            *(self._spawn,) * 3,
            *(self._write_all,) * 2,
            self._despawn,
            self._give,
            self._come_and_go,
            self._come_and_go_together,
            self._rewrite,
        )

    def crowd(self, kind: type[Entity], count: int) -> None:
        """Spawn `count` rows of a class; the next tick commits them."""
        for _ in range(count):
            row = self.match.spawn(kind(owner=self._somebody()))
            for name in _free(kind):
                setattr(row, name, self.value(kind._fields[name]))

    def tick(
        self,
        deeds_max: int = 12,
        parade: Iterable[tuple[type[Entity], str]] = (),
        refusals: Iterable[Refusal] = (),
    ) -> Commit:
        """One tick of up to `deeds_max` deeds, committed; `parade` names columns to write whole."""
        self.match.begin_tick()
        for kind, name in parade:
            self._write_column(kind, name)
        for _ in range(self.rng.randrange(deeds_max + 1)):
            self.rng.choice(self._deeds)()
        return self.match.commit(list(refusals))

    def rows(self, *, first_table: int = 0) -> list[Entity]:
        """All rows from a table on."""
        return [row for table in self.match.tables[first_table:] for row in table.rows.values()]

    def value(self, field: Field) -> Any:
        """Some value this field takes."""
        rng = self.rng
        match field.kind:
            case Kind.FIXED:
                return _clamped(field, rng.choice([_wander, _half, _plain])(rng) / field.scale)
            case Kind.ANGLE:
                return rng.choice([rng.uniform(-9, 9), pi, -pi, 0.0, (2.5) / field.scale])
            case Kind.INTEGER:
                lo, hi = int(field.lo or 0), int(field.hi or 0)
                return rng.choice([lo, hi, rng.randint(lo, hi), rng.randint(lo, min(hi, lo + 9))])
            case Kind.F32:
                return rng.choice([rng.uniform(-9, 9), -0.0, 0.0, 1e-42, 3.4e38, 0.1, 5])
            case Kind.F64:
                return rng.choice([rng.uniform(-9, 9), -0.0, 0.0, 5e-324, 1e308, 0.1, 5])
            case Kind.TEXT:
                most = min(int(field.hi or 0), 6)
                return "".join(rng.choice(LETTERS) for _ in range(rng.randrange(most + 1)))
            case Kind.FLAG:
                return rng.choice([True, False, 1, 0])
            case Kind.REF:
                return rng.choice([0, *(row.id for row in self.rows())])

    def _write(self) -> None:
        row = self.rng.choice(self.rows())
        names = _free(type(row))
        for name in self.rng.sample(names, min(len(names), self.rng.randrange(1, 4))):
            setattr(row, name, self.value(row._fields[name]))

    def _write_all(self) -> None:
        """One field of every row of a table, as where all move."""
        self._write_column(*self.rng.choice(self.columns))

    def _write_column(self, kind: type[Entity], name: str) -> None:
        for row in self.match.all(kind):
            setattr(row, name, self.value(kind._fields[name]))

    def _rewrite(self) -> None:
        """Write what is there already, and what rounds to it."""
        row = self.rng.choice(self.rows())
        for name, field in row._fields.items():
            value = getattr(row, name)
            setattr(row, name, value + 1e-9 if field.kind is Kind.FIXED else value)

    def _spawn(self) -> None:
        kinds = [table.kind for table in self.match.tables[1:]]
        if len(self.rows()) >= self.rows_max:
            self._despawn()
            return
        row = self.rng.choice(kinds)(owner=self._somebody())
        for name in _free(type(row)):
            if self.rng.random() < 0.5:
                setattr(row, name, self.value(row._fields[name]))
        self.match.spawn(row)

    def _despawn(self) -> None:
        rows = [row for row in self.rows() if row.id not in self._kept]
        if rows:
            self.match.despawn(self.rng.choice(rows))

    def _give(self) -> None:
        rows = self.rows(first_table=2)
        if rows:
            row: Any = self.rng.choice(rows)
            row.owner = self._somebody()
            if self.rng.random() < 0.5:
                row.owner = self._somebody()

    def _come_and_go(self) -> None:
        row = self.match.spawn(self.rng.choice(self.match.tables[2:]).kind())
        self.match.despawn(row)

    def _come_and_go_together(self) -> None:
        """A row written, given away and despawned, and another spawned, in one tick."""
        rows = self.rows(first_table=2)
        if rows:
            row: Any = self.rng.choice(rows)
            row.owner = self._somebody()
            self.match.despawn(row)
            self.match.spawn(type(row)(owner=self._somebody()))

    def _somebody(self) -> int | Player:
        players = self.match.players
        somebody: int | Player = self.rng.choice([0, *players, *(row.id for row in players)])
        return somebody


def _free(kind: type[Entity]) -> list[str]:
    """The fields that are a game's to write."""
    return [name for name in kind._fields if name not in ("next_id", "born")]


def _wander(rng: Random) -> float:
    return rng.uniform(-(2**20), 2**20)


def _half(rng: Random) -> float:
    return rng.randint(-300, 300) + 0.5


def _plain(rng: Random) -> float:
    return rng.choice([0.0, -0.0, 1.0, -1.0, 0.49999999999999994, -0.5])


def _clamped(field: Field, value: float) -> float:
    low = value if field.lo is None else max(value, field.lo)
    return low if field.hi is None else min(low, field.hi)
