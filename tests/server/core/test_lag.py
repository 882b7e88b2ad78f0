"""A shot at what is on a late screen: judged at the tick that was seen it hits, else it misses.

The game is the one of docs/GAMES.md; between its room and a client's session lies a line on which
every message takes its time, in ticks of 50 ms.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any, cast

import pytest

from holdfast import Game, Match
from server.core.fanout import Fanout
from server.core.inbox import Item, decode_items
from server.core.journal import encode_record, restore
from server.core.post import Asked, decode_letter, encode_letter
from server.core.room import Room, SeatRequest
from server.loading import load_game
from shared.from_client import decode_from_client
from shared.messages import InputMessage, Join, Welcome
from shared.schema import describe
from shared.session import ClientSession, ServerSession
from tests.docs.pages import blocks, page

NONCE = bytes(16)
LIMITS = (16_384, 64, 8, 128)


@pytest.fixture(scope="module")
def aim(tmp_path_factory: pytest.TempPathFactory) -> Game:
    """The game of the page."""
    path: Path = tmp_path_factory.mktemp("aim") / "aim.py"
    [block] = [block for block in blocks(page("GAMES.md")) if block.file == "aim.py"]
    path.write_text(block.text, encoding="utf-8")
    return load_game(str(path), "aim").game


def without_past(game: Game) -> Game:
    """The same rules, which judge a shot by the rows of now."""
    [target] = game.entities

    class Blind(type(game)):  # type: ignore[misc]
        def act(self, match: Match, player: Any, action: Any) -> None:
            player.shots += 1
            player.hits += sum(
                abs(row.x - action.x) <= 0.25 for row in cast("Any", match.all(target))
            )

    blind: Game = Blind()
    return blind


class Shooter:
    """A room, and one player behind a line; shots are aimed at the target on the screen.

    `up` and `down` are ticks under way, `behind` how many ticks the screen is drawn late, and
    `claim` how many ticks behind what is held the client says (and aims as if) its screen was.
    """

    def __init__(self, game: Game, *, up: int, down: int, behind: int = 0) -> None:
        self.room = Room("lag", Match(game, game.options(), seed=1), epoch=1)
        self.records: list[bytes] = []
        self.up, self.down, self.behind = up, down, behind
        self.rising: deque[tuple[int, bytes]] = deque()
        self.falling: deque[tuple[int, bytes]] = deque()
        self.xs: dict[int, float] = {}
        self.session = ClientSession(Join(NONCE, "aim", {}, "Ada"))
        self.room.join(SeatRequest(NONCE, "Ada"))
        step = self.room.step()
        self.records.append(encode_record(step.commit))
        self.player = step.seated[NONCE]
        self.room.present.add(self.player)
        limits = (*LIMITS, game.rewind_ticks)
        hello = Welcome(b"t", "lag", 1, self.player, 20, 1, describe(game), limits)
        self.session.receive(hello.encode())
        self.server = ServerSession(self.player, 0, 0, 1, step.commit.tick)

    @property
    def row(self) -> Any:
        return self.room.match.players[0]

    def run(self, ticks: int, *, shoots: bool = True) -> None:
        for _ in range(ticks):
            now = self.room.match.tick
            while self.rising and self.rising[0][0] <= now:
                self._take(self.rising.popleft()[1])
            step = self.room.step()
            self.records.append(encode_record(step.commit))
            frame = Fanout(self.room.match, step.commit).frame(self.server)
            self.falling.append((now + self.down, frame))
            while self.falling and self.falling[0][0] <= now:
                self._see(self.falling.popleft()[1], shoots)

    def _take(self, payload: bytes) -> None:
        message = decode_from_client(payload)
        assert isinstance(message, InputMessage)
        fresh = self.server.take(message, self.server.base)
        self.room.submit(self.player, decode_items(self.room.game, fresh, message.held))

    def _see(self, frame: bytes, shoots: bool) -> None:
        self.session.receive(frame)
        view = self.session.view
        assert view is not None
        self.xs[view.tick] = view.all("Target")[0].x
        drawn = view.tick - self.behind
        if shoots and drawn in self.xs:
            shot: Any = self.room.game.actions[0]
            told = drawn if self.behind else None
            self.session.post(None, [(0, shot(x=self.xs[drawn]))], told)
        for payload in self.session.outbox:
            self.rising.append((self.room.match.tick + self.up, payload))
        self.session.outbox.clear()


# 150 ms are three ticks: as a ping, and as the time of each way.
@pytest.mark.parametrize(("up", "down"), [(1, 2), (2, 1), (3, 3)])
@pytest.mark.parametrize("behind", [0, 1, 3])
def test_a_shooter_at_150_ms_hits_what_is_in_the_sights(
    aim: Game, up: int, down: int, behind: int
) -> None:
    shooter = Shooter(aim, up=up, down=down, behind=behind)
    shooter.run(200)
    assert shooter.row.shots > 180
    assert shooter.row.hits == shooter.row.shots


@pytest.mark.parametrize("behind", [0, 3])
def test_the_same_shots_judged_by_the_rows_of_now_miss(aim: Game, behind: int) -> None:
    shooter = Shooter(without_past(aim), up=1, down=2, behind=behind)
    # One way across: where the target turns, it comes back to where it was.
    shooter.run(24)
    assert shooter.row.shots > 15
    assert shooter.row.hits == 0


def test_a_screen_drawn_late_that_does_not_say_so_misses(aim: Game) -> None:
    shooter = Shooter(aim, up=1, down=2, behind=2)
    shooter.session.welcome = Welcome(b"t", "lag", 1, shooter.player, 20, 1, None)
    shooter.run(24)
    assert shooter.row.shots > 15
    assert shooter.row.hits == 0


def test_beyond_the_bound_shots_miss_and_at_the_bound_they_hit(aim: Game) -> None:
    reach = aim.rewind_ticks
    assert reach == 10
    # A message takes a tick even where the line takes none: it is sent after a step.
    for late, hits in ((reach - 1, True), (reach, False), (reach + 3, False)):
        shooter = Shooter(aim, up=late - 4, down=4)
        shooter.run(26)
        assert shooter.row.shots > 10
        assert shooter.row.hits == (shooter.row.shots if hits else 0), late


def test_whoever_claims_to_have_seen_what_is_long_gone_is_held_to_the_bound(aim: Game) -> None:
    shooter = Shooter(aim, up=0, down=0, behind=aim.rewind_ticks)
    shooter.run(24)
    assert shooter.row.shots == 0 or shooter.row.hits == 0
    assert shooter.row.shots > 8
    fair = Shooter(aim, up=0, down=0, behind=aim.rewind_ticks - 1)
    fair.run(24)
    assert fair.row.hits == fair.row.shots > 8


def test_what_was_seen_travels_in_letters_to_an_owner_elsewhere(aim: Game) -> None:
    kind: Any = aim.actions[0]
    shot = kind(x=2)
    asked = Asked(7, (Item(3, None, (shot,), 41), Item(4, aim.input(), (), 0)))
    assert decode_letter(encode_letter("edge", [asked], aim), aim) == ("edge", [asked])


def test_shots_are_judged_alike_by_whoever_takes_the_room_over(aim: Game) -> None:
    def hits(*, moves: bool) -> tuple[int, int, list[bytes]]:
        shooter = Shooter(aim, up=1, down=2, behind=1)
        shooter.run(60)
        if moves:
            match = restore(aim, aim.options(), 1, [], shooter.records)
            shooter.room = Room("lag", match, epoch=2)
            shooter.room.present.add(shooter.player)
        shooter.run(60)
        return shooter.row.hits, shooter.row.shots, shooter.records

    stayed, moved = hits(moves=False), hits(moves=True)
    assert stayed == moved
    assert stayed[0] == stayed[1] > 100
