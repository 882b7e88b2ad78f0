"""The bounds hold together, and what a bound promises is so."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from shared import limits
from shared.fields import fixed
from shared.inputs import Input, InputMeta
from shared.messages import InputItem, InputMessage


def test_every_limit_is_a_positive_number() -> None:
    named = {name: value for name, value in vars(limits).items() if name.isupper()}
    assert len(named) > 30
    for name, value in named.items():
        assert type(value) in (int, float), name
        assert value > 0, name


def test_a_full_input_message_fits_the_limit() -> None:
    class Steer(Input):
        x: float = fixed(1 / 1024)
        y: float = fixed(1 / 1024)

    item = InputItem(limits.ENTITY_ID_MAX, Steer(x=500, y=-500).to_wire())
    full = InputMessage(2**53, (item,) * limits.INPUT_ITEMS_MAX)
    assert len(full.encode()) < limits.MESSAGE_BYTES_MAX


@pytest.mark.parametrize("scale", [1, 3, 7, 60, 100, 1000, 1024, 65536, 10**6, 2**31 - 1])
def test_fixed_numbers_up_to_the_limit_are_rounded_once_only(scale: int) -> None:
    most = limits.FIXED_WIRE_MAX
    made: Any = InputMeta("One", (Input,), {"value": fixed(1 / scale)})
    spec = made._fields["value"]
    for wire in (*range(most - 300, most + 1), *range(-most, 300 - most)):
        value = spec.value(wire)
        assert spec.wire(value) == wire
    with pytest.raises(ValueError, match="is not a finite number"):
        spec.value(most + 1)
    with pytest.raises(ValueError, match="is not a finite number"):
        spec.wire((most + 1) / scale)


def test_a_table_index_is_one_byte() -> None:
    assert len(msgpack.packb(limits.TABLES_MAX)) == 1
    assert len(msgpack.packb(limits.TABLES_MAX + 1)) == 2
