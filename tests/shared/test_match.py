"""A match: its rows, its chance, and what a tick of it leaves behind."""

from __future__ import annotations

from typing import Any

import pytest

from shared.entities import Entity, Event, Player, Room
from shared.errors import Full, GameError
from shared.fields import OWNER, SERVER, text, u8
from shared.game import Game, Inputs
from shared.history import Refusal
from shared.limits import (
    ENTITY_ID_MAX,
    MATCH_ROWS_MAX,
    ROWS_MAX,
    SPAWNS_BURST,
    SPAWNS_PER_S,
)
from shared.match import NOTHING, Chunks, Match
from shared.rounding import RoundingWatch
from tests.shared.ends import follower_of, opened
from tests.shared.reference import whole


class Arena(Room):
    phase: int = u8(3)


class Driver(Player):
    score: int = u8()
    result: str = text(9, "none")


class Car(Entity):
    speed: int = u8()
    fuel: int = u8(9, to=OWNER)
    plan: int = u8(to=SERVER)


class Boom(Event):
    size: int = u8()


class Unlisted(Entity):
    pass


class Race(Game):
    entities = Car, Boom
    room = Arena
    player = Driver
    event_ticks = 3

    def start(self, match: Match) -> None:
        match.spawn(Car(speed=7))

    def join(self, match: Match, player: Player) -> None:
        match.spawn(Car(owner=player))

    def step(self, match: Match, inputs: Inputs[Any]) -> None:
        """Nothing happens by itself."""


class Open(Game):
    """A game that hides nothing."""

    entities = (Boom,)


def begun(players: int = 2) -> Match:
    """A match at tick 1 with a room and players, not yet committed."""
    match = Match(Race(), Race().options(), seed=5)
    match.spawn(Arena())
    for number in range(players):
        match.spawn(Driver(name=f"p{number}"))
    match.begin_tick()
    return match


def test_chunks_are_laid_end_to_end() -> None:
    assert Chunks.of([b"ab", b"c"]) == Chunks(2, b"abc")
    assert Chunks.of([]) is NOTHING


def test_rows_get_rising_ids_and_tables_keep_their_order() -> None:
    match = begun()
    assert match.room.id == 1
    assert [player.id for player in match.players] == [2, 3]
    assert [player.owner for player in match.players] == [2, 3]
    cars = [match.spawn(Car(owner=owner)) for owner in (2, 0, 3, 2)]
    assert [car.id for car in cars] == [4, 5, 6, 7]
    assert match.room.next_id == 8
    assert match.dt == 1 / 20


def test_rows_are_found() -> None:
    match = begun()
    cars = [match.spawn(Car(owner=owner)) for owner in (2, 0, 3, 2)]
    ada = match.players[0]
    assert match.all(Car) == cars
    assert match.all(Car, owner=2) == match.all(Car, owner=ada) == [cars[0], cars[3]]
    assert match.one(Car) is cars[0]
    assert match.one(Car, owner=3) is cars[2]
    assert match.one(Car, owner=99) is None
    assert match.one(Boom) is None
    assert match.get(Car, 5) is cars[1]
    assert match.get(Car, 1) is None
    assert (match.count(Car), match.count(Boom)) == (4, 0)
    # A game's own classes stand for the plain ones.
    assert match.all(Player) == match.all(Driver) == match.players
    assert match.one(Room) is match.room


def test_despawning_twice_does_nothing_and_rows_may_go_while_they_are_walked() -> None:
    match = begun()
    for _ in range(4):
        match.spawn(Car())
    for car in match.all(Car):
        match.despawn(car)
        match.despawn(car)
    match.despawn(Car())
    assert match.count(Car) == 0


def test_misuse_names_the_remedy() -> None:
    match = begun()
    car = match.spawn(Car())
    with pytest.raises(GameError, match="was spawned before; make a new one"):
        match.spawn(car)
    with pytest.raises(GameError, match=r"Unlisted is not in Race\.entities; add it there"):
        match.spawn(Unlisted())
    with pytest.raises(GameError, match="Unlisted is not in"):
        match.all(Unlisted)


