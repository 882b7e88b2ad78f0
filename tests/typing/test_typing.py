"""What an author writes passes both type checkers strictly, and what is wrong does not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from shared.game import Inputs
from shared.match import Match
from tests.typing.sample_game import Car, Driver, Laps, Race, Steer, think

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
GOOD = ("games", str(HERE / "sample_game.py"))
WRONG = HERE / "wrong_game.py.txt"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """A tool's run in the project's root, over what its configuration says."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


def mypy(*paths: str) -> tuple[set[tuple[str, int]], str]:
    """Where mypy finds errors, and all it says."""
    done = run("mypy", "--no-pretty", "--hide-error-context", "--no-color-output", *paths)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    errors = [line.split(":", 3) for line in done.stdout.splitlines() if ": error: " in line]
    return {(Path(path).name, int(line)) for path, line, *_ in errors}, done.stdout


@pytest.fixture(scope="module")
def have_pyright() -> None:
    """Pyright needs Node, and comes over the network where it is not installed yet."""
    if shutil.which("node") is None:
        pytest.skip("pyright needs Node, and there is none on the PATH")
    if run("pyright", "--version").returncode:
        pytest.skip("pyright is not installed")


def pyright(*paths: str) -> tuple[set[tuple[str, int]], str]:
    """Where pyright finds errors, and all it says."""
    done = run("pyright", "--outputjson", *paths)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = [
        entry
        for entry in json.loads(done.stdout)["generalDiagnostics"]
        if entry["severity"] == "error"
    ]
    places = {(Path(e["file"]).name, e["range"]["start"]["line"] + 1) for e in found}
    return places, json.dumps(found, indent=1)


def wrong_lines(folder: Path) -> tuple[str, set[tuple[str, int]]]:
    """The mistaken game as a Python file, and where its mistakes are."""
    source = WRONG.read_text(encoding="utf-8")
    file = folder / "wrong_game.py"
    file.write_text(source, encoding="utf-8")
    marked = {
        (file.name, number)
        for number, line in enumerate(source.splitlines(), 1)
        if line.endswith("# wrong")
    }
    assert len(marked) > 20
    return str(file), marked


def test_mypy_passes_what_is_right() -> None:
    errors, said = mypy(*GOOD)
    assert not errors, said


def test_mypy_finds_each_mistake_and_no_other(tmp_path: Path) -> None:
    file, marked = wrong_lines(tmp_path)
    errors, said = mypy(file)
    assert errors == marked, said


@pytest.mark.usefixtures("have_pyright")
def test_pyright_passes_what_is_right() -> None:
    errors, said = pyright(*GOOD)
    assert not errors, said


@pytest.mark.usefixtures("have_pyright")
def test_pyright_finds_each_mistake_and_no_other(tmp_path: Path) -> None:
    file, marked = wrong_lines(tmp_path)
    errors, said = pyright(file)
    assert errors == marked, said


def test_the_sample_is_a_game_that_plays() -> None:
    race = Race()
    race.check()
    match = Match(race, Laps(laps=2), seed=Random(1).getrandbits(128))
    match.spawn(race.room())
    ada = match.spawn(Driver(name="Ada"))
    race.start(match)
    race.join(match, ada)
    for _ in range(3):
        match.begin_tick()
        race.step(match, Inputs(Steer(), {ada.id: Steer(turn=1)}))
        match.commit()
    (car,) = match.all(Car)
    assert match.room.phase == 2
    assert car.x == pytest.approx(2.0, abs=0.01)
    assert callable(think)
