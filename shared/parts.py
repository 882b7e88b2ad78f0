"""A frame above `PART_BYTES` as PART messages, and PART messages as the frame they carry.

```
PART = [23, index, count, bytes]     bytes: the index-th piece of a FRAME message, PART_BYTES long
                                     but for the last
```
The parts of a frame come on one connection, in order and whole; other messages may come between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from .columns import short
from .limits import PART_BYTES
from .messages import PART, Part, decode_from_server


def cut(pieces: Sequence[bytes]) -> Iterator[bytes]:
    """The PART messages of a frame that is given in pieces, each made when it is asked for.

    The pieces are kept as they are, so frames of several clients share those they have in common.
    """
    size = sum(map(len, pieces))
    count = -(-size // PART_BYTES)
    ends = list(accumulate(map(len, pieces)))
    for index in range(count):
        begin, end = index * PART_BYTES, min(size, (index + 1) * PART_BYTES)
        slices = (
            memoryview(piece)[max(0, begin - (last - len(piece))) : end - (last - len(piece))]
            for piece, last in zip(pieces, ends, strict=True)
            if last > begin and last - len(piece) < end
        )
        yield Part(index, count, b"".join(slices)).encode()


class Assembly:
    """The parts that one connection has brought of a frame."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def take(self, payload: bytes) -> bytes | None:
        """The message to take in, None while the rest of a frame is to come.

        A message that is no PART is returned as it is. ValueError for parts that do not follow
        each other, or are too many.
        """
        # A message to a client is a short array that begins with its type.
        if payload[1:2] != bytes((PART,)):
            return payload
        part = decode_from_server(payload)
        if not isinstance(part, Part):
            raise ValueError(f"not a PART: {short(payload)}")
        if part.index == 0:
            self._parts.clear()
        if part.index != len(self._parts):
            raise ValueError(f"part {part.index} of a frame follows {len(self._parts)} parts")
        self._parts.append(part.data)
        if len(self._parts) < part.count:
            return None
        whole = b"".join(self._parts)
        self._parts.clear()
        return whole
