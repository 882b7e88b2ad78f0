"""What a match may hold: judged by rows where that is enough, by bytes where it is not."""

from __future__ import annotations

import pytest

from holdfast import Action, Entity, Match, Player, f64, text
from server.core.capacity import Capacity, row_bytes_max, size_of
from server.core.hooks import HookFailed
from server.core.journal import encode_checkpoint
from shared.limits import FRAME_BYTES_MAX, MATCH_BYTES_MAX, MATCH_ROWS_MAX, ROWS_MAX
from shared.match import Commit
from tests.server.core.yard import Ground, Say, Yard


class Cell(Entity):
    a: float = f64(1.5)
    b: float = f64(2.5)
    c: float = f64(3.5)
    d: float = f64(1.25)


class Cell2(Cell):
    """As many again."""


class Cell3(Cell):
    """And again."""


class Cell4(Cell):
    """One class too many."""


class Scroll(Entity):
    words: str = text(16_000)


class Store(Yard):
    """Fills classes with `cells N` and `fourth`, adds `scrolls N`, lengthens `words N`."""

    entities = (*Yard.entities, Cell, Cell2, Cell3, Cell4, Scroll)

    def act(self, match: Match, player: Player, action: Action) -> None:
        assert isinstance(action, Say)
        what, _, number = action.words.partition(" ")
        if what in ("cells", "fourth"):
            for kind in (Cell, Cell2, Cell3)[: int(number)] if number else (Cell4,):
                for _ in range(ROWS_MAX):
                    match.spawn(kind())
        elif what == "scrolls":
            for _ in range(int(number)):
                match.spawn(Scroll(words="x" * 16_000))
        elif what == "words":
            for scroll in match.all(Scroll)[: int(number)]:
                scroll.words = "é" * 16_000


def asked(ground: Ground, words: str) -> str:
    """What became of a wish of Ada's: "" where it was applied, else why it was refused."""
    ground.post("Ada", None, words)
    try:
        step = ground.tick()
    except HookFailed as failure:
        step = ground.without(failure.reason)
    return "".join(refusal.reason for refusal in step.commit.refusals)


def stored(ground: Ground) -> int:
    return len(encode_checkpoint(ground.match))


def test_a_match_holds_so_many_rows_of_all_classes_and_says_so() -> None:
    ground = Ground(Store())
    ground.seat("Ada")
    assert asked(ground, "cells 3") == ""
    held = sum(ground.match.count(kind) for kind in (Cell, Cell2, Cell3))
    assert held == 3 * ROWS_MAX <= MATCH_ROWS_MAX
    reason = asked(ground, "fourth")
    assert reason == f"Cell4: the match has {MATCH_ROWS_MAX} rows, the most; despawn some"
    assert sum(len(table.rows) for table in ground.match.tables) == MATCH_ROWS_MAX
    assert asked(ground, "scrolls 1").startswith("Scroll: the match has")
    assert asked(ground, "words 1") == "", "and the room goes on without more"


def test_a_match_holds_so_many_bytes_and_says_so() -> None:
    ground = Ground(Store())
    ground.seat("Ada")
    fit = MATCH_BYTES_MAX // 16_100
    assert asked(ground, f"scrolls {fit}") == ""
    assert MATCH_BYTES_MAX * 0.97 < stored(ground) < FRAME_BYTES_MAX
    reason = asked(ground, "scrolls 12")
    assert f"bytes; at most {MATCH_BYTES_MAX}" in reason
    assert ground.match.count(Scroll) == fit
    # What grows in rows that are there is measured as well.
    assert f"bytes; at most {MATCH_BYTES_MAX}" in asked(ground, "words 40")
    assert asked(ground, "words 1") == ""
    assert stored(ground) < FRAME_BYTES_MAX


def test_a_row_is_never_stored_in_more_than_its_bound() -> None:
    ground = Ground(Store())
    ground.seat("Ada")
    before = size_of(ground.match.snapshot())
    asked(ground, "cells 2")
    asked(ground, "scrolls 20")
    asked(ground, "words 20")
    grown = size_of(ground.match.snapshot()) - before
    bound = 2 * ROWS_MAX * row_bytes_max(Cell) + 20 * row_bytes_max(Scroll)
    assert bound / 2 < grown < bound


def test_only_a_match_that_may_be_too_large_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = Ground(Store())
    ground.seat("Ada")
    measured: list[int] = []
    snapshot = Match.snapshot

    def counted(match: Match) -> Commit:
        measured.append(match.tick)
        return snapshot(match)

    monkeypatch.setattr(Match, "snapshot", counted)
    capacity = Capacity()
    asked(ground, "cells 3")
    capacity.check(ground.match, ground.tick().commit)
    assert measured == [], "60,000 rows of 40 bytes fit, whatever is in them"
    asked(ground, "scrolls 300")
    assert len(measured) == 1
    for _ in range(50):
        ground.post("Ada", 1)
        ground.tick()
    assert len(measured) == 1, "small ticks do not fill what was spare"
