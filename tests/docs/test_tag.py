"""examples/tag.py, a game written from docs/GAMES.md alone: its rules, and bots that play it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from holdfast import Game, Inputs, Match
from server.loading import load_game
from tests.docs.pages import ROOT
from tests.docs.serving import serving

TAG = ROOT / "examples" / "tag.py"


@pytest.fixture(scope="module")
def game() -> Game:
    return load_game(str(TAG), "tag").game


def begin(game: Game, players: int) -> Match:
    match = Match(game, game.options(), seed=3)
    match.begin_tick()
    match.spawn(game.room())
    game.start(match)
    for number in range(players):
        game.join(match, match.spawn(game.player(name=f"Player {number}")))
    match.commit()
    match.open_rows()
    return match


def run(match: Match, ticks: int = 1) -> None:
    for _ in range(ticks):
        match.begin_tick()
        match.game.step(match, Inputs(match.game.input(), {}))
        match.commit()
    match.open_rows()


def runners(match: Match) -> list[Any]:
    return match.all(match.game.entities[0])


def test_it_tags_who_is_near_and_is_safe_for_a_while(game: Game) -> None:
    match = begin(game, 3)
    one, two, three = runners(match)
    one.x = one.y = 0
    two.x = two.y = three.x = three.y = 9
    run(match)
    assert match.room.it == one.id
    two.x = two.y = 0.5
    run(match)
    assert match.room.it == two.id
    run(match, 20)
    assert match.room.it == two.id
    assert one.safe_until > match.tick
    run(match, 20)
    assert [player.ticks_it for player in match.players][2] == 0
    assert sum(player.ticks_it for player in match.players) == match.tick - 1


def test_a_round_ends_with_a_loser_and_the_next_begins(game: Game) -> None:
    match = begin(game, 2)
    one, two = runners(match)
    one.x, two.x = -9, 9
    run(match, 60 * game.tick_rate)
    assert json.loads(match.room.result) == {"loser": "Player 0"}
    run(match, 8 * game.tick_rate)
    assert match.room.finished == 0
    assert [player.ticks_it for player in match.players] == [0, 0]
    assert len(runners(match)) == 2


def test_when_it_leaves_somebody_else_is_it(game: Game) -> None:
    match = begin(game, 2)
    run(match)
    one, two = runners(match)
    leaver = match.get(game.player, one.owner)
    assert leaver is not None
    game.leave(match, leaver)
    match.despawn(leaver)
    run(match)
    assert match.room.it == two.id


@pytest.mark.slow
def test_bots_play_it(tmp_path: Path) -> None:
    flags = ["--store", "memory:", "--games", str(TAG), "--digest-ticks", "10"]
    with serving(flags, tmp_path) as served:
        command = [sys.executable, "-m", "bots", "swarm", "--game", str(TAG), "--count", "4"]
        command += ["--seconds", "5", "--options", "bots=2", "--url", served.url, "--json"]
        swarm = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert swarm.returncode == 0, swarm.stderr
        found = json.loads(swarm.stdout)
        (room,) = served.ask("/api/rooms")["rooms"]
    assert found["divergence"] == 0
    assert found["digests"] > 0
    assert room["bots"] == 2
    assert room["game"] == "tag"
