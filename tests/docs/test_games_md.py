"""Every block of docs/GAMES.md is run, and what the page says of errors and limits is so."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bots.brains import load_brain
from holdfast import Game, Match, View
from server.core.hooks import HookFailed
from server.core.lobby import BOTS_MAX
from server.core.room import Room
from server.loading import load_game
from shared import limits
from shared.errors import ConfigError
from shared.schema import describe, parse
from tests.docs.pages import ROOT, blocks, page, table
from tests.docs.serving import serving

PAGE = page("GAMES.md")
BLOCKS = blocks(PAGE)
COMMANDS = [line for block in BLOCKS if block.language == "sh" for line in block.text.splitlines()]
SERVERS = [command for command in COMMANDS if "-m server" in command]
BOTS = [command for command in COMMANDS if "-m bots" in command]
LANGUAGES = {"python", "sh", "html", "js", "text"}

Mistake = tuple[str, str]


def arguments(command: str) -> list[str]:
    """The words of a command behind `python -m PACKAGE`."""
    python, dash, _, *rest = shlex.split(command)
    assert (python, dash) == ("python", "-m")
    return rest


def pairs(title: str) -> list[Mistake]:
    """What was written and what is said of it, of one block of errors."""
    (block,) = (block for block in BLOCKS if block.title == title)
    return [
        (wrong, said)
        for wrong, said in (pair.split("\n") for pair in block.text.strip().split("\n\n"))
    ]


def room_of(game: Game, *, bots: int = 1) -> Room:
    return Room("room", Match(game, game.options(), seed=5), epoch=1, bots=bots)


def test_every_block_is_of_a_kind_that_is_run() -> None:
    assert {block.language for block in BLOCKS} == LANGUAGES
    assert len(SERVERS) + len(BOTS) == len(COMMANDS)
    unnamed = [b for b in BLOCKS if b.language in ("html", "js") and b.file is None]
    assert unnamed == []
    assert {b.title for b in BLOCKS if b.language == "text"} == {"at the start", "in a match"}


@pytest.mark.parametrize(
    "source",
    [block.text for block in BLOCKS if block.language == "python" and block.file is None],
    ids=lambda source: "block",
)
def test_a_block_without_a_name_runs(source: str) -> None:
    made: dict[str, object] = {"__name__": "block"}
    exec(compile(source, "GAMES.md", "exec"), made)
    assert len(made) > 2


@pytest.mark.parametrize("name", ["walk", "guess", "fog", "aim"])
def test_a_game_of_the_page_plays_with_its_bots(
    name: str, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # fog.py imports walk.py from beside it.
    monkeypatch.setattr(sys, "path", [str(written), *sys.path])
    monkeypatch.delitem(sys.modules, "walk", raising=False)
    room = room_of(load_game(str(written / f"{name}.py"), name).game, bots=3)
    for _ in range(100):
        room.step()
    assert (room.match.tick, len(room.match.players)) == (100, 3)


def test_the_brain_of_the_page_goes_to_the_middle(written: Path) -> None:
    path = str(written / "walk.py")
    brain = load_brain(path)
    assert type(brain).__name__ == "Stroller"
    game = load_game(path, "walk").game
    room = room_of(game)
    room.step()
    view = View(parse(describe(game)), room.match.players[0].id)
    assert brain.think(view, room.match.rng) is not None


def test_the_test_of_the_page_passes_and_can_fail(written: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_walk.py"]

    def run() -> subprocess.CompletedProcess[str]:
        # Compiled files are told apart by the second they were saved in, which is too coarse here.
        environ = {"PYTHONPATH": f"{ROOT}:{written}", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            command, cwd=written, env=environ, capture_output=True, text=True, check=False
        )

    passed = run()
    assert passed.returncode == 0, passed.stdout
    walk = written / "walk.py"
    walk.write_text(walk.read_text("utf-8").replace("asked.x * 4", "asked.x * 5"), "utf-8")
    failed = run()
    assert failed.returncode == 1, failed.stdout


def test_a_match_of_guessing_ends_with_a_result_and_begins_anew(written: Path) -> None:
    game = load_game(str(written / "guess.py"), "guess").game
    match = room_of(game).match
    match.begin_tick()
    match.spawn(game.room())
    game.start(match)
    ada: Any = match.spawn(game.player(name="Ada"))
    game.join(match, ada)
    guess: Any = game.actions[0]
    for _ in range(match.options.rounds):
        game.act(match, ada, guess(number=match.room.secret))
    match.commit()
    assert match.room.finished == 1
    assert match.room.result == '{"winner": "Ada"}'
    while match.room.finished:
        match.begin_tick()
        game.step(match, None)  # type: ignore[arg-type]
        match.commit()
    assert (match.tick, match.room.round, ada.score) == (101, 1, 0)


@pytest.mark.slow
def test_the_commands_of_the_page_run(written: Path) -> None:
    # Every server of the page is started; the last serves walk, and bots and visitor come to it.
    for command in reversed(SERVERS):
        with serving([*arguments(command), "--digest-ticks", "10"], written) as served:
            names = [game["name"] for game in served.ask("/api/status")["games"]]
            assert names == re.findall(r"\./(\w+)\.py", command)
    with serving([*arguments(SERVERS[0]), "--digest-ticks", "10"], written) as served:
        for command in BOTS:
            words = re.sub(r"--seconds \d+|--count \d+", "", command)
            few = ["--count", "3", "--seconds", "1", "--url", served.url]
            flags = arguments(words)
            ran = subprocess.run(
                [sys.executable, "-m", "bots", *flags, *few],
                cwd=written, env={"PYTHONPATH": str(ROOT)},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert ran.returncode == 0, ran.stderr
            assert "3/3 seated" in ran.stderr
        visit = (written / "visit.py").read_text("utf-8")
        assert "ws://localhost:8080" in visit
        visited = subprocess.run(
            [sys.executable, "-c", visit.replace("ws://localhost:8080", served.url)],
            cwd=written, env={"PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert visited.returncode == 0, visited.stderr
        owner, x, _ = visited.stdout.splitlines()[-1].split()
        assert int(owner) > 0
        assert float(x) > 4
        assert served.get("/games/walk/web/index.html").startswith(b"<!-- web/index.html -->")


START = {
    "speed: float = 4.0": ("class Step(Input)", "    speed: float = 4.0\n\n\nclass Step(Input)"),
    "x: float = fixed(0.3)": ("x: float = fixed(1 / 64)", "x: float = fixed(0.3)"),
    "entities = Walker": ("entities = (Walker,)", "entities = Walker"),
    "tick_rate = 200": ("    input = Step\n", "    input = Step\n    tick_rate = 200\n"),
    "class Other(Game): ...": ("import Random\n", "import Random\n\nclass Other(Game): ...\n"),
}
MATCH = {
    "walker.speed = 4": "for walker in match.all(Walker): walker.speed = 4",
    "self.speed = 4": "self.speed = 4",
    "walker.x = math.nan": "import math\n        for w in match.all(Walker): w.x = math.nan",
    "match.spawn(Coin())": "class Coin(Entity): ...\n        match.spawn(Coin())",
    "Step(x=2)": "Step(x=2)",
}


@pytest.mark.parametrize(("wrong", "said"), pairs("at the start"))
def test_a_mistake_is_told_at_the_start(wrong: str, said: str, written: Path) -> None:
    path = written / "walk.py"
    old, new = START[wrong]
    source = path.read_text("utf-8")
    assert old in source
    path.write_text(source.replace(old, new, 1), "utf-8")
    with pytest.raises(ConfigError) as error:
        load_game(str(path), "walk")
    # Where a line raised while the file was read, its number follows.
    assert re.search(rf"{re.escape(said)}( \(walk\.py:\d+\))?$", str(error.value))


@pytest.mark.parametrize(("wrong", "said"), pairs("in a match"))
def test_a_mistake_is_told_in_a_match(wrong: str, said: str, written: Path) -> None:
    path = written / "walk.py"
    hook = "    def step(self, match: Match, inputs: Inputs[Step]) -> None:\n"
    source = path.read_text("utf-8").replace(hook, f"{hook}        {MATCH[wrong]}\n")
    path.write_text(source, "utf-8")
    room = room_of(load_game(str(path), "walk").game)
    with pytest.raises(HookFailed) as error:
        room.step()
    pattern = ".*".join(map(re.escape, said.split("…")))
    assert re.fullmatch(rf"{pattern}( \(walk\.py:\d+\))?", str(error.value)), str(error.value)
    assert re.fullmatch(pattern, error.value.reason), "players are not told the place"


def test_the_settings_are_those_of_a_game() -> None:
    words = {"the game's name": "", "one second": None, "half a second": None, '"1"': "1", "()": ()}
    listed = {name: default for name, default, _ in table(PAGE, "## Settings and limits")}
    assert listed
    for name, default in listed.items():
        expected = words[default] if default in words else float(default)
        assert getattr(Game, name) == expected, name


def test_the_limits_are_those_of_the_code() -> None:
    section = PAGE.partition("| limit | value |\n|---|---|\n")[2]
    rows = section.partition("\n\n")[0].splitlines()
    numbers = [int(re.sub(r"[,±]|\(.*\)", "", row.split("|")[2])) for row in rows]
    assert numbers == [
        limits.FIELDS_MAX,
        limits.TABLES_MAX,
        limits.ROWS_MAX,
        limits.MATCH_ROWS_MAX,
        limits.SPAWNS_BURST,
        limits.ENTITY_ID_MAX - 1,
        limits.TEXT_CHARS_MAX,
        limits.RESULT_BYTES_MAX,
        limits.INTEGER_MAX,
        limits.ACTIONS_PER_ITEM_MAX,
        BOTS_MAX,
    ]
