"""A connection as its room sees it, and as it waits to be let in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from server.core.seating import JoinRefusal
from server.core.tokens import Seat
from shared.errors import CloseCode
from shared.messages import Resume
from shared.session import ServerSession

# Why a JOIN or RESUME is not answered with a seat: no tick comes that could bring it.
STANDS_STILL = "the room stands still on the server"


class Talker(Protocol):
    """A connection as its room sees it."""

    def welcome(self, seat: Seat, session: ServerSession, issued: int) -> None:
        """The seat is taken, or resumed: say so, with the token issued then (ms since 1970)."""

    def refused(self, room: str, refusal: JoinRefusal) -> None:
        """The room gave no seat: look for another, or say so."""

    def send(self, payload: bytes) -> None:
        """Send one message."""

    def send_long(self, frame: Sequence[bytes], digest: bytes | None) -> None:
        """Send a FRAME above `PART_BYTES`, given in pieces, and then the DIGEST of its tick."""

    def buffered(self) -> int:
        """Bytes waiting to be sent; above the gate while a long frame is under way."""
        ...

    def end(self, code: CloseCode, reason: str, retry_after_ms: int | None = None) -> None:
        """Close, saying why."""

    @property
    def polling(self) -> bool:
        """Whether it is a row of polls instead of a socket."""
        ...

    @property
    def renewing(self) -> bool:
        """Whether it was told to renew, so that it may go on beside its successor for a while."""
        ...


@dataclass(frozen=True, slots=True)
class Arrival:
    """A connection on its way into a room: for a seat, and from where its session goes on."""

    talker: Talker
    seat: Seat
    resume: Resume | None
    # The tick the rows had here when it came.
    since: int = 0
