"""Games are found by name, class or file, and what is wrong with one is said in a sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from games.coins.game import Coins
from server.loading import load_game
from shared.errors import ConfigError

GOOD = '''"""Dots: push a dot about.

More of it.
"""

from holdfast import Entity, Game, Input, Inputs, Match, fixed


class Dot(Entity):
    x: float = fixed(1 / 64)


class Dots(Game):
    """One dot each."""

    entities = (Dot,)

    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        pass
'''
OTHER = GOOD + "\n\nclass More(Dots):\n    seats = 3\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with packages in it; what was imported is forgotten again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def wrong(spec: str) -> str:
    with pytest.raises(ConfigError) as raised:
        load_game(spec, "dots")
    return str(raised.value)


def test_a_name_is_a_game_of_ours() -> None:
    loaded = load_game("coins", "coins")
    assert type(loaded.game) is Coins
    assert loaded.description == "Coins: run about, pick up coins."
    assert loaded.source is not None
    assert loaded.source.name == "game.py"


def test_a_file_is_a_game_with_or_without_a_page(folder: Path) -> None:
    (folder / "dots.py").write_text(GOOD)
    loaded = load_game("./dots.py", "dots")
    assert type(loaded.game).__name__ == "Dots"
    assert (loaded.name, loaded.spec) == ("dots", "./dots.py")
    assert (loaded.source, loaded.web) == (folder / "dots.py", None)
    assert loaded.description == "Dots: push a dot about."
    (folder / "web").mkdir()
    assert load_game("dots.py", "dots").web is None, "a folder without a page is none"
    (folder / "web" / "index.html").write_text("")
    assert load_game("dots.py", "dots").web == folder / "web"


def test_a_class_is_found_in_a_file_and_in_a_module(folder: Path) -> None:
    (folder / "dots.py").write_text(OTHER)
    assert load_game("./dots.py:More", "dots").game.seats == 3
    assert load_game("./dots.py:Dots", "dots").game.seats == 16
    (folder / "mine").mkdir()
    (folder / "mine" / "dots.py").write_text(OTHER)
    assert load_game("mine.dots:More", "dots").game.seats == 3


def test_a_game_without_a_docstring_has_its_classes_or_none(folder: Path) -> None:
    text = GOOD.partition("from holdfast")
    (folder / "dots.py").write_text(text[1] + text[2])
    assert load_game("./dots.py", "dots").description == "One dot each."
    (folder / "bare.py").write_text((text[1] + text[2]).replace('    """One dot each."""\n', ""))
    # A class without a docstring has its base's, which is not about this game.
    assert load_game("./bare.py", "bare").description != "One dot each."


def test_a_saved_file_is_read_anew(folder: Path) -> None:
    path = folder / "dots.py"
    path.write_text(GOOD)
    assert load_game("./dots.py", "dots").game.seats == 16
    path.write_text(GOOD + "    seats = 5\n\n    _ = 'longer, so that no cache is believed'\n")
    assert load_game("./dots.py", "dots").game.seats == 5


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("nothing", "there is no module games.nothing.game; give a name (coins), a class"),
        ("nowhere.at_all:Game", "there is no module nowhere.at_all; give a name"),
        ("./nothing.py", "game './nothing.py': there is no such file"),
        ("some/where", "game 'some/where': there is no such file"),
        ("games.coins.game:Runner", "games.coins.game.Runner is no subclass of Game"),
        ("games.coins.game:Nobody", "games.coins.game.Nobody is no subclass of Game"),
        ("games.coins.game:__name__", "games.coins.game.__name__ is no subclass of Game"),
    ],
)
def test_a_spec_that_leads_nowhere_says_what_would(folder: Path, spec: str, said: str) -> None:
    assert said in wrong(spec)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "one subclass of Game is expected, there is none"),
        (OTHER, "one subclass of Game is expected, there is Dots, More"),
        ("import nothing_like_it\n", "does not load: ModuleNotFoundError: No module named"),
        ("def broken(:\n", "does not load: SyntaxError: invalid syntax (dots.py:1)"),
        ("\n1 / 0\n", "does not load: ZeroDivisionError: division by zero (dots.py:2)"),
        (
            "import json\njson.loads(chr(123))\n",
            "enclosed in double quotes: line 1 column 2 (char 1) (dots.py:2)",
        ),
        (GOOD.replace("x: float = fixed(1 / 64)", "x: float = 0.0"), "has no field kind"),
        (GOOD + "    seats = 0\n", "Dots.seats is 0; expected a whole number from 1 to 1000"),
        (GOOD + "    tick_rate = '20'\n", "Dots.tick_rate is '20'; expected a whole number"),
        (GOOD + "    entities = (Dot, Dot)\n", "two of its tables are called Dot; rename one"),
        (GOOD + "\n    def __init__(self, more: int) -> None: ...\n", "missing 1 required"),
    ],
)
def test_a_game_that_is_none_is_explained(folder: Path, text: str, said: str) -> None:
    (folder / "dots.py").write_text(text)
    message = wrong("./dots.py")
    assert message.startswith("game './dots.py'")
    assert said in message
    assert "\n" not in message


def test_a_file_elsewhere_finds_its_neighbours_and_hides_no_module(folder: Path) -> None:
    (folder / "games").mkdir()
    (folder / "games" / "json.py").write_text("raise ImportError('not this one')\n")
    (folder / "games" / "pace_of_dots.py").write_text("SEATS = 7\n")
    source = GOOD + "    import json\n    from pace_of_dots import SEATS as seats\n"
    (folder / "games" / "dots.py").write_text(source)
    assert load_game("games/dots.py", "dots").game.seats == 7


def test_a_module_that_fails_is_told_from_one_that_is_missing(folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "bad.py").write_text("import nothing_like_it\n")
    assert wrong("mine.bad:Bad").endswith(
        "does not load: ModuleNotFoundError: No module named 'nothing_like_it' (bad.py:1)"
    )
    (folder / "mine" / "worse.py").write_text("1 / 0\n")
    assert wrong("mine.worse:Bad").endswith(
        "does not load: ZeroDivisionError: division by zero (worse.py:1)"
    )


def test_a_file_of_another_kind_is_refused(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "dots.txt").write_text(GOOD)
    assert wrong("sub/dots.txt").endswith("is no Python file; its name should end in .py")
