"""Every frame brings its session to exactly what it may see, and tells nothing else."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from server.core.fanout import Fanout, visible_rows
from server.core.room import Step
from shared.limits import HISTORY_TICKS
from shared.match import Match
from shared.messages import Frame, decode_from_server
from shared.session import ServerSession
from shared.view import View
from tests.server.core.yard import FAR, RUNE, SECRET, Cave, Dot, Ground, Plain, Yard
from tests.shared import reference
from tests.shared.ends import view_of


class Seat:
    """A session and the view its frames make, judged against the match after each of them."""

    def __init__(self, ground: Ground, player: int, *, base: int = 0) -> None:
        self.ground = ground
        self.player = player
        self.session = ServerSession(player, base, 0, 1, ground.match.tick)
        self.view: View = view_of(ground.match, player)
        self.frames: list[bytes] = []

    def show(self, fanout: Fanout) -> Frame:
        payload = fanout.frame(self.session)
        self.frames.append(payload)
        frame = decode_from_server(payload)
        assert isinstance(frame, Frame)
        self.view.apply(frame.tick, frame.base, frame.dropped, frame.chunks)
        self.judge(fanout, frame)
        return frame

    def judge(self, fanout: Fanout, frame: Frame) -> None:
        match = self.ground.match
        known = may_see(match, self.player)
        wanted = reference.exactly(reference.seen(match, self.player, known))
        assert reference.exactly(reference.held(self.view)) == wanted
        assert fanout.digest(self.session) == self.view.digest()
        assert fanout.digest(self.session) == reference.digest(match, self.player, known)
        assert (frame.tick, frame.committed) == (match.tick, match.tick) == (self.session.base,) * 2


def may_see(match: Match, player: int) -> set[int] | None:
    """The ids a player of the cave may see, worked out the plain way; None for all of them."""
    if not isinstance(match.game, Cave):
        return None
    mine = match.one(Dot, owner=player) if player else None
    rows = [row for table in match.tables for row in table.rows.values()]
    own = {row.id for row in rows if player and row.owner == player}
    if mine is None:
        return own | {match.room.id}
    near = {dot.id for dot in match.all(Dot) if abs(dot.x - mine.x) < 5}
    return own | near | {match.room.id} | {one.id for one in match.players}


def play(ground: Ground, rng: Random) -> Step:
    for player in ground.match.players:
        if rng.random() < 0.6:
            words = rng.choice([("no",), ("flash",), (), (), ()])
            ground.post(player.name, rng.randint(-3, 3), *words)
    return ground.tick()


@pytest.mark.parametrize("game", [Yard(), Plain(), Cave()])
def test_views_are_exact_whoever_misses_however_many_frames(game: Yard) -> None:
    rng = Random(3)
    ground = Ground(game)
    players = ground.seat("Ada", "Bob", "Cid")
    seats = [Seat(ground, player) for player in (*players, 0, 0)]
    bases: set[tuple[bool, bool]] = set()
    for _ in range(200):
        step = play(ground, rng)
        fanout = Fanout(ground.match, step.commit)
        for seat in seats:
            if rng.random() < 0.7:
                frame = seat.show(fanout)
                bases.add((frame.base == 0, frame.base == frame.tick - 1))
    assert bases == {(True, False), (False, True), (False, False)}, "merged, next and from nothing"


@pytest.mark.parametrize("game", [Yard(), Plain(), Cave()])
def test_who_is_too_far_behind_is_told_everything_anew(game: Yard) -> None:
    rng = Random(4)
    ground = Ground(game)
    [ada, *_] = ground.seat("Ada", "Bob")
    seat = Seat(ground, ada)
    seat.show(Fanout(ground.match, play(ground, rng).commit))
    for behind in (HISTORY_TICKS, HISTORY_TICKS + 1):
        for _ in range(behind - 1):
            play(ground, rng)
        held = seat.view.tick
        frame = seat.show(Fanout(ground.match, play(ground, rng).commit))
        assert frame.base == (held if behind == HISTORY_TICKS else 0)


def test_who_resumes_where_rows_are_hidden_is_told_everything_anew() -> None:
    rng = Random(5)
    ground = Ground(Cave())
    [ada, *_] = ground.seat("Ada", "Bob")
    seat = Seat(ground, ada)
    seat.show(Fanout(ground.match, play(ground, rng).commit))
    ground.room.leave(ground.row("Bob").id)
    ground.tick()
    # On another connection: what was known of the view went with the old one.
    seat.session = ServerSession(ada, seat.view.tick, 0, 1, ground.match.tick)
    assert seat.show(Fanout(ground.match, play(ground, rng).commit)).base == 0


def test_what_a_client_resumes_from_may_be_the_very_tick() -> None:
    ground = Ground(Yard())
    [ada] = ground.seat("Ada")
    step = ground.tick()
    session = ServerSession(ada, step.commit.tick, 0, 1, step.commit.tick)
    frame = decode_from_server(Fanout(ground.match, step.commit).frame(session))
    assert isinstance(frame, Frame)
    assert (frame.base, frame.tick, frame.chunks) == (2, 2, [])


def test_the_same_slice_is_shared_by_all_who_hold_the_same() -> None:
    ground = Ground(Yard())
    ada, bob = ground.seat("Ada", "Bob")
    for _ in range(4):
        ground.post("Ada", 1)
        ground.tick()
    step = ground.tick()
    fanout = Fanout(ground.match, step.commit)
    frames = [fanout.frame(ServerSession(player, 3, 0, 1, 6)) for player in (ada, bob, 0)]
    public = ground.match.delta(3)
    assert public.count > 0
    assert all(public.data in frame for frame in frames)
    assert fanout._deltas == {3: public}


@pytest.mark.parametrize("skip", [1, 4])
@pytest.mark.parametrize("game", [Yard(), Cave()])
def test_a_frame_acknowledges_and_tells_refusals_to_their_player_alone(
    game: Yard, skip: int
) -> None:
    ground = Ground(game)
    ada, bob = ground.seat("Ada", "Bob")
    seats = [Seat(ground, player) for player in (ada, bob, 0)]
    step = ground.tick()
    for seat in seats:
        seat.show(Fanout(ground.match, step.commit))
    for _ in range(skip):
        ground.post("Ada", 1, "hi", "no")
        step = ground.tick()
    fanout = Fanout(ground.match, step.commit)
    frames = [seat.show(fanout) for seat in seats]
    said = "that word is not said here"
    assert [frame.ack for frame in frames] == [skip, 0, 0]
    assert frames[0].refusals == [(seq, 2, said) for seq in range(1, skip + 1)]
    assert [frame.refusals for frame in frames[1:]] == [None, None]


def test_a_player_who_is_gone_is_acknowledged_nothing() -> None:
    ground = Ground(Yard())
    ground.seat("Ada")
    step = ground.tick()
    frame = decode_from_server(
        Fanout(ground.match, step.commit).frame(ServerSession(999, 1, 0, 1, 1))
    )
    assert isinstance(frame, Frame)
    assert frame.ack == 0


def secrets(numbers: list[int]) -> list[bytes]:
    """Both byte orders of 16-bit numbers."""
    bigs = [number.to_bytes(2, "big") for number in numbers]
    return [*bigs, *(big[::-1] for big in bigs)]


@pytest.mark.parametrize("game", [Yard(), Cave()])
def test_no_frame_holds_a_byte_that_its_player_may_not_see(game: Yard) -> None:
    rng = Random(6)
    ground = Ground(game)
    players = ground.seat("Ada", "Bob", "Cid")
    seats = [Seat(ground, player) for player in (*players, 0)]
    stone: Any = ground.match.tables[3].rows
    for tick in range(60):
        # Secrets change hands and are written again, nobody's among them.
        ground.match.open_rows()
        for row in stone.values():
            row.rune = RUNE + 0x01000000 * (tick % 2)
        for dot in ground.match.all(Dot):
            dot.secret += 0x0100 * (1 if tick % 2 else -1)
            dot.mind = (0x6B6B, 0x6B6C)[tick % 2]
        step = play(ground, rng)
        fanout = Fanout(ground.match, step.commit)
        for seat in seats:
            if tick < 3 or rng.random() < 0.5:
                seat.show(fanout)
    own = {player: secrets([SECRET + player, SECRET + player - 0x100]) for player in players}
    never = [*secrets([0x6B6B, 0x6B6C]), b"\x7c\x7c\x7c"]
    for seat in seats:
        said = b"|".join(seat.frames)
        assert not any(secret in said for secret in never)
        for player, mine in own.items():
            assert any(secret in said for secret in mine) == (player == seat.player)
        assert not any(name.encode() in said for name in ("nonce", "\1\1\1\1\1"))
    journal = b"|".join(ground.records)
    assert all(any(s in journal for s in mine) for mine in (*own.values(), [b"\x7c\x7c\x7c"]))


def test_a_hidden_row_leaves_a_view_and_is_told_apart_from_a_gone_one() -> None:
    ground = Ground(Cave())
    ada, bob, cid = ground.seat("Ada", "Bob", "Cid")
    seats = {player: Seat(ground, player) for player in (ada, bob, cid, 0)}

    def tick() -> dict[int, Frame]:
        fanout = Fanout(ground.match, ground.tick().commit)
        ground.match.open_rows()
        return {player: seat.show(fanout) for player, seat in seats.items()}

    tick()
    # In the tick Cid's dot goes out of sight for the others, Bob leaves with his.
    dot, gone = ground.dot("Cid"), ground.dot("Bob")
    dot.x = FAR / 64
    ground.room.leave(bob)
    del seats[bob]
    frames = tick()
    assert frames[ada].dropped == [[2, [dot.id]]]
    assert gone.id in [number for _, ids, *_ in frames[ada].chunks for number in ids]
    assert frames[cid].dropped == [[2, [ground.dot("Ada").id]]]
    assert frames[0].dropped is None
    assert seats[cid].view.get("Dot", dot.id) is not None
    dot.x += 1 / 64
    tick()
    told = b"|".join(seats[ada].frames + seats[0].frames)
    assert not any(far in told for far in secrets([FAR, FAR + 1]))
    assert any(far in seats[cid].frames[-1] for far in secrets([FAR + 1]))
    # It despawns out of sight, and comes near: only the living are told.
    dot.x = 0
    assert tick()[ada].dropped is None
    assert seats[ada].view.get("Dot", dot.id) is not None
    dot.x = 99
    tick()
    ground.room.leave(cid)
    del seats[cid]
    assert dot.id not in [n for _, ids, *_ in tick()[ada].chunks for n in ids]


def test_a_row_given_away_shows_its_columns_to_the_new_owner_only() -> None:
    ground = Ground(Yard())
    ada, bob = ground.seat("Ada", "Bob")
    seats = [Seat(ground, player) for player in (ada, bob)]
    for seat in seats:
        seat.show(Fanout(ground.match, ground.match.snapshot()))
    dot = ground.dot("Ada")
    ground.match.open_rows()
    dot.owner = bob
    step = ground.tick()
    for seat in seats:
        seat.show(Fanout(ground.match, step.commit))
    views = [seat.view.get("Dot", dot.id) for seat in seats]
    assert [getattr(row, "secret", None) for row in views] == [0, SECRET + ada]


def test_what_visible_raises_passes_and_nothing_is_sent() -> None:
    ground = Ground(Cave())
    [ada] = ground.seat("Ada")
    session = ServerSession(ada, 0, 0, 1, 1)
    ground.post("Ada", None, "fog 1")
    step = ground.tick()
    with pytest.raises(RuntimeError, match="visible fails"):
        Fanout(ground.match, step.commit).frame(session)
    assert session.base == 0


class Bright(Cave):
    """Hides nothing from players, though it could."""

    def visible(self, match: Match, player: object) -> None:
        return None


def test_a_game_may_show_everything() -> None:
    ground = Ground(Bright())
    [ada] = ground.seat("Ada")
    everything = {table.index: set(table.rows) for table in ground.match.tables}
    assert visible_rows(ground.match, ada) == everything
    assert visible_rows(ground.match, 0) == everything


def test_a_fanout_is_for_one_tick() -> None:
    ground = Ground(Yard())
    step = ground.tick()
    ground.tick()
    with pytest.raises(AssertionError):
        Fanout(ground.match, step.commit)
