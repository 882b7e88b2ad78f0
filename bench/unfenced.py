"""`python -m bench.unfenced`: a server whose Redis store lets a stale owner go on. Never for play.

The control of the chaos run. Everything is as in `python -m server`, but an append that the store
refuses, because another process owns the room by now, is answered as if it had been committed: what
a store would say that knows no fence. The checker must find what comes of that. No setting of the
server leads here, and what is deployed does not contain this folder.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from server.config import parse_or_exit
from server.store.base import Append, Fenced, OutOfOrder
from server.store.redis import RedisStore
from server.supervisor import supervise
from server.worker import make_log, run_worker
from shared.errors import StoreError

_append = RedisStore.append


async def take_everything(self: RedisStore, batch: Sequence[Append]) -> list[StoreError | None]:
    """Append what may be appended, and say of the rest that it was."""
    outcomes = await _append(self, batch)
    return [None if isinstance(one, Fenced | OutOfOrder) else one for one in outcomes]


def main() -> None:
    """Run as `python -m server` does, without the fence; exits with its status."""
    config = parse_or_exit(sys.argv[1:], os.environ)
    if config.worker is not None:
        RedisStore.append = take_everything  # type: ignore[method-assign]
        raise SystemExit(run_worker(config))
    command = [sys.executable, "-m", "bench.unfenced", *sys.argv[1:]]
    raise SystemExit(supervise(config, command, make_log(config)))


if __name__ == "__main__":
    main()
