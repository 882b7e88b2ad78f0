"""Chunks: rows to bytes and back."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.chunks import (
    READERS_MAX,
    Codec,
    array_head,
    bits,
    by_mask,
    pack,
    pack_chunk,
    unpack_stored,
)
from shared.entities import Entity, EntityMeta
from shared.errors import GameError
from shared.fields import SERVER, fixed, text, u8
from shared.rounding import SWALLOWED_TICKS, RoundingWatch
from tests.shared.reference import bits as exact


class Tank(Entity):
    x: float = fixed(1 / 64)
    name: str = text(8)
    plan: int = u8(to=SERVER)


def rows(count: int, **values: Any) -> list[Any]:
    """Tanks with ids from 1."""
    made: list[Any] = [Tank(**values) for _ in range(count)]
    for number, row in enumerate(made, 1):
        row.id = number
    return made


@given(st.integers(0, 2**31 - 1))
def test_bits_are_those_set_lowest_first(mask: int) -> None:
    assert sum(1 << bit for bit in bits(mask)) == mask
    assert list(bits(mask)) == sorted(bits(mask))


@pytest.mark.parametrize("length", [0, 1, 15, 16, 255, 256, 65_535, 65_536])
def test_an_array_head_is_msgpacks_own(length: int) -> None:
    assert array_head(length) + b"\x00" * length == msgpack.packb([0] * length)


def test_a_group_is_mask_ids_and_a_column_for_each_bit() -> None:
    made = rows(2, x=1.5, owner=7, plan=3, name="a")
    assert Codec(Tank).group(0b0111, made) == [7, [1, 2], [7, 7], [96, 96], ["a", "a"]]
    assert Codec(Tank).group(0b1000, made) == [8, [1, 2], [3, 3]]


def test_columns_of_eight_rows_are_typed() -> None:
    _, ids, owners, xs, names = Codec(Tank).group(0b0111, rows(8, x=1000.0, owner=300))
    assert [column.code for column in (ids, owners, xs)] == [1, 3, 4]
    assert names == [""] * 8


def test_readers_are_kept_but_not_for_every_mask_there_is() -> None:
    kind: Any = EntityMeta("Wide", (Entity,), {f"f{n}": u8(n) for n in range(10)})
    made: Any = kind()
    made.id = 1
    codec = Codec(kind)
    for mask in [*range(1, 2**11), 5]:
        expected = [0 if bit == 0 else bit - 1 for bit in bits(mask)]
        assert codec.group(mask, [made]) == [mask, [1], *([value] for value in expected)]
        assert codec.group(mask, [made])[0] == mask
        assert len(codec._readers) <= READERS_MAX


def test_rounding_is_written_back() -> None:
    made = rows(2, x=1.503)
    Codec(Tank).group(0b0010, made)
    assert [exact(row.x) for row in made] == [exact(1.5)] * 2


def test_a_watch_sees_columns_that_are_rounded_to_a_grid_and_no_others() -> None:
    codec = Codec(Tank)
    told: list[str] = []
    codec.watch = RoundingWatch(told.append)
    (row,) = rows(1)
    for _ in range(SWALLOWED_TICKS + 1):
        row.x += 0.001
        codec.group(0b1111, [row])
    assert [line.split()[0] for line in told] == ["Tank.x"]


@pytest.mark.parametrize(
    ("field", "value", "wrong"),
    [
        ("x", float("nan"), "Tank.x of row 1: nan is not a finite number"),
        ("name", "much too long", "Tank.name of row 1: 'much too long' is not text of at most 8"),
        ("plan", "256", "Tank.plan of row 1: '256' is not a whole number from 0 to 255"),
        ("plan", 3.5, "Tank.plan of row 1: 3.5 is not a whole number from 0 to 255"),
        ("owner", 2**32, "Tank.owner of row 1: 4294967296 is not a row's id, or 0"),
    ],
)
def test_what_does_not_fit_is_the_games_fault_and_named(field: str, value: Any, wrong: str) -> None:
    with pytest.raises(GameError, match=wrong):
        Codec(Tank).group(0b1111, rows(3, **{field: value}))


def test_stored_columns_are_not_marked_as_written() -> None:
    codec, made = Codec(Tank), rows(2)
    for row in made:
        row._mask = 0
    codec.store(0b1011, made, [[5, 6], [64, -1], [1, 2]])
    assert [(row.owner, row.x, row.plan) for row in made] == [(5, 1.0, 1), (6, -1 / 64, 2)]
    assert [row._mask for row in made] == [0, 0]


def test_rows_are_grouped_by_mask_in_the_order_given() -> None:
    first, second, third = rows(3)
    groups = by_mask([(2, first), (1, second), (2, third)])
    assert list(groups.items()) == [(2, [first, third]), (1, [second])]


def test_a_chunk_comes_back() -> None:
    gone = list(range(1, 10))
    group = Codec(Tank).group(0b0011, rows(9, x=-2.0))
    table, left, (mask, ids, owners, xs) = unpack_stored(pack_chunk(3, gone, [group]))
    assert (table, left.tolist(), mask, ids.tolist()) == (3, gone, 0b0011, gone)
    assert (owners.tolist(), xs.tolist()) == ([0] * 9, [-128] * 9)


@given(st.binary(max_size=80))
def test_damaged_bytes_raise_value_error_alone(data: bytes) -> None:
    try:
        unpack_stored(data)
    except ValueError:
        pass
    else:
        assert data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        pack([1]) + b"\x00",
        b"\x92\x01",
        b"\x91" * 2000,
        b"\x81\x90\x01",
        b"\xa2\xff\xfe",
        b"\xd4\x09\x00",
        b"\xd5\x07\x00\x00",
        b"\xd6\xff\x00",
        b"\xc7\x0c\xff" + b"\xff" * 12,
    ],
)
def test_kinds_of_damage(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        unpack_stored(data)
