"""The knobs of a development server: whose they are, and what is refused."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from server.core.line import PLAIN, Knobs
from server.edge.api import Api, Site
from server.edge.files import Files
from server.edge.network import LINES_MAX, Network
from server.edge.request import Request
from tests.server.edge.desk import Desk
from tests.server.edge.rig import Wire as Socket
from tests.server.edge.test_wire import Ears
from tests.simulation.loop import virtually

GATE = 64 * 1024


def turn(network: Network, **asked: Any) -> dict[str, Any]:
    return network.turn(json.dumps(asked).encode())


def connect(network: Network, **query: str) -> tuple[Socket, Ears]:
    socket, ears = Socket(), Ears()
    network.between(socket, ears, query, GATE)
    return socket, ears


def happened(ears: Ears) -> list[Any]:
    return [what for _, what in ears.happened]


def test_a_line_has_its_own_knobs_and_all_others_those_of_all() -> None:
    async def scenario() -> None:
        network = Network(1)
        (own, at_own), (other, at_other) = connect(network, line="ada"), connect(network, line="b")
        plain, at_plain = connect(network)
        assert turn(network, line="ada", latency_ms=300)["connections"] == 1
        assert turn(network, latency_ms=100)["connections"] == 3
        for socket in (own, other, plain):
            socket.feed(b"x")
        await asyncio.sleep(0.2)
        assert [happened(ears) for ears in (at_own, at_other, at_plain)] == [[], [b"x"], [b"x"]]
        await asyncio.sleep(0.2)
        assert happened(at_own) == [b"x"]
        # A connection that comes later on the same line has its knobs.
        again, at_again = connect(network, line="ada")
        again.feed(b"y")
        await asyncio.sleep(0.29)
        assert happened(at_again) == []
        await asyncio.sleep(0.02)
        assert happened(at_again) == [b"y"]

    virtually(scenario())


def test_directions_are_turned_apart_and_what_is_not_named_stays() -> None:
    network = Network(1)
    told = turn(network, line="a", latency_ms=50, down={"latency_ms": 70, "loss_percent": 2})
    assert Knobs(**told["up"]) == Knobs(latency_ms=50)
    assert Knobs(**told["down"]) == Knobs(latency_ms=70, loss_percent=2)
    told = turn(network, line="a", up={"jitter_ms": 5})
    assert Knobs(**told["up"]) == Knobs(latency_ms=50, jitter_ms=5)
    assert Knobs(**told["down"]) == Knobs(latency_ms=70, loss_percent=2)
    told = turn(network, line="a", reset=True)
    assert Knobs(**told["up"]) == Knobs(**told["down"]) == PLAIN
    assert network.shown("a") == told


def test_a_cut_is_of_one_line_and_a_closed_connection_is_forgotten() -> None:
    async def scenario() -> None:
        network = Network(1)
        (own, _), (other, _) = connect(network, line="a"), connect(network, line="b")
        turn(network, line="a", cut=True)
        assert (own.aborted, other.aborted) == (True, False)
        own.lose()
        assert network.shown("a")["connections"] == 0
        assert network.shown("")["connections"] == 1

    virtually(scenario())


def test_lines_are_remembered_up_to_a_bound() -> None:
    network = Network(1)
    for number in range(LINES_MAX + 1):
        turn(network, line=f"n{number}", latency_ms=9)
    assert network.shown("n0")["up"]["latency_ms"] == 0
    assert network.shown("n1")["up"]["latency_ms"] == 9


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b"", "the body must be a JSON object, as in"),
        (b"[1]", "the body must be a JSON object, as in"),
        (b'{"line": "A B"}', "line must be 1 to 32 of a-z, 0-9 and -"),
        (b'{"line": 3}', "line must be 1 to 32"),
        (b'{"lag": 3}', "there is no knob 'lag'"),
        (b'{"up": 3}', "up must be an object of knobs"),
        (b'{"cut": 1}', "cut must be true or false"),
        (b'{"down": {"latency_ms": -1}}', "latency_ms is -1; expected a number from 0 to 10000"),
    ],
)
def test_what_cannot_be_turned_is_refused_with_what_would_be_right(body: bytes, wrong: str) -> None:
    network = Network(1)
    with pytest.raises(ValueError, match=f"^{re.escape(wrong)}"):
        network.turn(body)
    assert Knobs(**network.shown("")["up"]) == PLAIN


def test_the_api_turns_knobs_in_development_and_for_its_own_pages_only(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        rig = desk.rig

        async def ask(
            network: Network | None, method: str, body: bytes = b"", **headers: str
        ) -> tuple[int, Any]:
            site = Site("1", network is not None, (), {}, {}, network=network)
            api = Api(rig.host, Files({"/client/": tmp_path}), site, rig.clock, rig.metrics)
            request = Request(
                method, "/api/network", {"line": "a"}, headers, body, "192.0.2.7", "play:80"
            )
            answer = await api.answer(request)
            return answer.status, json.loads(answer.body)

        network = Network(1)
        for method in ("GET", "POST"):
            status, told = await ask(None, method)
            assert (status, "--dev" in told["error"]) == (403, True)
            status, told = await ask(network, method, b"{}", origin="http://evil.example")
            assert (status, told["error"]) == (403, "this page is not of this server")
        status, told = await ask(network, "POST", b'{"line": "a", "latency_ms": 7}')
        assert (status, told["down"]["latency_ms"]) == (200, 7)
        status, told = await ask(network, "GET", origin="http://play:80")
        assert (status, told["up"]["latency_ms"]) == (200, 7)
        status, told = await ask(network, "POST", b"{")
        assert (status, told["error"].startswith("the body must be a JSON object")) == (400, True)
        await desk.stop()

    virtually(scenario())
