"""The laws of the state, over random games played at random.

Exact: rows + deltas == rows to the bit, for a match and for a view. Hidden: nobody holds what it
may not see. Merged: k deltas are one. Agreed: both ends compute the same digest.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.chunks import bits
from shared.digest import Layout, owned_digest, public_digest
from shared.fields import OWNER, SERVER
from shared.game import Game
from shared.limits import HISTORY_TICKS
from shared.match import Match
from shared.messages import Frame, decode_from_server
from shared.schema import describe
from shared.tables import Table
from tests.shared.ends import eyes, follower_of, framed, opened, show, started, take_in, view_of
from tests.shared.games import games
from tests.shared.reference import digest, exactly, held, seen, whole
from tests.vectors.zoo import Beast, Card, Nest, Zoo

exhaustive = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
seeds = st.integers(0, 2**32)


@exhaustive
@given(games(), seeds, st.integers(0, 24), st.integers(1, 12))
def test_a_match_restored_from_a_snapshot_and_deltas_is_the_match(
    game: Game, seed: int, rows: int, ticks: int
) -> None:
    play = started(game, seed, rows)
    followers = [follower_of(play.match)]
    for _ in range(ticks):
        commit = play.tick()
        for follower in followers:
            take_in(follower, commit)
            assert whole(follower) == whole(play.match)
        followers.append(follower_of(play.match))
    assert all(whole(follower) == whole(play.match) for follower in followers)


@exhaustive
@given(games(), seeds, st.integers(0, 24), st.integers(1, 6))
def test_a_follower_that_takes_over_goes_on_as_the_owner_would(
    game: Game, seed: int, rows: int, ticks: int
) -> None:
    play = started(game, seed, rows)
    heir = follower_of(play.match)
    for _ in range(ticks):
        take_in(heir, play.tick())
    state = play.rng.getstate()
    old = [play.tick() for _ in range(ticks)]
    died, play.match = play.match, heir
    play.rng.setstate(state)
    new = [play.tick() for _ in range(ticks)]
    assert whole(heir) == whole(died)
    assert [commit.tick for commit in new] == [commit.tick for commit in old]
    follower = follower_of(heir)
    assert whole(follower) == whole(died)


@exhaustive
@given(games(), seeds, st.integers(0, 24), st.integers(1, 12), st.booleans())
def test_views_hold_what_they_may_see_to_the_bit_and_their_digests_agree(
    game: Game, seed: int, rows: int, ticks: int, remote: bool
) -> None:
    play = started(game, seed, rows)
    match = play.match
    layout = Layout.of_match(match)
    # An edge on another process sends from its follower; where the host is, from the match.
    source = follower_of(match) if remote else match
    views = {player: view_of(match, player) for player in eyes(match)}
    for number in range(ticks):
        if number:
            commit = play.tick()
            if remote:
                take_in(source, commit)
        tables = [table.rows for table in source.tables]
        shared = public_digest(layout, tables)
        for player in eyes(match):
            view = views.setdefault(player, view_of(match, player))
            anew = number % 4 == 3
            show(view, framed(source, 0 if anew else view.tick, player))
            assert exactly(held(view)) == exactly(seen(match, player))
            crc = digest(match, player)
            assert view.digest() == crc
            assert owned_digest(layout, tables, player, shared) == crc


@exhaustive
@given(games(), seeds, st.integers(0, 12), st.integers(2, 12))
def test_one_merged_delta_is_as_good_as_all_of_them(
    game: Game, seed: int, rows: int, ticks: int
) -> None:
    play = started(game, seed, rows)
    match = play.match
    whole_frames: list[dict[int, bytes]] = []
    for _ in range(ticks):
        play.tick()
        whole_frames.append({player: framed(match, 0, player) for player in eyes(match)})
    for frames in whole_frames:
        for player, frame in frames.items():
            view = view_of(match, player)
            show(view, frame)
            if view.tick < match.tick:
                show(view, framed(match, view.tick, player))
            assert exactly(held(view)) == exactly(seen(match, player))


def test_a_delta_reaches_back_to_any_of_the_last_128_ticks_and_no_further() -> None:
    play = started(Zoo(), 3, 10)
    match = play.match
    players = eyes(match)
    frames: dict[int, dict[int, bytes]] = {}
    for _ in range(HISTORY_TICKS + 20):
        frames[match.tick] = {player: framed(match, 0, player) for player in players}
        play.tick()
    bases = [tick for tick in frames if match.history.reaches(tick)]
    assert bases == list(range(match.tick - HISTORY_TICKS, match.tick))
    for base in bases:
        for player in players:
            view = view_of(match, player)
            show(view, frames[base][player])
            show(view, framed(match, base, player))
            assert exactly(held(view)) == exactly(seen(match, player))
            assert view.digest() == digest(match, player)


@exhaustive
@given(games(), seeds, st.integers(0, 16), st.integers(1, 8))
def test_no_byte_of_a_hidden_column_is_sent(game: Game, seed: int, rows: int, ticks: int) -> None:
    play = started(game, seed, rows)
    match = play.match
    schema = describe(game)
    names = {(name, field[1]) for name, _, fields in schema[0] for field in fields}
    for kind in game.kinds:
        for name, field in kind._fields.items():
            assert ((kind.__name__, name) in names) == (field.to is not SERVER)
    for _ in range(ticks):
        base = match.tick
        play.tick()
        for player in eyes(match):
            for start in (base, 0):
                _assert_nothing_hidden(match, player, framed(match, start, player))


def _assert_nothing_hidden(match: Match, player: int, payload: bytes) -> None:
    frame = decode_from_server(payload)
    assert isinstance(frame, Frame)
    for index, _, *groups in frame.chunks:
        table: Table = match.tables[int(index)]
        specs = list(table.kind._fields.values())
        for mask, ids, *columns in groups:
            assert len(columns) == len(bits(mask))
            for bit in bits(mask):
                if bit:
                    assert specs[bit - 1].to is not SERVER
                    if specs[bit - 1].to is OWNER:
                        assert player
                        assert {table.rows[number].owner for number in ids} == {player}


def test_a_secret_is_in_the_bytes_of_its_owner_alone() -> None:
    play = started(Zoo(), 5, 8)
    match = play.match
    for tick in range(40):
        base = match.tick
        match.begin_tick()
        for row in match.all(Beast):
            row.plan = f"PLAN{tick}"
            row.dream = f"dream-{row.id}"
            row.owner = play.rng.choice(eyes(match))
        match.commit()
        for player in eyes(match):
            for start in (base, 0):
                payload = framed(match, start, player)
                assert b"PLAN" not in payload
                for row in match.all(Beast):
                    mine = player != 0 and row.owner == player
                    # Written again with the same text, it is sent only where it is news.
                    assert mine or f"dream-{row.id}".encode() not in payload
                    assert not (mine and start == 0) or f"dream-{row.id}".encode() in payload


def test_an_owner_of_before_forgets_and_the_new_one_learns() -> None:
    play = started(Zoo(), 1, 0)
    match = play.match
    ada, bob, _ = match.players
    views = {player.id: view_of(match, player.id) for player in (ada, bob)}
    match.open_rows()
    card = match.spawn(Card(owner=ada, face=7))

    def faces() -> list[int]:
        match.begin_tick()
        match.commit()
        match.open_rows()
        for player, view in views.items():
            show(view, framed(match, view.tick, player))
        found = [view.get(Card, card.id) for view in views.values()]
        return [row.face for row in found if row]

    assert faces() == [7, 52]
    card.owner = bob
    assert faces() == [52, 7]
    card.face = 9
    card.owner = ada
    assert faces() == [9, 52]
    card.owner = bob
    card.owner = ada
    assert faces() == [9, 52]
    card.owner = 0
    assert faces() == [52, 52]


def test_a_row_of_one_tick_is_nowhere() -> None:
    play = started(Zoo(), 1, 0)
    match = play.match
    match.begin_tick()
    nest = match.spawn(Nest(eggs=3))
    match.despawn(nest)
    commit = match.commit()
    # The id it used up is noted, for the server alone.
    assert commit.public.count == 0
    assert commit.owners == {}
    assert [chunk[0] for chunk in opened(commit.server)] == [0]
