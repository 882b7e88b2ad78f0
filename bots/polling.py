"""A session's connection where no WebSocket gets through: one long poll after the other.

Every poll says all that a new connection would: RESUME, and the inputs not acknowledged. So a poll
may be lost, repeated or answered by another process, and nothing is lost or done twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from urllib.parse import urlsplit, urlunsplit

from shared.errors import CloseCode
from shared.messages import FRAME, Leave
from shared.polls import join_messages, split_messages

from .post import Poster, Refused
from .websocket import ABNORMAL, Receiver

POLL_PATH = "/poll"
# After an answer without a frame, so that two pages with one token do not chase each other.
PAUSE_S = 0.1

Ask = Callable[[], list[bytes]]
"""Makes the messages of the next poll."""

OpenPolls = Callable[[str, Receiver, Ask], Awaitable["Polls"]]
"""Begins to poll the server of a URL for a receiver. OSError when there is none to be had."""


def poll_url(url: str) -> str:
    """Where the server polls that speaks WebSocket at `url`: `/poll` beside its `/play`."""
    parts = urlsplit(url)
    scheme = "https" if parts.scheme == "wss" else "http"
    path = parts.path.rpartition("/")[0] + POLL_PATH
    return urlunsplit((scheme, parts.netloc, path, "", ""))


async def open_polls(url: str, receiver: Receiver, ask: Ask) -> Polls:
    """Polls beside the WebSocket at `url`; `Unreachable` says why there are none."""
    poster = Poster(poll_url(url))
    await poster.open()
    return Polls(poster, receiver, ask)


class Polls:
    """A `Socket` made of requests."""

    def __init__(self, poster: Poster, receiver: Receiver, ask: Ask) -> None:
        self._poster = poster
        self._receiver = receiver
        self._ask = ask
        self._rng = Random()
        self._leaves = False
        self._closed = False
        self._task = asyncio.ensure_future(self._run())

    def send(self, payload: bytes) -> None:
        """Take note of a LEAVE; everything else is in the next poll anyway."""
        self._leaves = self._leaves or payload == Leave().encode()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End the poll that waits, and say LEAVE where that was to be said."""
        del code, reason
        if not self._closed:
            self._closed = True
            self._task.cancel()

    async def _run(self) -> None:
        code, reason = ABNORMAL, ""
        try:
            await self._poll()
        except asyncio.CancelledError:
            # Our own `close`: what is left to say follows.
            self._poster.close()
        except Refused as error:
            code, reason = CloseCode.REFUSED, str(error)
        except (OSError, ValueError) as error:
            reason = str(error)
        if self._leaves:
            with suppress(OSError):
                await self._poster.post(join_messages([self._ask()[0], Leave().encode()]))
        self._poster.close()
        self._receiver.ended(code, reason)

    async def _poll(self) -> None:
        welcomed = False
        while True:
            query = "" if welcomed else "?welcome=1"
            answer = split_messages(await self._poster.post(join_messages(self._ask()), query))
            welcomed = welcomed or bool(answer)
            for message in answer:
                self._receiver.message(message)
            # A message to a client is a short array that begins with its type.
            if not any(message[1:2] == bytes((FRAME,)) for message in answer):
                await asyncio.sleep(PAUSE_S * self._rng.uniform(0.5, 1.0))
