"""One process put together: store, host, edge and listener, started and stopped in order.

The only file that knows everyone. Clock, chance and store come in as arguments, so that several
of these can run side by side in one loop of virtual time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from bots.brains import game_name, load_brain
from bots.shapes import Shapes
from bots.wanderer import Wanderer
from server import VERSION
from server.config import Config
from server.core.lifecycle import Observer, unobserved
from server.core.lobby import written_options
from server.core.metrics import Metrics
from server.core.ports import Chance, Clock, Watch
from server.edge.api import Api, Site
from server.edge.edge import Edge
from server.edge.files import Files
from server.edge.limits import EdgeLimits
from server.edge.listener import Listener
from server.edge.network import Network
from server.edge.polling import PATH as POLL_PATH
from server.edge.polling import Polling
from server.edge.request import Request, Response
from server.host.context import Context
from server.host.conviction import put_aside
from server.host.host import RoomsHost
from server.host.seat_bots import Brain
from server.loading import LoadedGame, load_game
from server.store.base import Store
from server.store.exchange import Exchange
from shared.errors import ConfigError
from shared.schema import Schema

MOVED_LOOK_S = 0.02
CLIENT = Path(__file__).resolve().parent.parent / "client"


def load_games(config: Config) -> list[LoadedGame]:
    """Every game the configuration names; ConfigError for the first that will not do."""
    names = [game_name(spec) for spec in config.games]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two games are called {name}; rename one of the files")
    return [_load(spec, config) for spec in config.games]


def load_what_loads(config: Config) -> tuple[list[LoadedGame], dict[str, str]]:
    """The games that load now, and by name why others do not.

    They loaded when the server was started, so one that does not was changed or removed since, and
    the others go on without it. ConfigError where none loads.
    """
    games: list[LoadedGame] = []
    broken: dict[str, str] = {}
    for spec in config.games:
        try:
            games.append(_load(spec, config))
        except ConfigError as error:
            broken[game_name(spec)] = str(error)
    if not games:
        raise ConfigError("; ".join(broken.values()))
    return games, broken


def _load(spec: str, config: Config) -> LoadedGame:
    loaded = load_game(spec, game_name(spec))
    if loaded.game.tick_rate > config.tick_rate_max:
        raise ConfigError(
            f"game {loaded.name} runs at {loaded.game.tick_rate} ticks a second; "
            f"--tick-rate-max is {config.tick_rate_max}"
        )
    load_brain(spec)
    return loaded


def brain_maker(spec: str) -> Callable[[Schema], Brain]:
    """Makes the brains of a game's seats."""

    def make(schema: Schema) -> Brain:
        brain = load_brain(spec)
        if isinstance(brain, Wanderer):
            brain.learn(Shapes(schema))
        return brain

    return make


