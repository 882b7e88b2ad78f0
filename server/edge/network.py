"""The network of a development server: the knobs of its lines, as `/api/network` turns them.

A page names its line in the address it connects to (`/play?line=NAME`), so that one tab can have a
bad network and the next a good one, over reconnects too. Connections without a line of their own
have the knobs of all.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from random import Random
from typing import Any, Final, cast

from server.core.line import PLAIN, Knobs, Line
from server.edge.wire import Wire

LINES_MAX: Final = 64
"""Lines whose knobs are remembered; the one turned longest ago is forgotten."""

_NAME = re.compile(r"[a-z0-9-]{1,32}")

Pair = tuple[Knobs, Knobs]


class Network:
    """Makes the wires of new connections and turns the knobs of those there are.

    `seed` makes their chance; the n-th connection of a server has the same every time.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._made = 0
        self._all: Pair = (PLAIN, PLAIN)
        self._lines: dict[str, Pair] = {}
        self._wires: dict[Wire, str] = {}

    def between(
        self,
        transport: asyncio.Transport,
        protocol: asyncio.Protocol,
        query: Mapping[str, str],
        gate_bytes: int,
    ) -> Wire:
        """A wire between a socket and its protocol."""
        name = query.get("line", "")
        up, down = self._pair(name)
        self._made += 1
        chances = [Random(f"{self._seed} {self._made} {way}") for way in ("up", "down")]
        wire = Wire(
            asyncio.get_running_loop(),
            transport,
            protocol,
            Line(chances[0], up),
            Line(chances[1], down),
            gate_bytes,
            self._forget,
        )
        self._wires[wire] = name
        return wire

    def turn(self, body: bytes) -> dict[str, Any]:
        """Do what a JSON object asks, and say how the knobs stand. ValueError says what is wrong.

        Knobs named in it go for both directions, those in its `up` and `down` for one; `line` is
        whose (all without one), `reset` sets the others to nothing first, `cut` resets the
        connections there are.
        """
        asked = _object(body)
        name = asked.pop("line", "")
        if not isinstance(name, str) or (name and not _NAME.fullmatch(name)):
            raise ValueError("line must be 1 to 32 of a-z, 0-9 and -, as in /play?line=NAME")
        reset, cut = (_switch(asked, key) for key in ("reset", "cut"))
        up, down = (_part(asked, key) for key in ("up", "down"))
        before = (PLAIN, PLAIN) if reset else self._pair(name)
        pair = (
            Knobs.of({**asked, **up}, before[0]),
            Knobs.of({**asked, **down}, before[1]),
        )
        if name:
            self._lines.pop(name, None)
            self._lines[name] = pair
            if len(self._lines) > LINES_MAX:
                del self._lines[next(iter(self._lines))]
        else:
            self._all = pair
        for wire, line in list(self._wires.items()):
            if line == name or (not name and line not in self._lines):
                wire.tune(*pair)
                if cut:
                    wire.abort()
        return self.shown(name)

    def shown(self, name: str) -> dict[str, Any]:
        """How a line's knobs stand (without a name: those of all), and its connections."""
        up, down = self._pair(name)
        own = [line for line in self._wires.values() if name in ("", line)]
        return {"line": name, "connections": len(own), "up": asdict(up), "down": asdict(down)}

    def _pair(self, name: str) -> Pair:
        return self._lines.get(name, self._all)

    def _forget(self, wire: Wire) -> None:
        self._wires.pop(wire, None)


def _object(body: bytes) -> dict[str, Any]:
    try:
        asked: object = json.loads(body)
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        raise ValueError('the body must be a JSON object, as in {"latency_ms": 100}')
    return cast("dict[str, Any]", asked)


def _part(asked: dict[str, Any], key: str) -> dict[str, Any]:
    part = asked.pop(key, {})
    if not isinstance(part, dict):
        raise ValueError(f"{key} must be an object of knobs")
    return cast("dict[str, Any]", part)


def _switch(asked: dict[str, Any], key: str) -> bool:
    value = asked.pop(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"{key} must be true or false")
    return value
