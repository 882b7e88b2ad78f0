"""A match's result: JSON that every reader takes for the same, measured as it is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import GameError
from shared.limits import INTEGER_MAX, RESULT_BYTES_MAX
from shared.result import result_text

exact = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-INTEGER_MAX, INTEGER_MAX),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(), max_size=9),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@given(exact)
def test_a_result_is_read_back_as_it_was_given(result: Any) -> None:
    text = result_text(result)
    assert json.loads(text) == result
    text.encode()


def test_a_line_for_each_of_a_hundred_players_fits_in_any_script() -> None:
    names = ["игрок-" + "ж" * 15 + f"{number:03d}" for number in range(100)]
    lines = [{"name": n, "team": 0, "score": 1, "kills": 0, "deaths": 0} for n in names]
    assert len(json.dumps(lines)) > RESULT_BYTES_MAX
    assert names[99] in result_text(lines)


@pytest.mark.parametrize("letter", ["a", "ж", "漢", "😀"])
def test_the_limit_is_in_bytes_of_utf_8(letter: str) -> None:
    fitting = (RESULT_BYTES_MAX - 2) // len(letter.encode())
    assert len(result_text(letter * fitting).encode()) <= RESULT_BYTES_MAX
    with pytest.raises(GameError, match=r"is 163\d\d bytes of JSON; at most 16384"):
        result_text(letter * (fitting + 1))


def test_half_of_a_surrogate_pair_is_kept_as_an_escape() -> None:
    assert result_text("é \ud83d") == '"é \\ud83d"'


def nested(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("result", "wrong"),
    [
        ({1, 2}, "must be JSON"),
        (float("nan"), "must be JSON"),
        ([float("inf")], "must be JSON"),
        (nested(5000), "must be JSON"),
        (INTEGER_MAX + 1, r"result is beyond 2\*\*53; give it as text"),
        ({"scores": [1, -(2**64)]}, r"result\['scores'\]\[1\] is beyond"),
        ({"a": {"b": [[10**30]]}}, r"result\['a'\]\['b'\]\[0\]\[0\] is beyond"),
    ],
)
def test_what_cannot_be_kept_is_named_with_its_place(result: object, wrong: str) -> None:
    with pytest.raises(GameError, match=wrong):
        result_text(result)