class App:
    """A server. `chance` makes secrets and seeds; `kill` is what the page's button does.

    `mistake` says, in development, why a game's file as it was saved does not load, and `stuck`
    which rooms are kept still since their game hung, and where. `observer` hears of every
    transition in a room's life; `watch` is the watchdog's. One that is `slow` is kept for rooms
    that are too slow elsewhere, and takes up no others.
    """

    def __init__(
        self,
        config: Config,
        games: Sequence[LoadedGame],
        store: Store,
        exchange: Exchange,
        clock: Clock,
        chance: Chance,
        secret: bytes,
        log: logging.Logger,
        *,
        owner: str,
        lan: Sequence[str] = (),
        kill: Callable[[], None] | None = None,
        mistake: Callable[[], str | None] | None = None,
        stuck: Callable[[], Mapping[str, str]] = dict,
        watch: Watch | None = None,
        slow: bool = False,
        unloaded: Sequence[str] = (),
        observer: Observer = unobserved,
    ) -> None:
        self.metrics = Metrics()
        self._config = config
        self._clock = clock
        self._store = store
        self._exchange = exchange
        self._log = log
        self._draining = False
        # In the order they began: a set of tasks has another order in each process.
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._server: asyncio.Server | None = None
        about = (config.dev, config.room_budget, observer, watch or Watch(), unloaded)
        rng = Random(chance(16))
        context = Context(owner, store, exchange, clock, chance, rng, self.metrics, log, *about)
        self.host = RoomsHost(
            {game.name: (game.game, brain_maker(game.spec)) for game in games},
            context,
            rooms_max=config.rooms_max,
            standing=[] if slow else _standing(config, games),
            slow=slow,
        )
        self.edge = self._edge(clock, secret, chance)
        self.polling = self._polling()
        network = Network(int.from_bytes(chance(8), "little")) if config.dev else None
        site = self._site(games, lan, kill if config.dev else None, network, mistake, stuck)
        self.api = Api(self.host, files_of(games), site, clock, self.metrics)
        self.listener = self._listener(clock, network)

    async def start(
        self, sock: socket.socket | None, convicted: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Open the store, take up its rooms, and accept.

        Without a socket, connections are made by whoever holds `listener.protocol`. The rooms that
        are `convicted`, each with its reason, are put aside before any is taken up.
        """
        await self._store.open()
        await self._exchange.open()
        for room, reason in convicted:
            await put_aside(room, reason, self.host.name, self._store, self._exchange)
            self._log.error("room %s is quarantined: %s", room, reason)
        await self.host.start()
        self.listener.start()
        if sock is not None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self.listener.protocol, sock=sock, backlog=1024)

    @property
    def has_slow_rooms(self) -> bool:
        """Whether a room that is owned here needs more time than it has beside others."""
        return any(room.owned is not None and room.speed < 1 for room in self.host.rooms())

    async def stop(self, budget_s: float) -> None:
        """Drain: refuse, hand rooms and players over, say goodbye, close the store.

        Rooms go first, at a tick's end each. Players are asked for a second connection, which lands
        elsewhere, and are served here until it has come; where there is nobody else, that is waste.
        """
        self._draining = True
        self.listener.drain()
        if self._server is not None:
            self._server.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(budget_s / 2):
                await self.host.drain()
        if await self.host.has_peers():
            await self._move_players(budget_s / 4)
        self.polling.close()
        await self.listener.close(budget_s / 4)
        self.listener.stop()
        for task in list(self._tasks):
            task.cancel()
        await self.host.stop()
        await self._exchange.close()
        await self._store.close()

    async def _move_players(self, budget_s: float) -> None:
        self.edge.renew_all(budget_s)
        until_s = self._clock.now() + budget_s
        while self.edge.sessions and self._clock.now() < until_s:
            await self._clock.sleep(MOVED_LOOK_S)

    def _listener(self, clock: Clock, network: Network | None) -> Listener:
        return Listener(
            accept=self.edge.accept,
            handle=self._answer,
            limits=edge_limits(self._config),
            clock=clock.now,
            origins=self._config.origins,
            forwarded_position=self._config.forwarded_position,
            wall=clock.wall_s,
            log=self._log,
            network=network,
        )

    async def _answer(self, request: Request) -> Response:
        return await (self.polling if request.path == POLL_PATH else self.api).answer(request)

    def _polling(self) -> Polling:
        bounds = edge_limits(self._config)
        return Polling(
            self.edge,
            origins=self._config.origins,
            wait_s=self._config.poll_wait_s,
            message_bytes_max=bounds.message_bytes_max,
            sessions_max=bounds.http_connections_max,
            per_address_max=bounds.connections_per_address_max,
        )

    def _edge(self, clock: Clock, secret: bytes, chance: Chance) -> Edge:
        rng, lifetime_s = Random(chance(16)), self._config.connection_lifetime_s
        return Edge(
            self.host,
            clock,
            self.metrics,
            self._log,
            secret=secret,
            digest_ticks=self._config.digest_ticks,
            message_bytes_max=self._config.message_bytes_max,
            later=lambda s, call: asyncio.get_running_loop().call_later(s, call),
            spawn=self._spawn,
            lifetime_s=lambda: lifetime_s * rng.uniform(0.9, 1.1) if lifetime_s else None,
        )

    def _site(
        self,
        games: Sequence[LoadedGame],
        lan: Sequence[str],
        kill: Callable[[], None] | None,
        network: Network | None,
        mistake: Callable[[], str | None] | None,
        stuck: Callable[[], Mapping[str, str]],
    ) -> Site:
        return Site(
            version=VERSION,
            development=self._config.dev,
            lan=tuple(lan),
            descriptions={game.name: game.description for game in games},
            pages={g.name: f"/games/{g.name}/web/index.html" for g in games if g.web},
            kill=kill,
            mistake=mistake,
            stuck=stuck,
            network=network,
            pid=os.getpid(),
            process=self.host.name,
            bots={wish.game: wish.bots for wish in self.host.placement.standing},
            gauges=self._gauges,
            ready=self._why_not_ready,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            self._log.error("a join failed", exc_info=task.exception())

    def _gauges(self) -> dict[str, float]:
        gauges: dict[str, float] = {
            "rooms": len(self.host.rooms()),
            "rooms_asleep": self.host.reaper.asleep,
            "rooms_load": sum(room.load for room in self.host.rooms()),
            "rooms_slowed": sum(1 for room in self.host.rooms() if room.speed < 1),
            "sessions": self.edge.sessions,
            "polling_sessions": self.polling.sessions,
            "draining": int(self._draining),
        }
        counters = self.listener.counters
        for name in counters.__dataclass_fields__:
            gauges[f"listener_{name}"] = getattr(counters, name)
        gauges |= self.listener.backlog().gauges()
        return gauges

    def _why_not_ready(self) -> str | None:
        if self._draining:
            return "draining"
        if self.listener.counters.open_now >= self._config.connections_max:
            return "full"
        return None


def edge_limits(config: Config) -> EdgeLimits:
    """The bounds of the listener; a developer's bots all come from one address."""
    per_address = config.connections_per_address_max
    return EdgeLimits(
        message_bytes_max=config.message_bytes_max,
        body_bytes_max=4 * config.message_bytes_max,
        connections_max=config.connections_max,
        connections_per_address_max=config.connections_max if config.dev else per_address,
    )


def files_of(games: Sequence[LoadedGame]) -> Files:
    """The files a browser may ask for: the SDK's, and those of each game that has pages."""
    return Files({"/client/": CLIENT} | {f"/games/{g.name}/web/": g.web for g in games if g.web})


def lan_addresses(port: int) -> list[str]:
    """Where a phone in the same network finds this server; nothing is sent to find out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # A datagram socket's connect only picks the route (documentation network, RFC 5737).
            probe.connect(("192.0.2.1", 9))
            address = str(probe.getsockname()[0])
        except OSError:
            return []
    return [] if address.startswith(("0.", "127.")) else [f"http://{address}:{port}"]


def kill_this_process(delay_s: float = 0.15) -> None:
    """SIGKILL to ourselves, once the answer that says so had time to leave."""
    asyncio.get_running_loop().call_later(delay_s, os.kill, os.getpid(), signal.SIGKILL)


def seeded_chance(seed: int | str) -> Chance:
    """Chance for tests and simulations: the same bytes for the same seed."""
    return Random(seed).randbytes


def _standing(config: Config, games: Sequence[LoadedGame]) -> list[tuple[str, dict[str, Any]]]:
    """The rooms to keep open; of a game that does not load now no room can stand open."""
    return [
        (game.name, written_options(game.game, options))
        for name, options in config.open
        for game in games
        if game.name == name
    ]
