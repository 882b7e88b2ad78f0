"""The command line: what it refuses, what it exits with, what it explains."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from bots.__main__ import main
from bots.address import inputs_url, play_url
from bots.report import Tally, report
from shared.errors import ConfigError
from tests.bots.arena import Arena

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--url", "ftp://localhost:8080"], "has the scheme 'ftp'; expected ws://"),
        (["--url", "localhost"], "has no scheme; expected ws://"),
        (["--url", "ws://"], "names no host"),
        (["--url", "ws://localhost:99999"], "is no URL"),
        (["--url", "ws://127.0.0.1:1"], "ws://127.0.0.1:1/play: connection refused"),
        (["--game", "./nowhere.py"], "no such file"),
        (["--game", "no such"], "none of: a name"),
        (["--brain", "no.such:Brain"], "no module no.such"),
    ],
)
@pytest.mark.parametrize("command", ["play", "swarm"])
def test_what_cannot_begin_is_one_line_and_exit_2(
    command: str, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert len(told.err.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["dance"],
        ["swarm", "--count", "0"],
        ["swarm", "--count", "some"],
        ["swarm", "--seconds", "nan"],
        ["swarm", "--churn", "-1"],
        ["play", "--options", "bots"],
        ["play", "--name", ""],
        ["play", "--churn", "1"],
    ],
)
def test_a_wrong_word_on_the_command_line_is_exit_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage: python -m bots" in capsys.readouterr().err


def test_help_explains_every_key_of_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["swarm", "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for key in report(1, 1.0, [Tally()]).values:
        assert f"\n    {key} " in text


def test_addresses() -> None:
    assert play_url("ws://localhost:8080") == "ws://localhost:8080/play"
    assert play_url("wss://play.example/") == "wss://play.example/play"
    assert play_url("ws://[::1]:80/other?x=1") == "ws://[::1]:80/other?x=1"
    assert inputs_url("wss://h:1/play", "a/b") == "https://h:1/api/rooms/a%2Fb/inputs"
    with pytest.raises(ConfigError, match="port 0"):
        play_url("ws://localhost:0")


async def run(arena: Arena, *words: str, game: str = "field") -> tuple[int | None, str, str]:
    """`python -m bots` with these words, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bots", *words, "--url", arena.url, "--game", game,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_swarm_reports_json_and_exits_0(arena: Arena) -> None:
    code, out, err = await run(arena, "swarm", "--count", "3", "--seconds", "1.2", "--json")
    assert code == 0, err
    assert json.loads(out)["joined"] == 3
    assert "3/3 seated in 1 room " in err
    assert "FAILED" not in err


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_swarm_that_lost_inputs_names_them_and_exits_1(arena: Arena) -> None:
    arena.faults.forget_inputs = 2
    code, out, err = await run(arena, "swarm", "--count", "2", "--seconds", "0.5")
    assert code == 1
    assert "bots: FAILED: inputs_lost is 2, must be 0" in err
    assert "inputs_lost         2" in out


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_an_unknown_game_is_one_line_and_exit_2(arena: Arena) -> None:
    code, out, err = await run(arena, "play", game="chess")
    assert (code, out) == (2, "")
    assert err == "bots: the server refuses these bots: no such game (4404)\n"


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_bots_that_play_need_not_report(arena: Arena) -> None:
    code, out, err = await run(arena, "play", "--count", "2", "--seconds", "0.8")
    assert (code, out) == (0, "")
    assert "2/2 seated in 1 room " in err
