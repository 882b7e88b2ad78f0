"""The result of a match, as the server tells it over HTTP once it is committed."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.request import urlopen

from .address import result_url

WAIT_S = 10.0


async def ask_result(url: str, room: str) -> Any:
    """What `match.finish` was given; None where there is none, or nobody answers.

    `url` is the one to play at.
    """
    return await asyncio.to_thread(_fetched, result_url(url, room))


def _fetched(url: str) -> Any:
    try:
        with urlopen(url, timeout=WAIT_S) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None
