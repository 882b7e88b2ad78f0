"""Whose fault it was: ours (`LocalError`), theirs (`RemoteError`) or the world's (`StoreError`).

A `RemoteError` carries the close code its connection ends with; docs/PROTOCOL.md lists the codes.
"""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """WebSocket close codes (RFC 6455 section 7.4; 4000-4999 are private to the protocol)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    UNSUPPORTED_DATA = 1003
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011

    BAD_MESSAGE = 4400
    BAD_TOKEN = 4401
    REFUSED = 4403
    NOT_FOUND = 4404
    TIMED_OUT = 4408
    REPLACED = 4409
    ROOM_CLOSED = 4410
    BAD_OPTION = 4422
    ROOM_FULL = 4423
    TOO_FAST = 4429
    TOO_SLOW = 4431
    GAME_FAILED = 4500
    UNAVAILABLE = 4503


MEANINGS: dict[CloseCode, str] = {
    CloseCode.NORMAL: "the player left",
    CloseCode.GOING_AWAY: "the process ends; resume, on any process",
    CloseCode.UNSUPPORTED_DATA: "a text message came; messages are binary",
    CloseCode.POLICY_VIOLATION: "too many frames or control frames",
    CloseCode.MESSAGE_TOO_BIG: "a message is longer than the limit",
    CloseCode.INTERNAL_ERROR: "the server failed; resume",
    CloseCode.BAD_MESSAGE: "a message is malformed, unknown, out of range or out of turn",
    CloseCode.BAD_TOKEN: "the session token is forged, or of a server that is gone",
    CloseCode.REFUSED: "the game refused the join, or locked the room",
    CloseCode.NOT_FOUND: "no such game or room",
    CloseCode.TIMED_OUT: "no JOIN or RESUME came in time, or the connection fell silent",
    CloseCode.REPLACED: "another connection took this seat",
    CloseCode.ROOM_CLOSED: "the room ended, or the player's grace ran out",
    CloseCode.BAD_OPTION: "an option is unknown, of the wrong kind or out of range",
    CloseCode.ROOM_FULL: "the room has no free seat",
    CloseCode.TOO_FAST: "messages or inputs came faster than the limit",
    CloseCode.TOO_SLOW: "frames were not read for too long",
    CloseCode.GAME_FAILED: "the game failed: its room ended, or it raised for this player",
    CloseCode.UNAVAILABLE: "the server is full, draining or without its store; try later",
}
"""What each code means, as docs/PROTOCOL.md prints it."""

TRY_AGAIN = frozenset(
    {
        CloseCode.GOING_AWAY,
        CloseCode.INTERNAL_ERROR,
        CloseCode.TIMED_OUT,
        CloseCode.TOO_SLOW,
        CloseCode.UNAVAILABLE,
    }
)
"""Codes after which a client resumes by itself; after the others it tells its player and stops."""


class LocalError(Exception):
    """Our bug, or a game's: the room it happened in stops, nobody else is touched."""


class GameError(LocalError):
    """A game broke its contract or raised; the text names the game, the hook and the remedy."""


class Refused(Exception):
    """Raised by a game's `join` or `act` to say no; the reason travels to the player.

    Raise it before changing rows: what was changed before it stays changed.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Full(GameError, Refused):
    """The match takes no more rows. Raised in `join` or `act` it refuses the player who asked."""

    def __init__(self, reason: str) -> None:
        Refused.__init__(self, reason)


class RemoteError(Exception):
    """Their fault: the connection it came from is closed with `code` and `reason`."""

    def __init__(self, code: CloseCode, reason: str, retry_after_ms: int | None = None) -> None:
        super().__init__(f"{code.name} ({int(code)}): {reason}")
        self.code = code
        self.reason = reason
        self.retry_after_ms = retry_after_ms


class StoreError(Exception):
    """The world's fault: what survives could not be reached, read or written; the host decides."""


class ConfigError(Exception):
    """A setting is wrong; the text says which, what was wrong and what would be right."""
