"""Polls, renewals and the return of all at once, with a real server and bots that count."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import Any

import pytest

from bots import connection
from bots.address import play_url
from bots.bot import Bot
from bots.brains import load_brain
from bots.client import join
from bots.clock import LoopClock
from bots.counters import asker
from bots.line import Transport
from bots.post import Poster
from bots.report import Report
from bots.swarm import Plan, Swarm
from bots.websocket import Unreachable, open_websocket
from tests.end_to_end.blocker import blocking
from tests.end_to_end.server import Server, serve
from tests.server.store.valkey import running

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Generator[Server, None, None]:
    """A server whose connections are renewed every 3 s, with one standing room."""
    flags = ("--open", "coins", "--digest-ticks", "5", "--connection-lifetime-s", "3")
    with serve(tmp_path, *flags) as server:
        yield server


def swarm(server: Server, **plan: Any) -> Swarm:
    url = play_url(server.url)
    return Swarm(
        Plan(url, "coins", **plan),
        lambda: load_brain("coins"),
        connect=open_websocket,
        clock=LoopClock(),
        rng=SystemRandom(),
        ask=asker(url),
    )


def clean(report: Report) -> dict[str, Any]:
    """The values of a report that found nothing wrong."""
    assert report.failures == [], report.values
    assert (report.values["ticks_back"], report.values["player_changed"]) == (0, 0)
    return report.values


async def test_polls_and_sockets_in_one_room_lose_and_double_nothing(server: Server) -> None:
    [room] = server.rooms("coins")
    options = {"room": room["room"]}
    polled, socketed = await asyncio.gather(
        swarm(server, count=4, seconds=6, options=options, transport=Transport.POLLING).run(),
        swarm(server, count=4, seconds=6, options=options).run(),
    )
    found, other = clean(polled), clean(socketed)
    assert (found["polled"], other["polled"]) == (4, 0)
    assert (found["inputs_checked"], other["inputs_checked"]) == (4, 4)
    assert min(found["inputs_sent"], other["inputs_sent"]) > 4 * 20
    assert (found["renewals"], other["renewals"] >= 4) == (0, True)
    assert server.metrics()["polling_sessions"] == 0, "and nothing is left"


@pytest.mark.alone
async def test_hundreds_of_renewals_under_load_double_no_tick_and_no_input(tmp_path: Path) -> None:
    with serve(tmp_path, "--open", "coins", "--connection-lifetime-s", "1.5") as server:
        found = clean(await swarm(server, count=60, seconds=12).run())
    assert found["renewals"] >= 200
    assert found["renewal_gap_ms"]["max"] is not None
    assert (found["resumes"], found["errors"]) == (0, {})


async def test_each_poll_and_each_renewal_may_reach_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Poster.post

    async def once(self: Poster, body: bytes, query: str = "") -> bytes:
        # A connection for each poll, which either process may accept.
        try:
            return await whole(self, body, query)
        finally:
            self.close()

    monkeypatch.setattr(Poster, "post", once)
    flags = ("--workers", "2", "--digest-ticks", "5", "--connection-lifetime-s", "3")
    with (
        running(tmp_path / "valkey") as valkey,
        serve(tmp_path, "--store", valkey.url, *flags) as server,
    ):
        polled, socketed = await asyncio.gather(
            swarm(server, count=6, seconds=8, transport=Transport.POLLING).run(),
            swarm(server, count=6, seconds=8).run(),
        )
    found, other = clean(polled), clean(socketed)
    assert found["resumes"] > 0, "another process says WELCOME"
    assert other["renewals"] >= 6
    assert (other["resumes"], other["errors"], found["errors"]) == (0, {}, {})


async def test_where_no_websocket_gets_through_a_client_polls_and_climbs_back(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CLIMB_S", 0.5)
    async with blocking(server.port) as proxy:
        with pytest.raises(Unreachable):
            await open_websocket(play_url(proxy.url), _Deaf())
        room = await join(proxy.url, "coins", name="Ada")
        assert room.state == "polling"
        frames, player = room.stats.frames, room.player
        await until(lambda: room.stats.frames > frames + 30 and proxy.blocked > 3)
        assert room.state == "polling"
        proxy.blocks = False
        await until(lambda: room.state == "live")
        frames = room.stats.frames
        await until(lambda: room.stats.frames > frames + 10)
        assert (room.state, room.player, room.stats.divergence) == ("live", player, 0)
        room.leave()
        await room.closed()


@pytest.mark.alone
async def test_all_come_back_at_once_as_who_they_were_and_the_server_answers(
    server: Server,
) -> None:
    crowd = swarm(server, count=60, seconds=8)
    playing = asyncio.ensure_future(crowd.run())
    await until(lambda: sum(bot.seated for bot in crowd.bots) == 60)
    for _ in range(3):
        before = {bot: bot.session.stats.frames for bot in crowd.bots}
        for bot in crowd.bots:
            bot.connection.drop()
        answers = [await asyncio.to_thread(server.get, "/liveness_check") for _ in range(5)]
        assert {status for status, _ in answers} == {200}
        await until(partial(came_back, before))
    crowd.stop()
    found = clean(await playing)
    assert found["resumes"] >= 3 * 60
    assert set(found["errors"]) == {"1006 dropped on purpose"}


def came_back(before: dict[Bot, int]) -> bool:
    """Whether each bot has had several more frames than before."""
    return all(bot.session.stats.frames >= frames + 5 for bot, frames in before.items())


class _Deaf:
    def message(self, payload: bytes) -> None:
        raise AssertionError("nothing comes")

    def ended(self, code: int, reason: str) -> None:
        pass


async def until(condition: Any) -> None:
    """Wait for what happens elsewhere; bounded, so that it can fail."""
    async with asyncio.timeout(40):
        while not condition():  # noqa: ASYNC110 - what is waited for announces nothing.
            await asyncio.sleep(0.02)
