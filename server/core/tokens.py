"""Session tokens: signed proof of a seat, opaque to clients.

```
token = version u8 | issued ms u64 | player u32 | nonce 16 | room utf-8 | HMAC-SHA256, 16 bytes
```
The nonce is the one the seat was joined with, so that a token of a seat given up proves nothing
for the seat's next holder. Of two tokens of a seat the one issued later is of the newer connection:
that is all by which they differ.

A token does not age: it is good for as long as its seat, whose end is in the journal. The wall
clocks of servers differ and are set back and forward, and no player is to lose a match by that.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass

from shared.errors import CloseCode, RemoteError
from shared.limits import NONCE_BYTES, TOKEN_BYTES_MAX

_HEAD = struct.Struct(f"<BQI{NONCE_BYTES}s")
_MAC_BYTES = 16
_VERSION = 2
# A forged token is told the same as one of a server that kept its secret in memory and is gone.
UNKNOWN = (
    "this server does not know your session; a match kept in memory only is gone after a restart"
)


@dataclass(frozen=True, slots=True)
class Seat:
    """Whose token it is: the room, the player's id (0: a spectator), the nonce of the join."""

    room: str
    player: int
    nonce: bytes


def issue(secret: bytes, seat: Seat, now_s: float) -> bytes:
    """A token for a seat; `now_s` is seconds since 1970."""
    head = _HEAD.pack(_VERSION, max(0, round(now_s * 1000)), seat.player, seat.nonce)
    body = head + seat.room.encode()
    token = body + _mac(secret, body)
    assert len(token) <= TOKEN_BYTES_MAX
    return token


def check(secret: bytes, token: bytes) -> Seat:
    """The seat a token proves; RemoteError(BAD_TOKEN) if it is forged or truncated."""
    body, mac = token[:-_MAC_BYTES], token[-_MAC_BYTES:]
    if len(body) < _HEAD.size or not hmac.compare_digest(mac, _mac(secret, body)):
        raise RemoteError(CloseCode.BAD_TOKEN, UNKNOWN)
    version, _, player, nonce = _HEAD.unpack_from(body)
    if version != _VERSION:
        raise RemoteError(CloseCode.BAD_TOKEN, "this session token is of another release; join")
    return Seat(body[_HEAD.size :].decode(), player, nonce)


def issued_ms(token: bytes) -> int:
    """When a token that `check` took was issued, in milliseconds since 1970."""
    issued: int = _HEAD.unpack_from(token)[1]
    return issued


def _mac(secret: bytes, body: bytes) -> bytes:
    return hmac.new(secret, body, hashlib.sha256).digest()[:_MAC_BYTES]
