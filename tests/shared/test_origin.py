"""Which rules wrote a match's rows, and what of that can be read."""

from __future__ import annotations

from typing import Any

import pytest

from shared.origin import Origin
from shared.schema import describe, parse_fields
from tests.shared.later import LaterZoo
from tests.vectors.zoo import Zoo


def test_rows_of_the_same_rules_need_no_translation() -> None:
    origin = Origin(Zoo())
    assert (origin.stale, origin.older, origin.asks_alike) == (True, None, True)
    origin.read(["1", describe(Zoo(), hidden=True)])
    assert (origin.stale, origin.translation) == (False, None)
    assert origin.renew() is None
    chunks = [[2, [], [1, [5], [0]]]]
    assert origin.translated(chunks) is chunks


def test_rows_of_another_version_are_stale_though_their_fields_are_the_same() -> None:
    origin = Origin(Zoo())
    origin.read(["0", describe(Zoo(), hidden=True)])
    assert (origin.stale, origin.older, origin.translation) == (True, "0", None)
    assert origin.asks_alike
    assert origin.renew() == ["1", describe(Zoo(), hidden=True)]
    assert (origin.stale, origin.older) == (False, None)


def test_other_inputs_are_known_by_the_schema() -> None:
    origin = Origin(LaterZoo())
    origin.read(["1", describe(Zoo(), hidden=True)])
    assert (origin.older, origin.asks_alike) == ("1", False)
    assert origin.translation is not None


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ([1, describe(Zoo(), hidden=True)], "the version of the rules is no text"),
        (["1", [[["Room", 1, [[1, "x", 99, 0, 0]]]], [], [], []]], "not a schema"),
        (["1"], "not enough values"),
    ],
)
def test_what_says_no_rules_is_told(written: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Origin(Zoo()).read(written)


@pytest.mark.parametrize("entries", [7, [[0, "x", 99, 0, 0]], [[0, "x"]], [[0]]])
def test_what_is_no_list_of_fields_is_told(entries: Any) -> None:
    with pytest.raises(ValueError, match="not a list of fields"):
        parse_fields(entries)
