"""The results of a room's matches, as the server tells them over HTTP once committed."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.request import urlopen

from .address import results_url

WAIT_S = 10.0


async def ask_results(url: str, room: str) -> dict[int, Any]:
    """What `match.finish` was given in each match of a room, by the match's number, in order.

    `url` is the one to play at. Empty where there is none, or nobody answers.
    """
    found = await asyncio.to_thread(_fetched, results_url(url, room))
    try:
        return {int(one["match"]): one["result"] for one in found["results"]}
    except (KeyError, TypeError, ValueError):
        return {}


def _fetched(url: str) -> Any:
    try:
        with urlopen(url, timeout=WAIT_S) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None