def test_a_class_has_so_many_rows_at_most() -> None:
    match = begun()
    match.tables[2].rows = dict.fromkeys(range(ROWS_MAX), Car())
    with pytest.raises(GameError, match=f"Car: {ROWS_MAX} rows at most; despawn some"):
        match.spawn(Car())


def test_all_classes_together_have_so_many_rows_at_most() -> None:
    match = begun()
    match.commit()
    held = sum(len(table.rows) for table in match.tables)
    match.tables[3].rows = {n: Boom(born=1) for n in range(100, 99 + MATCH_ROWS_MAX - held)}
    match.begin_tick()
    car = match.spawn(Car())
    with pytest.raises(Full, match=f"Car: the match has {MATCH_ROWS_MAX} rows, the most"):
        match.spawn(Car())
    match.despawn(car)
    match.despawn(car)
    match.spawn(Car())
    with pytest.raises(GameError, match="despawn some"):
        match.spawn(Car())


def test_spawning_is_bounded_over_ticks_however_soon_rows_go() -> None:
    match = begun()
    spawned = ticks = 0

    def spawn_and_despawn_for_ever() -> None:
        nonlocal spawned, ticks
        while True:
            ticks += 1
            for _ in range(10_000):
                match.despawn(match.spawn(Car()))
                spawned += 1
            match.commit()
            match.begin_tick()

    with pytest.raises(Full, match="65536 rows were spawned of late; from here on 5000 a second"):
        spawn_and_despawn_for_ever()
    per_tick = SPAWNS_PER_S // match.game.tick_rate
    assert SPAWNS_BURST < spawned <= SPAWNS_BURST + per_tick * ticks
    match.commit()
    match.begin_tick()
    for _ in range(per_tick):
        match.spawn(Car())
    with pytest.raises(Full):
        match.spawn(Car())


def test_the_last_id_can_be_committed_and_no_other_follows() -> None:
    match = begun()
    match.room.next_id = ENTITY_ID_MAX - 1
    assert match.spawn(Car()).id == ENTITY_ID_MAX - 1
    with pytest.raises(GameError, match="this room has used up its ids"):
        match.spawn(Car())
    match.commit()
    assert match.room.next_id == ENTITY_ID_MAX


def test_chance_is_of_the_seed_and_the_tick() -> None:
    one, same, other = begun(), begun(), Match(Race(), Race().options(), seed=6)
    assert one.rng is one.rng
    first = one.rng.random()
    assert same.rng.random() == first
    one.begin_tick()
    assert one.rng.random() != first
    other.begin_tick()
    assert other.rng.random() != first


def test_events_last_so_many_ticks() -> None:
    match = begun()
    old = match.spawn(Boom())
    assert (match.tick, old.born) == (1, 1)
    match.begin_tick()
    young = match.spawn(Boom())
    match.begin_tick()
    assert match.all(Boom) == [old, young]
    match.begin_tick()
    assert match.all(Boom) == [young]
    match.begin_tick()
    assert match.all(Boom) == []


def test_a_commit_holds_each_audience_apart() -> None:
    match = begun()
    match.commit()
    match.begin_tick()
    match.spawn(Car(owner=2))
    match.spawn(Car())
    refusal = Refusal(2, 5, 1, "no")
    commit = match.commit([refusal])
    assert (commit.tick, commit.refusals) == (2, (refusal,))
    assert [chunk[0] for chunk in opened(commit.public)] == [2]
    assert {owner: chunks.count for owner, chunks in commit.owners.items()} == {2: 1, 0: 1}
    assert [chunk[0] for chunk in opened(commit.server)] == [0, 2]
    assert match.history.refusals(2, 1) == [refusal]


def test_an_idle_tick_is_empty() -> None:
    match = begun()
    match.commit()
    match.begin_tick()
    commit = match.commit()
    assert (commit.public, commit.owners, commit.server) == (NOTHING, {}, NOTHING)
    assert match.delta(1) is NOTHING
    assert match.delta_owned(1, 2) is NOTHING


def test_what_cannot_be_committed_is_named() -> None:
    match = begun()
    car = match.spawn(Car(speed=256.5))  # type: ignore[arg-type]
    with pytest.raises(
        GameError, match=rf"Car\.speed of row {car.id}: 256.5 is not a whole number"
    ):
        match.commit()


