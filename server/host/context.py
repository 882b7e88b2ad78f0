"""What the parts of a host have in common: its name, its store, its time and its chance."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from random import Random

from server.core.lifecycle import Observer, unobserved
from server.core.metrics import Metrics
from server.core.ports import Chance, Clock, Watch
from server.store.base import Store
from server.store.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Context:
    """`name` is this process's, unlike any other's; `rng` spreads what need not be secret.

    `room_budget` is the share of the loop that a room beside others may take. In `development` a
    game that raises makes its room stand still. `observer` hears of every
    transition in the life of every room. `watch` is told for which room a game's code runs, and
    knows which rooms hang who runs them. Games that are `unloaded` should be served here, and
    their files do not load now.
    """

    name: str
    store: Store
    exchange: Exchange
    clock: Clock
    chance: Chance
    rng: Random
    metrics: Metrics
    log: logging.Logger
    development: bool = False
    room_budget: float = 0.25
    observer: Observer = field(default=unobserved)
    watch: Watch = field(default_factory=Watch)
    unloaded: Collection[str] = ()
