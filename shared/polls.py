"""The body of a long poll and of its answer: messages one after the other, each with its length.

```
body = (length u32 little endian | message) …
```
docs/PROTOCOL.md has a worked example.
"""

from __future__ import annotations

from collections.abc import Iterable

_LENGTH_BYTES = 4


def join_messages(messages: Iterable[bytes]) -> bytes:
    """The body that carries these messages."""
    parts: list[bytes] = []
    for message in messages:
        parts += (len(message).to_bytes(_LENGTH_BYTES, "little"), message)
    return b"".join(parts)


def split_messages(body: bytes) -> list[bytes]:
    """The messages of a body; ValueError where it does not end with a message's last byte."""
    found: list[bytes] = []
    at = 0
    while at < len(body):
        begin = at + _LENGTH_BYTES
        at = begin + int.from_bytes(body[at:begin], "little")
        if begin > len(body) or at > len(body):
            raise ValueError(
                f"message {len(found) + 1} of the body is cut short; each is its length in 4 bytes,"
                " little endian, and then that many bytes"
            )
        found.append(body[begin:at])
    return found
