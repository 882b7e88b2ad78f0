"""The Python client: the browser's names, against a real server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bots.client import Room, SessionEnded, join
from shared.errors import CloseCode, ConfigError
from shared.messages import Close, Time
from shared.session import ClientState
from shared.view import View
from tests.bots.arena import Arena, Dot, Push, Say


async def until(true: Any) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - it has no event.
            await asyncio.sleep(0.002)


def dot(room: Room) -> Dot:
    found = room.latest.one(Dot)
    assert found is not None
    return found


async def test_a_room_is_joined_sampled_and_left(arena: Arena) -> None:
    room = await join(arena.url, "field", name="Ada")
    assert (room.id, room.state, room.reason) == ("arena", ClientState.LIVE, None)
    assert room.latest.me.name == "Ada"
    room.sample(lambda: {"by": 2})
    await until(lambda: dot(room).x >= 10)
    room.sample(lambda: Push(by=0))
    await until(lambda: room.stats.digests > 1)
    assert room.stats.divergence == 0
    assert dot(room).secret == dot(room).x % 1000
    room.leave()
    room.leave()
    assert (await room.closed()).reason == "left"
    assert str(room.state) == "gone"
    await until(lambda: not arena.seats)


async def test_actions_are_applied_or_refused_with_the_reason(arena: Arena) -> None:
    room = await join(arena.url, "field")
    answers = await asyncio.gather(
        *(room.act("Say", {"words": "no" if n % 3 == 0 else "yes"}) for n in range(20)),
        room.act(Say(words="no")),
    )
    assert [a.applied for a in answers] == [n % 3 != 0 for n in range(20)] + [False]
    assert {a.reason for a in answers} == {"", "that word is not said here"}
    with pytest.raises(ValueError, match="no action Sing"):
        await room.act("Sing")
    with pytest.raises(ValueError, match="at most 20"):
        await room.act("Say", {"words": "x" * 21})
    room.leave()
    await room.closed()
    with pytest.raises(SessionEnded):
        await room.act("Say")


async def test_an_action_waiting_when_the_session_ends_is_told(arena: Arena) -> None:
    room = await join(arena.url, "field")
    arena.faults.mute = True
    acting = asyncio.ensure_future(room.act("Say", {"words": "hi"}))
    await asyncio.sleep(0)
    arena.send(Close(CloseCode.ROOM_CLOSED, "the room ended"))
    with pytest.raises(SessionEnded, match="the room ended") as caught:
        await acting
    assert caught.value.code == CloseCode.ROOM_CLOSED


async def test_handlers_hear_of_rows_until_they_are_taken_off(arena: Arena) -> None:
    ada = await join(arena.url, "field", name="Ada")
    heard: list[tuple[str, str]] = []
    offs = [
        ada.on("added", "Player", lambda row: heard.append(("added", row.name))),
        ada.on("removed", "Player", lambda row: heard.append(("removed", row.name))),
    ]
    bob = await join(arena.url, "field", name="Bob")
    await until(lambda: heard == [("added", "Ada"), ("added", "Bob")])
    for off in offs:
        off()
        off()
    cleo = await join(arena.url, "field", name="Cleo")
    await until(lambda: any(p.name == "Cleo" for p in ada.latest.players))
    assert heard == [("added", "Ada"), ("added", "Bob")]
    with pytest.raises(ValueError, match="no table 'Tank'; it has Room, Player, Dot"):
        ada.on("added", "Tank", print)
    with pytest.raises(ValueError, match="none of added"):
        ada.on("born", "Dot", print)  # type: ignore[call-overload]
    for room in (ada, bob, cleo):
        room.leave()
        await room.closed()


async def test_a_spectator_watches(arena: Arena) -> None:
    room = await join(arena.url, "field", role="spectator")
    assert (room.player, room.latest.me) == (0, None)
    with pytest.raises(ValueError, match="spectator watches"):
        await room.act("Say", {"words": "hi"})
    room.leave()
    await room.closed()


async def test_a_refused_join_raises_the_servers_reason(arena: Arena) -> None:
    with pytest.raises(SessionEnded, match="no such game") as caught:
        await join(arena.url, "chess")
    assert caught.value.code == CloseCode.NOT_FOUND
    with pytest.raises(ConfigError, match="scheme"):
        await join("ftp://localhost", "field")


async def test_a_join_that_is_cancelled_leaves_nothing_behind(arena: Arena) -> None:
    arena.faults.mute = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await join(arena.url, "field")
    await until(lambda: not arena.sockets)


async def test_a_sample_that_does_not_fit_ends_the_session_and_says_so(
    arena: Arena, caplog: pytest.LogCaptureFixture
) -> None:
    room = await join(arena.url, "field")
    with pytest.raises(ValueError, match="by: 9 is not a whole number from -3 to 3"):
        room.sample(lambda: {"by": 9})
    assert room.state == "live"
    said = iter([1, 1, 9])
    room.sample(lambda: {"by": next(said, 9)})
    end = await asyncio.wait_for(room.closed(), 10)
    assert "by: 9 is not a whole number from -3 to 3" in end.reason
    assert "a callback failed" in caplog.text


async def test_a_room_resumes_by_itself(arena: Arena) -> None:
    room = await join(arena.url, "field")
    player, tick = room.player, room.latest.tick
    arena.drop()
    await until(lambda: room.stats.resumes and room.latest.tick > tick + 5)
    assert room.player == player
    room.leave()
    await room.closed()


async def test_states_are_told_with_why_and_the_clock_runs(arena: Arena) -> None:
    room = await join(arena.url, "field")
    told: list[tuple[str, str]] = []
    off = room.on("state", lambda state, why: told.append((state, why)))
    # A loop whose time stands still within a turn finds that a trip on one machine took none.
    await until(lambda: any(isinstance(message, Time) for message in arena.heard))
    assert 0 <= room.ping < 1
    now_s = asyncio.get_running_loop().time()
    assert abs(room.clock.tick(now_s) - room.latest.tick) < 20
    arena.drop()
    await until(lambda: len(told) >= 2)
    assert [state for state, _ in told][:2] == ["resuming", "live"]
    assert told[0][1]
    assert told[1][1] == ""
    room.leave()
    await room.closed()
    assert told[-1] == ("gone", "left")
    off()
    with pytest.raises(ValueError, match="none of state, status"):
        room.on("mood", print)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="takes a function of a row"):
        room.on("added", "Dot")  # type: ignore[call-overload]


async def test_a_predicted_row_is_ahead_of_what_was_heard(arena: Arena) -> None:
    def push(dot: Any, asked: Any, dt: float, view: View) -> None:
        assert 0 < dt < 1
        assert view is room.latest
        dot.x += asked.by

    room = await join(arena.url, "field")
    room.sample(lambda: {"by": 1})
    prediction = room.predict(Dot, push)
    off: list[int] = []
    room.on("changed", "Dot", lambda _: off.append(prediction.row.x - dot(room).x))
    await until(lambda: dot(room).x >= 10)
    assert all(0 <= ahead <= prediction.ahead + 1 for ahead in off)
    arena.faults.mute = True
    await until(lambda: prediction.ahead >= 3)
    assert prediction.row.x == dot(room).x + prediction.ahead
    [shown] = room.view().all(Dot, owner=room.player)
    # Whole numbers do not move between ticks: what is drawn is what the inputs will make of it.
    assert (shown.x, shown.secret) == (prediction.row.x, dot(room).secret)
    assert shown is not prediction.row
    with pytest.raises(KeyError, match="no table Tank"):
        room.predict("Tank", push)
    room.leave()
    await room.closed()
