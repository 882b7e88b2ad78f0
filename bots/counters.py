"""Asks a server how many inputs it applied for each player of a room."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from .address import inputs_url
from .report import Applied

ANSWER_TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 4 * 1024 * 1024

Ask = Callable[[str], Awaitable[dict[int, Applied]]]
"""A room's id to its players' counts. OSError or ValueError when there is no answer to be had."""


def asker(url: str) -> Ask:
    """Asks the HTTP side of the server whose WebSocket is at `url`."""

    async def ask(room: str) -> dict[int, Applied]:
        return await asyncio.to_thread(_fetch, inputs_url(url, room))

    return ask


def _fetch(url: str) -> dict[int, Applied]:
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", parts.path, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"{url}: answered {answer.status} {answer.reason}")
        return parse(answer.read(ANSWER_BYTES_MAX))
    except HTTPException as error:
        raise OSError(f"{url}: {type(error).__name__}: {error}") from None
    finally:
        connection.close()


def parse(body: bytes) -> dict[int, Applied]:
    """The counts by player id; ValueError if the answer is not what it should be."""
    try:
        players = json.loads(body)["players"]
        return {
            int(player): Applied(int(one["seq"]), int(one["applied"]), int(one["skipped"]))
            for player, one in players.items()
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"the server's count of inputs is not as expected: {type(error).__name__}: {error}"
        ) from None
