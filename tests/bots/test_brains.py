"""Brains are found where their games are; what is wrong with one is said."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from bots.brains import game_name, load_brain
from bots.shapes import Shapes
from bots.wanderer import Wanderer, draw
from holdfast import Input
from shared.columns import Kind
from shared.errors import ConfigError
from shared.fields import Field
from shared.schema import describe, parse
from shared.view import View
from tests.bots import arena

THINKER = "class {name}:\n    def think(self, view, rng):\n        return None\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the Python path, whose modules are forgotten afterwards."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def package(folder: Path, **files: str) -> None:
    here = folder / "somepkg"
    here.mkdir()
    (here / "__init__.py").write_text("")
    for name, text in files.items():
        (here / f"{name}.py").write_text(text)


def test_a_named_game_has_its_own_brain_and_every_bot_its_own_instance() -> None:
    one, two = load_brain("coins"), load_brain("coins")
    assert type(one).__module__ == "games.coins.brain"
    assert type(one) is type(two)
    assert one is not two


def test_a_game_without_a_brain_is_wandered_in() -> None:
    assert isinstance(load_brain("no_such_game"), Wanderer)
    assert isinstance(load_brain("wanderer"), Wanderer)


def test_a_module_brain_beside_the_game_comes_first(folder: Path) -> None:
    package(folder, mygame=THINKER.format(name="Inside"), brain=THINKER.format(name="Beside"))
    assert type(load_brain("somepkg.mygame:MyGame")).__name__ == "Beside"


def test_else_the_class_in_the_games_module(folder: Path) -> None:
    package(folder, mygame=THINKER.format(name="Inside"))
    assert type(load_brain("somepkg.mygame:MyGame")).__name__ == "Inside"


def test_a_module_brain_without_a_brain_does_not_count(folder: Path) -> None:
    package(folder, mygame=THINKER.format(name="Inside"), brain="thought = 1\n")
    assert type(load_brain("somepkg.mygame:MyGame")).__name__ == "Inside"


@pytest.mark.parametrize("suffix", ["", ":MyGame"])
def test_a_file_has_the_brain_it_defines(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / "mygame.py"
    base = THINKER.format(name="Base") + "class Better(Base): pass\n"
    file.write_text("from bots.wanderer import Wanderer\n" + base)
    assert type(load_brain(f"{file}{suffix}")).__name__ == "Better"
    assert game_name(f"{file}{suffix}") == "mygame"


def test_a_file_without_one_is_wandered_in(tmp_path: Path) -> None:
    (tmp_path / "mygame.py").write_text("x = 1\n")
    assert isinstance(load_brain(str(tmp_path / "mygame.py")), Wanderer)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_module_at_all\n", "ModuleNotFoundError"),
        ("def broken(:\n", "SyntaxError"),
        ("raise RuntimeError('not today')\n", "not today"),
        (THINKER.format(name="One") + THINKER.format(name="Two"), "One, Two"),
        ("class Odd:\n  def __init__(self, x): pass\n  def think(self, v, r): pass\n", "TypeError"),
    ],
)
def test_what_is_wrong_with_a_brain_is_said(folder: Path, text: str, said: str) -> None:
    package(folder, mygame=text, brain=text)
    for spec in ("somepkg.mygame:MyGame", str(folder / "somepkg" / "mygame.py")):
        with pytest.raises(ConfigError, match=said) as caught:
            load_brain(spec)
        assert spec in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("./no_such_file.py", "no such file"),
        ("no.such.module:Game", "no module no.such.module"),
        ("two words", "none of: a name"),
        ("", "none of: a name"),
    ],
)
def test_a_spec_that_names_nothing_is_refused(spec: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_brain(spec)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("coins", "coins"),
        ("./games/mine.py", "mine"),
        ("mypkg.mygame:MyGame", "mygame"),
        ("mypkg.chess.game:Chess", "chess"),
        ("mygame:MyGame", "mygame"),
    ],
)
def test_games_are_named_as_the_server_names_them(spec: str, name: str) -> None:
    assert game_name(spec) == name


def test_a_wanderer_plays_what_the_schema_says_and_holds_it() -> None:
    schema = parse(describe(arena.Field()))
    shapes, view = Shapes(schema), View(schema, 5)
    brain, rng = Wanderer(), Random(2)
    assert brain.think(view, rng) == (None, ())
    brain.learn(shapes)
    pushes: list[int] = []
    words: list[str] = []
    for tick in range(1, 3000):
        view.tick = tick
        sample, actions = brain.think(view, rng)
        assert isinstance(sample, Input)
        pushes.append(sample.to_wire()[0])
        words += [action.to_wire()[0] for action in actions]
    assert set(pushes) == set(range(-3, 4))
    changes = sum(a != b for a, b in pairwise(pushes))
    assert 2999 / 40 < changes < 2999 / 5
    assert 1 <= len(words) < 60
    assert all(0 < len(word) <= 20 for word in words)


def test_a_spectators_wanderer_sends_nothing() -> None:
    schema = parse(describe(arena.Field()))
    brain = Wanderer()
    brain.learn(Shapes(schema))
    assert brain.think(View(schema, 0), Random(1)) == (None, ())


@pytest.mark.parametrize(
    "field",
    [
        Field(Kind.FIXED, 0.0, scale=2, lo=0.6, hi=4.3),
        Field(Kind.FIXED, 0.0, scale=1024),
        Field(Kind.FIXED, 500.0, scale=1, lo=400),
        Field(Kind.FIXED, -900.0, scale=1, hi=-900),
        Field(Kind.ANGLE, 0.0, scale=32768 / 3.141592653589793),
        Field(Kind.INTEGER, 5, lo=5, hi=5),
        Field(Kind.INTEGER, 0, lo=-(2**31), hi=2**31 - 1),
        Field(Kind.TEXT, "", hi=1),
        Field(Kind.FLAG, False),
        Field(Kind.REF, 0, lo=0, hi=2**32 - 1),
        Field(Kind.F32, 0.0),
        Field(Kind.F64, 0.0),
    ],
)
def test_what_is_drawn_for_a_field_fits_it(field: Field) -> None:
    rng = Random(4)
    for _ in range(300):
        field.value(field.wire(draw(field, rng)))


def test_shapes_refuse_what_the_games_own_classes_would() -> None:
    shapes = Shapes(parse(describe(arena.Field())))
    assert shapes.input({"by": 2}).to_wire() == [2]
    assert shapes.input({}).to_wire() == [0]
    with pytest.raises(ValueError, match="by: 4 is not a whole number from -3 to 3"):
        shapes.input({"by": 4})
    with pytest.raises(TypeError, match="no field 'up'"):
        shapes.input({"up": 1})
    index, action = shapes.action("Say", {"words": "hi"})
    assert (index, action.to_wire()) == (0, ["hi"])
    assert shapes.action(arena.Say(words="ho"))[0] == 0
    with pytest.raises(ValueError, match="no action Sing; it has Say"):
        shapes.action("Sing")
