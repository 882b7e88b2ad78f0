"""Trying again: after which ends of a socket a session resumes by itself, and how long it waits."""

from __future__ import annotations

from random import Random
from typing import Final

from shared.errors import TRY_AGAIN

from .websocket import ABNORMAL

BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0

# RFC 6455 section 7.4.1: a close frame without a code; and the registry's "service restart".
NO_CODE, SERVICE_RESTART = 1005, 1012
RESUME_CODES: Final = TRY_AGAIN | {NO_CODE, ABNORMAL, SERVICE_RESTART}


def backoff_s(tries: int, rng: Random) -> float:
    """Seconds before another try, after `tries` in a row that brought no frame (SESSION rule 7)."""
    most = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(tries, 30))
    return most * rng.uniform(0.5, 1.0)
