"""A table: what a tick did to its rows, told to each audience once."""

from __future__ import annotations

from typing import Any

from shared.chunks import unpack_stored
from shared.entities import Entity
from shared.fields import OWNER, SERVER, u8
from shared.tables import HIDDEN, PUBLIC, Change, Table


class Card(Entity):
    seen: int = u8()
    face: int = u8(52, to=OWNER)
    trick: int = u8(to=SERVER)


class Stone(Entity):
    """A row without fields."""


ALL_BITS, PUBLIC_BITS, OWNED_BITS, HIDDEN_BITS = 0b1111, 0b0011, 0b0100, 0b1000


def filled(count: int = 3, kind: type[Any] = Card, **values: Any) -> tuple[Table, list[Any]]:
    """A table of rows with ids from 1, committed."""
    table = Table(2, kind)
    rows = [kind(**values) for _ in range(count)]
    for number, row in enumerate(rows, 1):
        table.add(row, number)
    table.commit()
    return table, rows


def opened(chunk: bytes | None) -> Any:
    """A chunk, opened."""
    return None if chunk is None else unpack_stored(chunk)


def committed(table: Table) -> Change:
    """The change of a tick that changed something."""
    change = table.commit()
    assert change is not None
    return change


def test_a_tick_without_a_change_has_none() -> None:
    table, rows = filled()
    assert table.commit() is None
    rows[0].seen = 0
    assert table.commit() is None


def test_fresh_rows_are_told_whole_to_each_audience() -> None:
    table = Table(2, Card)
    for number, owner in ((1, 7), (2, 0), (3, 7)):
        table.add(Card(owner=owner, face=number, trick=number * 10), number)
    change = committed(table)
    assert (change.table, change.masks, change.gone) == (2, [(ALL_BITS, [1, 2, 3])], [])
    assert opened(change.public) == [2, [], [PUBLIC_BITS, [1, 2, 3], [7, 0, 7], [0, 0, 0]]]
    assert {owner: opened(chunk) for owner, chunk in change.owners.items()} == {
        7: [2, [], [OWNED_BITS, [1, 3], [1, 3]]],
        0: [2, [], [OWNED_BITS, [2], [2]]],
    }
    assert opened(change.server) == [2, [], [HIDDEN_BITS, [1, 2, 3], [10, 20, 30]]]
    assert table.commit() is None


def test_written_rows_are_told_by_what_was_written() -> None:
    table, (one, two, three) = filled(owner=7)
    two.seen = 1
    three.seen, three.trick = 2, 3
    one.face = 4
    change = committed(table)
    assert change.masks == [(0b0010, [2]), (0b1010, [3]), (0b0100, [1])]
    assert opened(change.public) == [2, [], [0b0010, [2, 3], [1, 2]]]
    assert opened(change.owners[7]) == [2, [], [OWNED_BITS, [1], [4]]]
    assert opened(change.server) == [2, [], [HIDDEN_BITS, [3], [3]]]
    assert (one._mask, two._mask, three._mask) == (0, 0, 0)


def test_what_only_the_server_sees_makes_no_other_chunk() -> None:
    table, (one, *_) = filled()
    one.trick = 1
    change = committed(table)
    assert (change.public, change.owners) == (None, {})


def test_a_new_owner_is_told_all_that_only_it_may_see() -> None:
    table, (one, *_) = filled(owner=7)
    one.owner = 8
    change = committed(table)
    assert change.masks == [(0b0101, [1])]
    assert opened(change.public) == [2, [], [0b0001, [1], [8]]]
    assert {owner: opened(chunk) for owner, chunk in change.owners.items()} == {
        8: [2, [], [OWNED_BITS, [1], [52]]]
    }


def test_gone_rows_are_told_to_everyone_once() -> None:
    table, (one, two, three) = filled()
    one.seen = 5
    assert table.remove(one)
    assert not table.remove(one)
    assert table.remove(two)
    two.seen = 9
    three.seen = 1
    change = committed(table)
    assert (change.gone, change.masks) == ([1, 2], [(0b0010, [3])])
    assert opened(change.public) == [2, [1, 2], [0b0010, [3], [1]]]
    assert list(table.rows) == [3]
    assert table.commit() is None


def test_a_row_that_came_and_went_in_a_tick_is_on_no_list() -> None:
    table, _ = filled()
    row: Any = Card(owner=3)
    table.add(row, 9)
    row.seen = 1
    assert table.remove(row)
    assert table.commit() is None


def test_a_row_without_fields_has_an_owner() -> None:
    table, (one, *_) = filled(kind=Stone)
    one.owner = 4
    change = committed(table)
    assert opened(change.public) == [2, [], [1, [1], [4]]]
    assert (change.owners, change.server) == ({}, None)


def test_an_audience_with_nothing_to_hear_hears_nothing() -> None:
    table, rows = filled()
    assert table.encode(HIDDEN, {0b0011: rows}, []) is None
    assert table.encode(PUBLIC, {}, []) is None
    assert opened(table.encode(PUBLIC, {}, [9])) == [2, [9]]
    assert table.encode_owned({0b0011: rows}) == {}


def test_an_applied_chunk_makes_changes_and_forgets_rows() -> None:
    table, (one, *_) = filled()
    change = table.apply([2, 99], [[0b0011, [1, 7], [5, 6], [50, 60]], [OWNED_BITS, [7], [33]]])
    assert (change.table, change.gone) == (2, [2, 99])
    assert change.masks == [(0b0011, [1, 7]), (OWNED_BITS, [7])]
    assert list(table.rows) == [1, 3, 7]
    made: Any = table.rows[7]
    assert (one.owner, one.seen, one.face) == (5, 50, 52)
    assert (made.id, made.owner, made.seen, made.face, made.trick) == (7, 6, 60, 33, 0)
    # What was taken in is not news, and what is written from here on is.
    assert table.commit() is None
    made.seen = 61
    assert committed(table).masks == [(0b0010, [7])]
