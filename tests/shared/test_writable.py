"""Rows are written in a tick's hooks; anywhere else a write raises and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.entities import Entity, Event, Player, Room
from shared.errors import GameError
from shared.fields import f64, text, u8
from shared.game import Game
from shared.match import Match
from shared.schema import describe
from tests.shared.ends import follower_of, opened, take_in
from tests.shared.reference import whole


class Hall(Room):
    phase: int = u8()


class Crate(Entity):
    weight: float = f64()
    label: str = text(9)


class Thud(Event):
    pass


class Store(Game):
    entities = Crate, Thud
    room = Hall


def begun() -> Match:
    """A match with a player and two crates, at tick 1, committed."""
    game = Store()
    match = Match(game, game.options(), 1)
    match.begin_tick()
    match.spawn(Hall())
    ada = match.spawn(Player(name="Ada"))
    match.spawn(Crate(owner=ada, label="tea"))
    match.spawn(Crate())
    match.commit()
    return match


def crate(match: Match) -> Any:
    return match.all(Crate)[0]


WRITES: dict[str, Callable[[Match], object]] = {
    "a number": lambda match: setattr(crate(match), "weight", 9.5),
    "a text": lambda match: setattr(crate(match), "label", "coffee"),
    "an owner": lambda match: setattr(crate(match), "owner", 0),
    "an owner by row": lambda match: setattr(match.all(Crate)[1], "owner", match.players[0]),
    "the room's row": lambda match: setattr(match.room, "phase", 3),
    "a lock": lambda match: setattr(match.room, "open", False),
    "a player's row": lambda match: setattr(match.players[0], "team", 2),
    "what does not fit": lambda match: setattr(crate(match), "label", "far too long for it"),
    "spawn": lambda match: match.spawn(Crate()),
    "an event": lambda match: match.spawn(Thud()),
    "despawn": lambda match: match.despawn(crate(match)),
    "finish": lambda match: match.finish({"winner": "Ada"}),
    "restart": lambda match: match.restart(),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("of", ["the owner's match", "a follower's"])
def test_between_ticks_a_write_raises_and_changes_nothing(
    write: Callable[[Match], object], of: str
) -> None:
    owned = begun()
    match = owned if of == "the owner's match" else follower_of(owned)
    before = whole(match)
    for _ in range(2):
        with pytest.raises(GameError, match="written in start, migrate, join, leave, act and step"):
            write(match)
    assert whole(match) == before
    assert [(table.dirty, table.fresh, table.gone) for table in match.tables] == (
        [([], {}, [])] * len(match.tables)
    )
    match.begin_tick()
    # A follower's first tick as the owner writes every row, as they were.
    chunks = opened(match.commit().public)
    assert len(chunks) == (0 if match is owned else 3)
    assert whole(match) == before


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_in_the_next_tick_the_same_write_is_journaled(write: Callable[[Match], object]) -> None:
    match = begun()
    follower = follower_of(match)
    before = whole(match)
    match.begin_tick()
    if write is WRITES["what does not fit"]:
        write(match)
        with pytest.raises(GameError, match="not text of at most 9"):
            match.commit()
        return
    write(match)
    take_in(follower, match.commit())
    assert whole(follower) == whole(match) != before


def test_a_follower_that_takes_over_writes_in_its_tick() -> None:
    match = begun()
    heir = follower_of(match)
    heir.begin_tick()
    crate(heir).weight = 4.0
    take_in(match, heir.commit())
    assert crate(match).weight == 4.0
    with pytest.raises(GameError, match=r"Crate 3: rows are written in"):
        crate(match).weight = 5.0


def test_reading_and_writing_what_is_there_already_is_no_write() -> None:
    match = begun()
    tea = crate(match)
    tea.label = "tea"
    tea.owner = match.players[0]
    assert (tea.label, match.count(Crate), match.room.phase) == ("tea", 2, 0)
    assert len(describe(match.game)[0]) == 4


def test_a_new_row_is_filled_in_anywhere_and_a_despawned_one_is_the_matchs_no_more() -> None:
    match = begun()
    fresh = Crate()
    fresh.weight = 2.0
    tea = crate(match)
    match.begin_tick()
    match.despawn(tea)
    match.commit()
    tea.label = "none"
    match.begin_tick()
    assert opened(match.commit().public) == []


def test_after_a_commit_that_failed_rows_are_only_read() -> None:
    match = begun()
    match.begin_tick()
    crate(match).weight = float("nan")
    with pytest.raises(GameError, match="nan"):
        match.commit()
    with pytest.raises(GameError, match="written in start"):
        match.all(Crate)[1].weight = 1.0


def test_a_match_laid_out_by_hand_is_open_and_may_be_opened_again() -> None:
    game = Store()
    match = Match(game, game.options(), 1)
    match.spawn(Hall()).phase = 1
    match.commit()
    with pytest.raises(GameError, match="written in start"):
        match.room.phase = 2
    match.open_rows()
    match.room.phase = 2
    match.begin_tick()
    assert opened(match.commit().public)[0][2][-1] == [2]
