"""The past of a match: exact, bounded, read only, and there again after a restart."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast import (
    OWNER,
    SERVER,
    Entity,
    Game,
    GameError,
    Inputs,
    Match,
    Player,
    Room,
    angle,
    fixed,
    u8,
)
from server.core.journal import encode_checkpoint, encode_record, restore
from shared.errors import ConfigError

REACH = 5


class Mark(Entity):
    x: float = fixed(1 / 4)
    heading: float = angle()
    card: int = u8(to=OWNER)
    plan: int = u8(to=SERVER)


class Wall(Entity):
    x: float = fixed(1 / 4)


class Archer(Player):
    score: int = u8()


class Range(Game):
    entities = Mark, Wall
    past_entities: tuple[type[Entity], ...] = (Mark, Archer)
    player = Archer
    rewind_ticks_max = REACH

    def step(self, match: Match, inputs: Inputs[Any]) -> None:
        """Move every mark, spawn one every third tick, and let the oldest of more than three go."""
        for mark in match.all(Mark):
            if mark.id % 2:
                mark.x += 0.3
                mark.heading += 1
                mark.plan = match.tick % 200
        if match.tick % 3 == 0:
            match.spawn(Mark(x=match.tick, owner=match.players[0], card=7))
        marks = match.all(Mark)
        if len(marks) > 3:
            match.despawn(marks[0])
        match.players[0].score = match.tick % 200


class Present(Range):
    past_entities = ()


class Run:
    """A match that is played, its journal, and what its rows were after each tick."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.match = Match(game, game.options(), seed=3)
        self.records: list[bytes] = []
        self.checkpoints: list[bytes] = []
        self.were: dict[int, str] = {}
        self.match.begin_tick()
        self.match.spawn(game.room())
        self.match.spawn(Archer(name="Ada"))
        self.match.spawn(Mark())
        self.end()

    def end(self) -> None:
        self.records.append(encode_record(self.match.commit()))
        self.were[self.match.tick] = said(self.match)

    def play(self, ticks: int) -> None:
        for _ in range(ticks):
            self.match.begin_tick()
            self.game.step(self.match, Inputs(self.game.input(), {}))
            self.end()


def said(rows: Any) -> str:
    """Every field of the marks and the players, the hidden ones too."""
    return repr([rows.all(Mark), rows.all(Player)]).replace("Past", "")


def test_a_past_tick_has_the_rows_it_had_to_the_last_field() -> None:
    run = Run(Range())
    assert REACH < 20
    for _ in range(20):
        run.match.begin_tick()
        tick = run.match.tick
        for back in range(1, min(REACH, tick - 1) + 1):
            moment = run.match.past(tick - back)
            assert moment.tick == tick - back
            assert said(moment) == run.were[tick - back]
        run.game.step(run.match, Inputs(run.game.input(), {}))
        # What the tick under way wrote is not the past of anything.
        assert said(run.match.past(tick - 1)) == run.were[tick - 1] != said(run.match)
        run.end()
    assert len(set(run.were.values())) == len(run.were), "the ticks can be told apart"


def test_further_back_is_the_oldest_there_is_and_the_tick_under_way_the_newest() -> None:
    run = Run(Range())
    run.play(20)
    run.match.begin_tick()
    tick = run.match.tick
    for asked, given in (
        (0, tick - REACH),
        (-7, tick - REACH),
        (tick - REACH - 1, tick - REACH),
        (tick - REACH, tick - REACH),
        (tick, tick - 1),
        (tick + 100, tick - 1),
    ):
        assert run.match.past(asked).tick == given
        assert said(run.match.past(asked)) == run.were[given]


def test_before_the_first_commit_there_is_nothing() -> None:
    match = Match(Range(), Range().options(), seed=3)
    match.begin_tick()
    moment = match.past(1)
    assert (moment.tick, moment.all(Mark), moment.one(Mark), moment.count(Archer)) == (
        0,
        [],
        None,
        0,
    )
    assert match.seen(2) == 0


def test_rows_that_are_gone_are_in_the_past_and_new_ones_are_not() -> None:
    run = Run(Range())
    run.match.begin_tick()
    old = run.match.all(Mark)[0]
    run.match.despawn(old)
    new = run.match.spawn(Mark(x=9, owner=2))
    run.end()
    run.match.begin_tick()
    before, after = run.match.past(1), run.match.past(2)
    was = before.get(Mark, old.id)
    assert was is not None
    assert isinstance(was, Mark)
    assert (was.id, before.get(Mark, new.id), before.count(Mark)) == (old.id, None, 1)
    assert after.get(Mark, old.id) is None
    assert after.one(Mark, owner=2) == after.get(Mark, new.id)
    assert [row.x for row in after.all(Mark, owner=run.match.players[0])] == [9.0]
    assert after.all(Mark, owner=0) == []
    assert [row.name for row in after.all(Player)] == [row.name for row in after.all(Archer)]


