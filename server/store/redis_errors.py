"""What an error reply of Redis means to a store: one sentence with what to do about it.

Errors raised inside a script carry the original code somewhere in their text (in front from
Redis 7 on), so codes are looked for anywhere.
"""

from __future__ import annotations

import re

from server.store.base import StoreCorrupt, StoreUnavailable
from shared.errors import StoreError

_CODES: tuple[tuple[str, str], ...] = (
    ("WRONGPASS|NOAUTH|AUTH|invalid password", "refuses this user or password: correct them"),
    ("NOPERM", "does not permit this user what is needed: allow it, or name another user"),
    ("LOADING|MASTERDOWN|BUSY|CLUSTERDOWN", "is not ready yet: wait for it"),
    ("MOVED|ASK|TRYAGAIN", "is handing keys to another node of its cluster: wait for it"),
    ("READONLY", "is a replica and cannot be written: name the primary"),
    ("NOREPLICAS", "misses the replicas it is set to wait for: bring them back"),
    ("OOM", "has no memory left: raise its maxmemory or free some"),
    ("MISCONF", "cannot write to its disk: free some space there"),
    ("DB index|SELECT", "has no database of this number: give one it has, such as /0"),
    ("protected mode", "is in protected mode and refuses other machines: set a password there"),
    ("max number of clients", "has no connection left: raise its maxclients"),
)
_ELSEWHERE = re.compile(r"(?<![A-Za-z_])(?:MOVED|ASK|TRYAGAIN)\b")
_MEANINGS = tuple((re.compile(rf"(?<![A-Za-z_])(?:{codes})\b"), text) for codes, text in _CODES)


def refusal(address: object, text: str) -> StoreError:
    """Return the error for an error reply; `text` is the whole reply, its code included."""
    shown = " ".join(text.split())[:200]
    if "WRONGTYPE" in text:
        return StoreCorrupt(
            f"{address} holds something foreign under a key of Holdfast's; it was left as it is: "
            "move it away, or choose another ?prefix="
        )
    for code, meaning in _MEANINGS:
        if code.search(text):
            return StoreUnavailable(f"{address} {meaning} ({shown})")
    if "user_script" in text:
        return StoreCorrupt(f"{address} holds what cannot be read; it was left as it is ({shown})")
    return StoreUnavailable(f"{address} refused a command of Holdfast's ({shown})")


def elsewhere(text: str) -> bool:
    """Whether an error reply says that another node of a cluster keeps a key, or soon will."""
    return _ELSEWHERE.search(text) is not None


def damaged(address: object, room: str, what: bytes) -> StoreCorrupt:
    """Return the error for a room whose keys are not as they were written."""
    return StoreCorrupt(
        f"room {room} at {address}: {what.decode('utf-8', 'replace')}; it was left as it is: "
        "restore it from a backup"
    )
