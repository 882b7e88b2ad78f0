"""What a connection needs of the listener it belongs to; `listener.Listener` provides it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Protocol

from server.edge.limits import EdgeCounters, EdgeLimits
from server.edge.request import Handle

if TYPE_CHECKING:
    from server.edge.http import HttpConnection
    from server.edge.websocket import WebSocket


class Owner(Protocol):
    """The listener as its connections see it."""

    limits: EdgeLimits
    counters: EdgeCounters
    log: logging.Logger
    websockets_log: logging.Logger
    handle: Handle
    forwarded_position: int | None
    closing: bool

    @property
    def now(self) -> Callable[[], float]:
        """Seconds of a monotonic clock."""
        ...

    def date(self) -> str:
        """The time of day as RFC 9110 section 5.6.7 writes it."""
        ...

    def soon(self, call: Callable[[], None], /) -> None:
        """Call in the next turn of the loop."""
        ...

    def spawn(self, work: Coroutine[object, object, None], /) -> asyncio.Task[None]:
        """Run beside everything else."""
        ...

    def entered(self, connection: HttpConnection, /) -> bool:
        """Count a new socket; False when there are too many to talk to one more."""
        ...

    def admits(self, connection: HttpConnection, address: str, /) -> bool:
        """Count the address of a request; False when it holds too many connections."""
        ...

    def answered(self, connection: HttpConnection, /) -> None:
        """The request that `admits` counted is over."""
        ...

    def upgrade(self, connection: HttpConnection, head: bytes, rest: bytes, /) -> None:
        """Make a WebSocket of this connection, or `refuse` it; `rest` came behind the head."""
        ...

    def gone(self, connection: HttpConnection | WebSocket, /) -> None:
        """Forget this connection; its socket is closed."""
        ...