def test_what_was_is_only_read() -> None:
    run = Run(Range())
    run.play(3)
    run.match.begin_tick()
    row = run.match.past(run.match.tick - 1).all(Mark)[0]
    for key in ("x", "owner", "colour"):
        with pytest.raises(GameError, match=f"PastMark.{key}: what was is only read"):
            setattr(row, key, 1)
    with pytest.raises(GameError, match="spawned before"):
        run.match.spawn(row)
    with pytest.raises(GameError, match=r"PastMark is not in Range\.entities"):
        run.match.despawn(row)


def test_only_what_is_named_is_kept_and_a_tick_shares_what_stood_still() -> None:
    run = Run(Range())
    run.play(6)
    run.match.begin_tick()
    moment, earlier = (run.match.past(run.match.tick - back) for back in (1, 2))
    with pytest.raises(GameError, match="Wall is not in past_entities; add it there"):
        moment.all(Wall)
    with pytest.raises(GameError, match="Room is not in past_entities"):
        moment.one(Room)
    still = [mark for mark in moment.all(Mark) if mark.id % 2 == 0 and earlier.get(Mark, mark.id)]
    assert still
    assert all(earlier.get(Mark, mark.id) is mark for mark in still)


def test_a_game_that_names_nothing_keeps_nothing_and_is_told_so() -> None:
    run = Run(Present())
    run.play(4)
    assert run.match._past is None
    assert run.game.rewind_ticks == 0
    run.match.saw(2, 1)
    with pytest.raises(GameError, match="write `past_entities = Tank,`"):
        run.match.past(3)
    with pytest.raises(GameError, match=r"Present\.past_entities names no rows"):
        run.match.seen(2)


@pytest.mark.parametrize("with_checkpoint", [False, True])
def test_a_restored_match_has_the_same_past_and_goes_on_alike(with_checkpoint: bool) -> None:
    run = Run(Range())
    run.play(2)
    run.checkpoints.append(encode_checkpoint(run.match))
    run.play(30)
    held = run.checkpoints if with_checkpoint else []
    again = restore(run.game, run.game.options(), 3, held, run.records)
    for match in (run.match, again):
        match.begin_tick()
    for back in range(REACH + 3):
        mine, theirs = (match.past(match.tick - back) for match in (run.match, again))
        assert (mine.tick, said(mine)) == (theirs.tick, said(theirs))


def test_what_a_checkpoint_does_not_tell_is_clamped_to_it() -> None:
    run = Run(Range())
    run.play(10)
    tick = run.match.tick
    again = restore(run.game, run.game.options(), 3, [encode_checkpoint(run.match)], [])
    again.begin_tick()
    assert said(again.past(0)) == said(again.past(tick)) == run.were[tick]
    assert again.past(0).tick == tick


def test_what_a_player_saw_is_bounded_and_stays_as_far_behind() -> None:
    run = Run(Range())
    run.play(20)
    match = run.match
    match.begin_tick()
    tick, ada = match.tick, match.players[0]
    assert match.seen(ada) == tick - 1, "nothing was said"
    for said_tick, seen in (
        (tick - 3, tick - 3),
        (tick - REACH, tick - REACH),
        (1, tick - REACH),
        (tick - 1, tick - 1),
        (tick, tick - 1),
        (tick + 9, tick - 1),
        (0, tick - 1),
    ):
        match.saw(ada.id, said_tick)
        assert match.seen(ada) == match.seen(ada.id) == seen
    match.saw(ada.id, tick - 3)
    match.commit()
    match.begin_tick()
    assert match.seen(ada) == tick - 2, "a held input was asked for as far behind"
    match.despawn(ada)
    assert match.seen(ada.id) == match.tick - 1


def test_the_settings_are_checked() -> None:
    def wrong(**settings: Any) -> str:
        game = type("Wrong", (Range,), settings)()
        with pytest.raises(ConfigError) as caught:
            game.check()
        return str(caught.value)

    Range().check()
    assert "Wrong.past_entities must be a tuple" in wrong(past_entities=Mark)
    assert "holds 3; expected a class of Entity" in wrong(past_entities=(3,))
    assert wrong(past_entities=(Wall,), entities=(Mark,)) == (
        "Wrong.past_entities holds Wall, which is not in Wrong.entities; add it there"
    )
    for reach in (0, 129, 2.5, True):
        text = f"Wrong.rewind_ticks_max is {reach!r}; expected a whole number from 1 to 128"
        assert wrong(rewind_ticks_max=reach) == text
    rates = [
        type("Any", (Range,), {"rewind_ticks_max": None, "tick_rate": r})() for r in (1, 20, 128)
    ]
    assert [game.rewind_ticks for game in rates] == [1, 10, 64]
