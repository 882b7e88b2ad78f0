"""Actions on their way: as many go with an item as fit in a message."""

from __future__ import annotations

from typing import Any

import pytest

from bots.actions import Actions
from shared.chunks import pack
from shared.fields import text
from shared.inputs import Action, InputMeta
from shared.limits import ACTION_BYTES_MAX, ACTIONS_PER_ITEM_MAX, MESSAGE_BYTES_MAX
from shared.messages import InputItem, InputMessage

Say: Any = InputMeta("Say", (Action,), {"words": text(9000)})


async def test_short_actions_go_together_and_long_ones_one_by_one() -> None:
    actions = Actions()
    for length in (3000, 3000, 3000, 8000, *(2,) * 9):
        actions.ask(0, Say(words="é" * (length // 2)))
    counts: list[int] = []
    while actions.next:
        wire = tuple([index, *action.to_wire()] for index, action in actions.next)
        item = InputItem(len(counts) + 1, None, wire)
        assert len(InputMessage(1, (item,)).encode()) <= MESSAGE_BYTES_MAX
        counts.append(len(wire))
        actions.posted(item.seq)
    assert sum(counts) == 13
    assert counts == [2, 1, ACTIONS_PER_ITEM_MAX, 2]


async def test_what_fits_in_no_message_is_refused_where_it_is_asked_for() -> None:
    actions = Actions()
    longest = "é" * ((ACTION_BYTES_MAX - 5) // 2)
    actions.ask(0, Say(words=longest))
    assert len(actions.next) == 1
    with pytest.raises(ValueError, match="fits in no message"):
        actions.ask(0, Say(words=longest + "éé"))
    assert len(pack([0, longest])) <= ACTION_BYTES_MAX
