"""One line of a session: a socket or a row of polls, and whether it is still of use."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Protocol

from shared.parts import Assembly

from .polling import Polls
from .websocket import Socket


class Transport(StrEnum):
    """What a session travels on; `auto` polls where no WebSocket gets through."""

    WEBSOCKET = "websocket"
    POLLING = "polling"
    AUTO = "auto"


class Owner(Protocol):
    """Whose line it is."""

    def hear(self, line: Line, payload: bytes, /) -> None:
        """A message came on a line that is of use."""

    def end(self, line: Line, code: int, reason: str, /) -> None:
        """A line that was of use closed without a CLOSE."""


class Line:
    """One socket of the session: when it was last heard, and whether it is still of use."""

    def __init__(self, owner: Owner, now_s: float) -> None:
        self.socket: Socket | None = None
        self.polls: Polls | None = None
        self.heard_s = now_s
        self.least_wait_s = 0.0
        # Whether a frame came on it.
        self.framed = False
        # The parts of a frame that is on its way on it.
        self.assembly = Assembly()
        self.over = asyncio.Event()
        # Set when a renewal on this socket succeeded or failed.
        self.settled = asyncio.Event()
        self.closed = asyncio.Event()
        self._owner = owner

    def message(self, payload: bytes) -> None:
        if not self.over.is_set():
            self._owner.hear(self, payload)

    def ended(self, code: int, reason: str) -> None:
        self.closed.set()
        if not self.over.is_set():
            self._owner.end(self, code, reason)
            self.close()

    def send(self, payload: bytes) -> None:
        if self.socket is not None:
            self.socket.send(payload)

    def close(self) -> None:
        """Hear no more, and close the socket."""
        self.over.set()
        self.settled.set()
        if self.socket is not None:
            self.socket.close()
