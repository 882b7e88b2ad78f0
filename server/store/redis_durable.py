"""Waiting for replicas: with `?durable=N` nothing is answered as committed that N of them lack.

Behind its commands the journal's connection sends

    SET {prefix}:waited ""        where something before it may have written nothing
    WAIT N <ms>

in the same write; each node of a cluster has such a key, with a number in its tag. WAIT speaks of
the last write of its own connection, and a new one that only found a tick there already has none:
it would be told at once that all is well. The SET is a write of its own, so what stands before it
in the Redis, whoever wrote it, is waited for.
"""

from __future__ import annotations

from collections.abc import Callable

import hiredis

from server.store.base import StoreUnavailable
from server.store.redis_address import Address
from server.store.redis_connection import Reply
from server.store.redis_errors import refusal

WAIT_SHARE = 0.5
"""Of the time a Redis may be silent: whoever waits hears of missing replicas, not of a silence."""


class Durable:
    """The replicas an address asks for; with none of them, nothing is sent and nothing judged.

    `key` says which key of the node may be written for no other reason.
    """

    def __init__(self, address: Address, answer_s: float, key: Callable[[], bytes]) -> None:
        self._address = address
        self._replicas = address.durable
        self._wait_ms = max(1, round(answer_s * WAIT_SHARE * 1000))
        self._key = key
        self._wait = hiredis.pack_command((b"WAIT", self._replicas, self._wait_ms))

    @property
    def asked(self) -> bool:
        """Whether any replica is waited for."""
        return self._replicas > 0

    def behind(self, *, wrote: bool) -> list[bytes]:
        """What to send behind commands; `wrote` says that they write, or are refused."""
        if not self.asked:
            return []
        if wrote:
            return [self._wait]
        return [hiredis.pack_command((b"SET", self._key(), b"")), self._wait]

    def judge(self, replies: list[Reply], commands: int) -> StoreUnavailable | None:
        """Take off `replies` what answers no command; why they may not count, or None."""
        behind = replies[commands:]
        del replies[commands:]
        for reply in behind:
            if isinstance(reply, hiredis.ReplyError):
                return StoreUnavailable(str(refusal(self._address, str(reply))))
        if behind and not (isinstance(behind[-1], int) and behind[-1] >= self._replicas):
            return StoreUnavailable(
                f"{self._address}: {behind[-1]} replicas had it all within {self._wait_ms} ms, and "
                f"?durable={self._replicas} waits for {self._replicas}: bring them back"
            )
        return None
