"""News of rooms as bytes: a msgpack array of a kind and the fields in their order.

```
0 epoch tick record      1 epoch tick owner      2 epoch tick due_ms to      3 epoch code reason
4 epoch tick             5                          6 epoch permille
```
A record above `PUSHED_BYTES_MAX` is not published, but 5 in its place: those who follow the room
read it in the journal, and no other room's news waits behind it.

Whoever may publish in the Redis may send anything, so nothing is believed unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack

from server.store.base import Record
from server.store.exchange import Ended, Gap, NewEpoch, News, Paced, Released, Slept
from shared.limits import INTEGER_MAX

RECORD, NEW_EPOCH, RELEASED, ENDED, SLEPT, GAP, PACED = range(7)

PUSHED_BYTES_MAX = 1024 * 1024
"""An eighth of what may wait to leave: beyond that, what is told is lost for every room."""

_pack: Callable[[Any], bytes] = msgpack.Packer(autoreset=True).pack


def pack_news(news: News) -> bytes:
    """What is published."""
    match news:
        case Record() if len(news.record) > PUSHED_BYTES_MAX:
            return _pack((GAP,))
        case Record():
            return _pack((RECORD, news.epoch, news.tick, news.record))
        case NewEpoch():
            return _pack((NEW_EPOCH, news.epoch, news.tick, news.owner))
        case Released():
            return _pack((RELEASED, news.epoch, news.tick, news.due_ms, news.to))
        case Ended():
            return _pack((ENDED, news.epoch, news.code, news.reason))
        case Slept():
            return _pack((SLEPT, news.epoch, news.tick))
        case Paced():
            return _pack((PACED, news.epoch, news.permille))


def unpack_news(data: bytes) -> News | Gap:
    """What was published; ValueError for anything that `pack_news` never makes."""
    try:
        found: Any = msgpack.unpackb(data, max_array_len=8, max_map_len=0, max_ext_len=0)
    except ValueError as error:
        raise ValueError(f"no msgpack of ours ({error})") from None
    match found:
        case [0 as kind, int(epoch), int(tick), bytes(record)] if _fit(kind, epoch, tick):
            return Record(epoch, tick, record)
        case [1 as kind, int(epoch), int(tick), str(owner)] if _fit(kind, epoch, tick):
            return NewEpoch(epoch, tick, owner)
        case [2 as kind, int(epoch), int(tick), int(due_ms), str(to)] if _fit(
            kind, epoch, tick, due_ms
        ):
            return Released(epoch, tick, due_ms, to)
        case [3 as kind, int(epoch), int(code), str(reason)] if _fit(kind, epoch, code):
            return Ended(epoch, code, reason)
        case [4 as kind, int(epoch), int(tick)] if _fit(kind, epoch, tick):
            return Slept(epoch, tick)
        case [5]:
            return Gap()
        case [6 as kind, int(epoch), int(permille)] if _fit(kind, epoch, permille):
            return Paced(epoch, permille)
        case _:
            raise ValueError("no news of any kind")


def _fit(*numbers: int) -> bool:
    """Whether they are integers within what any of ours may be; a boolean is none."""
    return all(type(number) is int and 0 <= number <= INTEGER_MAX for number in numbers)
