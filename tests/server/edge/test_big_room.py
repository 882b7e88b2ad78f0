"""A room whose rows fill many messages: it plays, is watched, resumed and polled, in parts."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from itertools import pairwise

import pytest

from holdfast import Action, Entity, Match, Player, f64
from shared.errors import CloseCode
from shared.limits import FRAME_BYTES_MAX, PART_BYTES, ROWS_MAX, WRITE_GATE_BYTES
from shared.messages import PART, Role
from shared.session import ClientState
from tests.server.core.yard import Cave, Push, Say, Yard
from tests.server.edge.desk import Caller, Desk, closing
from tests.simulation.loop import virtually


class Cell(Entity):
    """64 bytes of numbers."""

    a: float = f64(1.5)
    b: float = f64(2.5)
    c: float = f64(3.5)
    d: float = f64(1.25)
    e: float = f64(7.5)
    f: float = f64()
    g: float = f64()
    h: float = f64()


class Big(Yard):
    """All rows there may be of a class, made in the first tick."""

    entities = (*Yard.entities, Cell)

    def start(self, match: Match) -> None:
        super().start(match)
        for _ in range(ROWS_MAX):
            match.spawn(Cell())


class Dim(Big):
    """The same, where a player sees every other cell."""

    def visible(self, match: Match, player: Player | None) -> Iterable[Entity] | None:
        return [*match.players, *match.all(Cell)[::2]]


def parts_of(caller: Caller) -> list[bytes]:
    return [payload for payload in caller.line.sent if payload[1] == PART]


@pytest.mark.parametrize("game", [Big(), Dim()])
def test_a_room_of_20000_rows_plays_and_is_watched(game: Big) -> None:
    async def scenario() -> None:
        name = type(game).__name__.lower()
        desk = await Desk(game, digest_ticks=5).start()
        ada = await desk.call("Ada", name)
        room = desk.only_room()
        eve = Caller(desk, "Eve", name, role=Role.SPECTATOR, room=room.id)
        eve.connect()
        ada.post(2)
        await desk.seconds(1)
        for caller in (ada, eve):
            assert caller.session.state is ClientState.LIVE
            parts = parts_of(caller)
            assert len(parts) > 640_000 // PART_BYTES
            assert max(map(len, caller.line.sent)) < PART_BYTES + 16
            assert caller.frames[0].base == 0
            assert all(frame.base for frame in caller.frames[1:]), "what follows is a delta"
            assert (caller.session.stats.divergence, caller.session.stats.digests > 2) == (0, True)
            assert caller.session.view is not None
            assert caller.session.view.count(Cell) == ROWS_MAX // (2 if game.hides else 1)
        assert ada.session.ack == 1
        assert room.over is None
        await desk.stop()

    virtually(scenario())


def test_a_reader_of_a_long_frame_gets_part_after_part_as_it_reads() -> None:
    async def scenario() -> None:
        desk = await Desk(Big(), digest_ticks=1).start()
        ada = await desk.call("Ada", "big")
        bob = Caller(desk, "Bob", "big")
        bob.connect()
        bob.line.waiting = WRITE_GATE_BYTES + 1
        await desk.seconds(0.2)
        assert bob.frames == [], "the gate is shut before the first part"
        receiver = bob.line.receiver
        assert receiver is not None
        bob.line.waiting = 0
        # Each part shuts the gate; reading opens it. Meanwhile ticks are left out.
        hear = bob.line._hear

        def shut(payload: bytes) -> object:
            bob.line.waiting = WRITE_GATE_BYTES + 1
            return hear(payload)

        bob.line._hear = shut
        await desk.seconds(0.2)
        read = 0
        while not bob.frames:
            assert len(parts_of(bob)) == read + 1, "one part at a time"
            read += 1
            await desk.seconds(0.05)
            bob.line.waiting = 0
            receiver.writable()
        assert read + 1 == len(parts_of(bob)) > 20
        assert [frame.base for frame in bob.frames] == [0]
        late = desk.only_room().match.tick - bob.frames[0].tick
        assert late >= 20, "ticks went by, and none was queued"
        bob.line._hear = hear
        bob.line.waiting = 0
        receiver.writable()
        await desk.seconds(0.2)
        assert bob.frames[1].base == bob.frames[0].tick, "the next frame covers them"
        assert bob.session.stats.divergence == 0
        assert bob.session.stats.digests >= 1, "the digest came behind the last part"
        ticks = [frame.tick for frame in ada.frames]
        assert {b - a for a, b in pairwise(ticks)} == {1}, "Ada was not held up"
        await desk.stop()

    virtually(scenario())


def test_a_line_that_ends_amid_a_long_frame_resumes_from_what_it_held() -> None:
    async def scenario() -> None:
        desk = await Desk(Big(), digest_ticks=5).start()
        ada = await desk.call("Ada", "big")
        first = ada.line
        held = ada.session.view.tick if ada.session.view else 0
        # The history does not reach back: everything anew, and it breaks off.
        ada.hang_up()
        await desk.seconds(0.3)
        room = desk.only_room()
        room.match.history.floor = room.match.tick
        ada.connect()
        hear, heard = ada.line._hear, list[bytes]()

        def deaf(payload: bytes) -> None:
            """Nothing of what comes after the third part arrives."""
            heard.extend([payload] if payload[1] == PART else [])
            if len(heard) <= 3:
                hear(payload)

        ada.line._hear = deaf
        await desk.seconds(0.2)
        assert ada.session.view is not None
        assert len(heard) > 3
        assert ada.session.view.tick == held, "half a frame changed nothing"
        ada.hang_up()
        ada.connect()
        await desk.seconds(0.5)
        assert ada.line is not first
        assert ada.session.view.tick > held
        assert ada.session.stats.divergence == 0
        await desk.stop()

    virtually(scenario())


class Drowsy(Big):
    """Sleeps soon after it was left."""

    grace_s = 0.5
    room_empty_s = 1.0


def test_a_big_room_sleeps_and_is_woken() -> None:
    async def scenario() -> None:
        desk = await Desk(Drowsy(), digest_ticks=5).start()
        ada = await desk.call("Ada", "drowsy")
        room = desk.only_room()
        ada.hang_up()
        await desk.seconds(3)
        assert desk.rig.host.rooms() == [], "asleep"
        bob = await desk.call("Bob", "drowsy", room=room.id)
        await desk.seconds(1)
        assert bob.session.epoch > room.epoch
        assert bob.session.view is not None
        assert bob.session.view.count(Cell) == ROWS_MAX
        assert bob.session.stats.divergence == 0
        await desk.stop()

    virtually(scenario())


class Bang(Big):
    """All its cells come at once, in the middle of the match, and go again."""

    def start(self, match: Match) -> None:
        Yard.start(self, match)

    def act(self, match: Match, player: Player, action: Action) -> None:
        if isinstance(action, Say) and action.words == "bang":
            Big.start(self, match)
        elif isinstance(action, Say):
            for cell in match.all(Cell):
                match.despawn(cell)


def test_20000_rows_that_come_and_go_in_a_tick_are_one_record_and_one_frame() -> None:
    async def scenario() -> None:
        desk = await Desk(Bang(), digest_ticks=1).start()
        other = await Desk(Bang(), digest_ticks=1, beside=desk, seed=2).start()
        ada = await desk.call("Ada", "bang")
        room = desk.only_room()
        bob = Caller(other, "Bob", "bang", room=room.id)
        bob.connect()
        await desk.seconds(0.5)
        for words, count in (("bang", ROWS_MAX), ("gone", 0)):
            ada.post(None, words)
            await desk.seconds(1)
            for caller in (ada, bob):
                assert caller.session.view is not None
                assert caller.session.view.count(Cell) == count
                assert caller.session.stats.divergence == 0
                assert [frame.base for frame in caller.frames].count(0) == 1
        await other.stop()
        await desk.stop()

    virtually(scenario())


class Vault(Cave):
    """A player sees; a spectator was not thought of."""

    def visible(self, match: Match, player: Player | None) -> Iterable[Entity] | None:
        assert player is not None, "nobody but players look"
        return match.players


def test_a_spectator_whom_a_game_did_not_think_of_is_nothing_to_its_players(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        desk = await Desk(Vault()).start()
        ada = await desk.call("Ada", "vault")
        eve = Caller(desk, "Eve", "vault", role=Role.SPECTATOR, room=desk.only_room().id)
        with caplog.at_level(logging.CRITICAL):
            eve.connect()
            await desk.seconds(1)
        assert closing(eve.line)[0] is CloseCode.GAME_FAILED
        assert ada.line.ending is None
        ticks = [frame.tick for frame in ada.frames]
        assert {b - a for a, b in pairwise(ticks)} == {1}
        await desk.stop()

    virtually(scenario())


def test_a_frame_that_no_client_takes_ends_its_connection_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        desk = await Desk(Big()).start()
        ada = await desk.call("Ada", "big")
        monkeypatch.setattr("server.edge.follower.FRAME_BYTES_MAX", FRAME_BYTES_MAX // 100)
        eve = Caller(desk, "Eve", "big", role=Role.SPECTATOR, room=desk.only_room().id)
        eve.connect()
        await desk.seconds(0.5)
        code, reason = closing(eve.line)
        assert code is CloseCode.GAME_FAILED
        assert "bytes; at most" in reason
        assert desk.only_room().over is None
        assert ada.line.ending is None
        ada.session.post(Push(by=1))
        await desk.stop()

    virtually(scenario())
