"""The room's names that the browser has as well: events, counts, views, and a seat taken back."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from bots.client import Room, SessionEnded, join
from bots.websocket import Receiver, Socket, Unreachable
from shared.errors import CloseCode
from shared.limits import ACTIONS_WAITING_MAX
from shared.messages import Close, InputMessage, RoomStatus, Status
from shared.schema import describe
from tests.bots.arena import Arena, Dot, Field, Say
from tests.bots.test_client import until
from tests.vectors.drawn import Authority, Told, Wire
from tests.vectors.pond import Duck, Paddle

ROOM_JS = Path(__file__).resolve().parents[2] / "client" / "room.js"


def snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def test_every_public_name_of_the_browsers_room_is_here() -> None:
    source = ROOM_JS.read_text(encoding="utf-8")
    methods = re.findall(r"^  (?:get )?(\w+)\(.*\) \{$", source, re.MULTILINE)
    names = {snake(name) for name in methods} - {"constructor", "start"}
    assert {"view", "latest", "take_back", "tick_rate"} <= names
    here = {name for name in dir(Room) if not name.startswith("_")}
    assert names <= here
    assert here - names == {"ready", "closed"}, "what an event loop awaits"


async def test_events_of_the_room_are_told_until_they_are_taken_off(arena: Arena) -> None:
    room = await join(arena.url, "field")
    told: list[Any] = []
    offs = [
        room.on("refused", lambda refused: told.append((refused.action, refused.reason))),
        room.on("status", told.append),
        room.on("closed", lambda ended: told.append((ended.code, ended.reason))),
    ]
    frames: list[int] = []
    off = room.on("frame", lambda: frames.append(room.latest.tick))
    await until(lambda: len(frames) > 3)
    off()
    heard = list(frames)
    assert heard == sorted(set(heard))
    await room.act(Say(words="no"))
    assert told == [("Say", "that word is not said here")]
    arena.faults.mute = True
    for status in (Status.PAUSED, Status.PAUSED, Status.LIVE):
        for socket in arena.sockets:
            await socket.send(RoomStatus(1, arena.match.tick, status).encode())
        await until(lambda wanted=status: room.status == wanted.name.lower())
        assert room.state == status.name.lower()
    assert told[1:] == ["paused", "live"]
    offs[1]()
    room.leave()
    await room.closed()
    assert told[-1] == (CloseCode.NORMAL, "left")
    assert frames == heard
    with pytest.raises(ValueError, match="none of state, status, refused, frame"):
        room.on("mood", print)  # type: ignore[call-overload]


async def test_of_2000_actions_asked_for_at_once_some_are_done_and_the_rest_is_refused(
    arena: Arena,
) -> None:
    room = await join(arena.url, "field")
    asked = (room.act("Say", {"words": f"{n}"}) for n in range(2000))
    answers = await asyncio.gather(*asked)
    refused = [answer for answer in answers if not answer.applied]
    assert len(refused) == 2000 - ACTIONS_WAITING_MAX
    assert {answer.reason for answer in refused} == {"256 actions wait to be sent already"}
    assert all(answer.applied for answer in answers[:ACTIONS_WAITING_MAX]), "the first ones asked"
    assert (await room.act("Say", {"words": "again"})).applied
    room.leave()
    await room.closed()


async def test_a_skipped_input_is_told_without_an_action(arena: Arena) -> None:
    room = await join(arena.url, "field")
    refused: list[Any] = []
    room.on("refused", refused.append)
    arena.faults.skip_inputs = 2
    room.sample(lambda: {"by": 1})
    await until(lambda: len(refused) == 2)
    assert {(one.action, one.reason) for one in refused} == {(None, "skipped")}
    assert refused[0].seq < refused[1].seq
    room.leave()
    await room.closed()


async def test_stats_have_the_browsers_names(arena: Arena) -> None:
    room = await join(arena.url, "field")
    first = room.stats
    arena.drop()
    await until(lambda: room.stats.resumes and room.stats.frames > first.frames + 5)
    stats = room.stats
    assert (stats.resumes, stats.divergence, stats.tick) == (1, 0, room.latest.tick)
    assert stats.gap_s_max > 0
    assert room.tick_rate == 20
    room.leave()
    await room.closed()


async def test_a_seat_that_was_taken_is_taken_back(arena: Arena) -> None:
    room = await join(arena.url, "field")
    with pytest.raises(ValueError, match="nobody else has this seat"):
        room.take_back()
    player, states = room.player, list[str]()
    room.on("state", lambda state, _: states.append(state))
    arena.faults.mute = True
    acting = asyncio.ensure_future(room.act("Say", {"words": "yes"}))
    await asyncio.sleep(0)
    arena.send(Close(CloseCode.REPLACED, "another connection took this seat"))
    assert (await room.closed()).code == CloseCode.REPLACED
    with pytest.raises(SessionEnded):
        await acting
    arena.faults.mute = False
    tick = room.latest.tick
    room.take_back()
    await until(lambda: room.latest.tick > tick)
    assert (room.player, room.state, room.reason) == (player, "live", None)
    assert states == ["gone", "resuming", "live"]
    room.sample(lambda: {"by": 1})
    dot = room.latest.one(Dot, owner=player)
    assert dot is not None
    await until(lambda: dot.x > 3)
    seqs = [i.seq for m in arena.heard if isinstance(m, InputMessage) for i in m.items]
    assert max(seqs) > 2**20, "what the other may have used is left out"
    room.leave()
    await room.closed()


class Pond:
    """A room at the pond, its socket and time told."""

    def __init__(self) -> None:
        self.authority = Authority(1)
        self.wire, self.time = Wire(), Told()
        self.away = False
        self.tries = 0

    async def join(self) -> Room:
        coming = asyncio.ensure_future(
            join("ws://pond/play", "pond", connect=self._open, clock=self.time)
        )
        await self.wire.opened.wait()
        self.wire.hear(self.authority.welcome)
        self.wire.hear(self.authority.tick())
        return await coming

    async def _open(self, url: str, receiver: Receiver) -> Socket:
        self.tries += 1
        if self.away:
            raise Unreachable("no network")
        return await self.wire.open(url, receiver)


async def test_hurry_ends_the_wait_for_the_next_try() -> None:
    pond = Pond()
    room = await pond.join()
    pond.away = True
    pond.wire.close(1006, "the network is gone")
    # Time stands: the wait for the next try ends by `hurry`, or not at all.
    for tries in (1, 2, 3):
        for _ in range(20):
            await asyncio.sleep(0)
        assert (pond.tries, room.state) == (tries, "resuming")
        room.hurry()
    room.leave()
    await room.closed()


async def test_the_view_is_drawn_at_the_moment_that_is_told() -> None:
    pond = Pond()
    room = await pond.join()
    for _ in range(8):
        pond.time.ms += 50
        pond.wire.hear(pond.authority.tick())
    now_s = pond.time.now()
    [first, *_] = room.view(now_s).all(Duck)
    tick = room.view(now_s).tick
    assert room.latest.tick - tick == pytest.approx(1)
    [later, *_] = room.view(now_s + 0.02).all(Duck)
    assert room.view().tick == pytest.approx(tick + 0.4), "nothing is drawn back in time"
    assert first.x != later.x
    newest = room.latest.get(Duck, first.id)
    assert newest is not None
    assert newest.x not in {first.x, later.x}
    room.leave()
    await room.closed()


async def test_controls_may_be_read_as_values_by_name() -> None:
    pond = Pond()
    room = await pond.join()
    seen: list[Any] = []

    def rule(duck: Any, pull: Any, dt: float, view: Any) -> None:
        del dt, view
        seen.append(pull)
        duck.x += pull.go

    room.predict(Duck, rule, peek=lambda: {"go": 1})
    room.view()
    assert seen
    assert all((pull.go, pull.turn) == (1, 0) for pull in seen)
    with pytest.raises(TypeError, match="no field 'fly'"):
        room.sample(lambda: {"fly": 1})
    room.sample(lambda: Paddle(go=-1))
    assert seen[-1] != seen[0]
    room.leave()
    await room.closed()


async def test_another_schema_begins_anew() -> None:
    pond = Pond()
    room = await pond.join()
    told: list[str] = []
    room.on("schema", lambda: told.append("schema"))
    schema = describe(Field())
    status = RoomStatus(2, 1, Status.LIVE, schema)
    before = room.view()
    pond.wire.hear(status.encode())
    assert told == ["schema"]
    assert room.view().names == [name for name, *_ in schema[0]] != before.names
    assert room.view().tick == 0
    room.leave()
    await room.closed()
