"""What the parts of a host have in common: its name, its store, its time and its chance."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from random import Random

from server.core.metrics import Metrics
from server.core.ports import Chance, Clock
from server.store.base import Store
from server.store.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Parts:
    """`name` is this process's, unlike any other's; `rng` spreads what need not be secret."""

    name: str
    store: Store
    exchange: Exchange
    clock: Clock
    chance: Chance
    rng: Random
    metrics: Metrics
    log: logging.Logger