def test_rounding_may_be_watched_in_every_table() -> None:
    match, watch = begun(), RoundingWatch(print)
    match.watch_rounding(watch)
    assert [table.codec.watch for table in match.tables] == [watch] * 4


def test_a_delta_is_for_those_it_concerns() -> None:
    match = begun()
    mine, theirs = match.spawn(Car(owner=2)), match.spawn(Car(owner=3))
    match.commit()
    match.begin_tick()
    mine.fuel = theirs.fuel = 5
    gone = match.spawn(Car())
    match.commit()
    match.begin_tick()
    match.despawn(gone)
    match.commit()
    assert opened(match.delta(1)) == [[2, [gone.id]]]
    assert opened(match.delta_owned(1, 2)) == [[2, [], [0b0100, [mine.id], [5]]]]
    assert opened(match.delta_owned(1, 3)) == [[2, [], [0b0100, [theirs.id], [5]]]]
    assert match.delta_owned(1, 0) is NOTHING
    assert match.delta_owned(0, 99) is NOTHING
    assert [chunk[0] for chunk in opened(match.delta(0))] == [0, 1, 2]


def test_a_game_without_owners_columns_has_none_to_send() -> None:
    match = Match(Open(), Open().options(), seed=1)
    match.spawn(Room())
    match.spawn(Player())
    assert not match.has_owned_columns
    assert begun().has_owned_columns
    match.begin_tick()
    match.commit()
    assert match.delta_owned(0, 2) is NOTHING


def test_a_snapshot_restores_a_match() -> None:
    match = begun()
    for number in range(9):
        match.spawn(Car(owner=number % 3, plan=number))
    match.spawn(Boom())
    match.commit()
    follower = follower_of(match)
    assert whole(follower) == whole(match)
    assert follower.tick == match.tick
    assert not follower.history.reaches(0)
    # Chance goes on from the seed and the tick taken in.
    begun_alike = Match(match.game, match.options, seed=1)
    begun_alike.begin_tick()
    assert follower.rng.random() == begun_alike.rng.random()


def test_a_record_is_remembered_where_it_follows() -> None:
    match = begun()
    match.commit()
    follower = follower_of(match)
    refusal = Refusal(2, 1, 0, "skipped")
    match.begin_tick()
    match.players[0].score = 4
    commit = match.commit([refusal])
    follower.apply(commit.tick, opened(commit.public), [refusal], follows=True)
    assert follower.players[0].score == 4
    assert follower.history.reaches(1)
    assert follower.history.refusals(2, 1) == [refusal]


def test_a_finished_match_has_a_result() -> None:
    match = begun()
    match.finish({"winner": "Ada", "laps": [1, 2]})
    assert (match.room.finished, match.room.result) == (1, '{"winner": "Ada", "laps": [1, 2]}')
    with pytest.raises(GameError, match=r"called before; match\.restart\(\) begins anew"):
        match.finish(None)


def test_a_match_is_not_restarted_in_the_tick_of_its_end() -> None:
    match = begun()
    match.finish("over")
    with pytest.raises(GameError, match="finished in this tick; restart it in a later one"):
        match.restart()
    match.commit()
    match.begin_tick()
    match.restart()
    assert match.room.match_number == 2


def test_a_restart_keeps_players_and_begins_anew() -> None:
    match = begun()
    match.spawn(Boom())
    match.room.phase = 9
    match.finish("over")
    match.room.open = False
    match.commit()
    match.begin_tick()
    for player in match.players:
        player.score, player.result, player.team, player.input_seq = 5, "won", 2, 77
    match.restart()
    assert (match.room.phase, match.room.finished, match.room.result) == (3, 0, "")
    assert (match.room.match_number, match.room.open) == (2, True)
    assert [(car.speed, car.owner) for car in match.all(Car)] == [(7, 0), (0, 2), (0, 3)]
    assert match.count(Boom) == 0
    for player in match.players:
        assert (player.score, player.result) == (0, "none")
        assert (player.name[:1], player.team, player.input_seq) == ("p", 2, 77)
