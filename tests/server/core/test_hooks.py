"""What is said of a game that raised: cut where it is long, and the place in the game's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from holdfast import Game, Inputs, Match
from server.core.hooks import HookFailed, cut, explain, place_in, place_of, with_place
from tests.server.core.yard import Ground, Yard

HERE = Path(__file__).name


class Asker(Game):
    """Asks the standard library for what it does not have."""

    def step(self, match: Match, inputs: Inputs[Any]) -> None:
        json.loads(chr(123))


class Lurker(Yard):
    """Its step is that of a file beside this one."""


def raised(game: Game) -> Exception:
    try:
        game.step(None, None)  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001 - whatever it is.
        return error
    raise AssertionError("it did not raise")


def line_of(text: str) -> int:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return 1 + next(n for n, line in enumerate(lines) if line.strip() == text)


def test_the_place_is_in_the_games_file_and_not_in_what_it_called() -> None:
    error = raised(Asker())
    place = f"{HERE}:{line_of('json.loads(chr(123))')}"
    assert place_in(Asker(), error) == place
    failure = HookFailed("step", Asker(), error)
    assert str(failure) == f"{failure.reason} ({place})"
    # A player learns what it was, and nothing of the file.
    assert failure.reason.startswith("Asker.step raised JSONDecodeError: Expecting")
    assert HERE not in failure.reason


def test_the_place_may_be_in_the_file_of_a_game_that_is_extended() -> None:
    assert place_in(Lurker(), raised(Lurker())).startswith("yard.py:")


def test_there_is_no_place_where_the_game_has_none() -> None:
    assert place_of(ValueError("never raised"), {"anywhere"}) == ""
    assert place_of(raised(Asker()), {"/another/folder"}) == ""
    assert with_place("it raised", "") == "it raised"


def test_a_syntax_error_says_itself_where_it_is() -> None:
    with pytest.raises(SyntaxError) as error:
        compile("a =\n", "/games/walk.py", "exec")
    assert place_of(error.value, ()) == "walk.py:1"


def test_a_long_reason_is_cut_between_two_words() -> None:
    assert cut("just right", 10) == "just right"
    assert cut("one two three", 9) == "one two…"
    assert cut("one two three", 8) == "one two…"
    assert cut("one two, three", 10) == "one two…"
    assert cut("unpronounceable", 8) == "unprono…"
    assert cut("a unpronounceable", 8) == "a unpro…"
    for bound in range(2, 60):
        assert len(cut("what does not fit is left out, with dots; words are whole", bound)) <= bound


def test_the_kind_of_exception_is_never_cut_off() -> None:
    text = explain(ValueError("word " * 1000))
    assert text.startswith("ValueError: word word")
    assert text.endswith("word…")
    assert len(text) <= 400
    assert explain(ValueError("two\nlines")) == "ValueError: two lines"


def test_a_room_of_a_game_that_raises_says_where() -> None:
    ground = Ground(Yard())
    ground.seat("Ada")
    ground.tick()
    ground.post("Ada", 1, trap=1)
    with pytest.raises(HookFailed, match=r"step fails \(yard\.py:\d+\)$"):
        ground.room.step()
