"""Three servers, their store, and a proxy without affinity before them, as players meet them."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Browser

from bench.cluster import Cluster
from tests.end_to_end.browser import Tab, opened
from tests.end_to_end.server import until

T = TypeVar("T")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class Town:
    """A cluster on a loop of its own, for tests that wait in another way."""

    def __init__(self, cluster: Cluster, loop: asyncio.AbstractEventLoop) -> None:
        self.cluster = cluster
        self._loop = loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on the cluster's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def ask(self, number: int, path: str) -> Any:
        """What a server answers, as JSON."""
        status, body = self.run(self.cluster.servers[number].ask(path))
        assert status == 200, (path, status, body)
        return json.loads(body)

    def owner(self, room: str) -> int:
        """The number of the server that runs a room."""
        name = self.ask(0, f"/api/rooms/{room}")["owner"]
        return [server.name for server in self.cluster.servers].index(name)


@contextmanager
def town(games: tuple[str, ...] = ("coins",)) -> Generator[Town, None, None]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="cluster")
    thread.start()
    cluster = Cluster(processes=3, games=games, flags=("--dev", "--digest-ticks", "20"))
    made = Town(cluster, loop)
    try:
        made.run(cluster.start())
        yield made
    finally:
        made.run(cluster.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.mark.browser
def test_a_real_browser_plays_on_while_every_server_dies_in_turn(browser: Browser) -> None:
    with town() as place, opened(browser) as ada, opened(browser) as bob:
        enter(ada, place.cluster.url)
        room = ada.seat[0]
        bob.page.goto(ada.page.url)
        bob.page.get_by_label("Your name").fill("Bob")
        bob.page.get_by_role("button", name="Join this room").click()
        bob.live()
        seats = [tab.seat for tab in (ada, bob)]
        assert {seat[0] for seat in seats} == {room}
        for number in range(3):
            ticks = [tab.tick() for tab in (ada, bob)]
            place.run(place.cluster.servers[number].kill())
            place.run(place.cluster.servers[number].ready())
            for tab, tick in zip((ada, bob), ticks, strict=True):
                until(partial(beyond, tab, tick + 40))
                tab.live()
        assert [tab.seat for tab in (ada, bob)] == seats, "the same players in the same match"
        assert ada.epoch > 0
        assert place.ask(0, f"/api/rooms/{room}")["players"] == 2


def beyond(tab: Tab, tick: int) -> bool:
    """Whether a page shows a later tick."""
    return tab.tick() > tick


def enter(tab: Tab, url: str) -> None:
    """From the lobby into a room of one's own."""
    page = tab.page
    page.goto(url)
    page.get_by_label("Your name").fill("Ada")
    card = page.get_by_role("article").filter(has_text="Coins")
    card.get_by_text("Room options").click()
    card.get_by_label("Private, by link only").check()
    card.get_by_role("button", name="Play", exact=True).click()
    tab.live()


def polls_of(place: Town, number: int) -> float:
    """How many polls a server has answered."""
    _, text = place.run(place.cluster.servers[number].ask("/metrics"))
    lines = [line.split() for line in text.decode().splitlines()]
    return sum(float(line[1]) for line in lines if line and line[0] == "holdfast_polls_total")


async def report(url: str, transport: str, count: int) -> dict[str, Any]:
    """What bots by this transport have to say after fifteen seconds of arena."""
    command = ["-m", "bots", "swarm", "--game", "arena", "--url", url, "--seconds", "15", "--json"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        "--count",
        str(count),
        "--transport",
        transport,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, told = await process.communicate()
    assert process.returncode == 0, (told.decode()[-2000:], out.decode()[-2000:])
    found: dict[str, Any] = json.loads(out)
    return found


def test_polls_and_sockets_meet_in_one_match_and_no_poll_needs_its_server_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def both(url: str) -> tuple[dict[str, Any], dict[str, Any]]:
        return await asyncio.gather(report(url, "polling", 10), report(url, "websocket", 5))

    with town(("arena",)) as place:
        polls, sockets = place.run(both(place.cluster.ws_url))
        served = [polls_of(place, number) for number in range(3)]
    assert min(served) > 0, "each server answered polls"
    for found, count in ((polls, 10), (sockets, 5)):
        assert (found["joined"], found["divergence"]) == (count, 0)
        assert (found["inputs_lost"], found["inputs_doubled"], found["ticks_back"]) == (0, 0, 0)
        assert found["digests"] > 0
    assert polls["polled"] == 10
    assert sockets["polled"] == 0
    with capsys.disabled():
        ways = f"polling {polls['ack_ms']['p50']} ms, sockets {sockets['ack_ms']['p50']} ms"
        print(f"\ninput to frame, p50: {ways}", end=" ")
