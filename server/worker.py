"""The worker process: one server from its configuration until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from server.app import App, kill_this_process, lan_addresses, load_games, load_what_loads
from server.config import Config
from server.core.lobby import read_wish, written_options
from server.core.ports import Watch
from server.heartbeat import Heartbeat
from server.host.clock import LoopClock
from server.listening import adopt, say_serving
from server.loading import LoadedGame
from server.reloading import WATCH_S, Sources
from server.restarts import EXIT_CONFIG, EXIT_OK, EXIT_RELOAD, EXIT_STORE
from server.settings import LogFormat
from server.store.base import StoreUnavailable
from server.store.exchange import Exchange
from server.store.open import is_shared, open_exchange, open_store
from server.stuck_teller import StuckTeller
from server.watchdog import BEAT_S, BEAT_SHARED_S
from shared.errors import ConfigError, RemoteError, StoreError

# A save so long before the hang may not have been noticed by the process that hung.
SAVED_UNSEEN_S = 2 * WATCH_S

SLOW_NICENESS = 10


def run_worker(config: Config) -> int:
    """Serve until SIGTERM or SIGINT; the exit status, one of server/restarts.py."""
    log = make_log(config)
    try:
        return _run(_serve(config, log))
    except RemoteError as error:
        print(f"holdfast: --open: {error.reason}", file=sys.stderr)
        return EXIT_CONFIG
    except (ConfigError, StoreError) as error:
        print(f"holdfast: {error}", file=sys.stderr)
        return EXIT_STORE if isinstance(error, StoreUnavailable) else EXIT_CONFIG


def is_kept_for_slow_rooms(config: Config) -> bool:
    """Whether this worker is the one beyond those for players, which accepts no connections."""
    return config.worker is not None and config.worker.number > config.workers


def check_settings(config: Config) -> set[str]:
    """The folders of the games' files; nothing is opened and nobody is asked.

    Raises `ConfigError` for what no worker could serve.
    """
    found = load_games(config)
    games = {loaded.name: loaded.game for loaded in found}
    for name, options in config.open:
        if name not in games:
            raise ConfigError(
                f"--open: there is no game {name!r} here; --games has {', '.join(games)}"
            )
        try:
            read_wish(name, games[name], written_options(games[name], options))
        except RemoteError as error:
            raise ConfigError(f"--open: {error.reason}") from None
    open_store(config.store, lambda: 0)
    signing_secret(config)
    return {str(loaded.source.parent) for loaded in found if loaded.source is not None}


def tell_stuck(config: Config, log: logging.Logger) -> Callable[[str, str], None] | None:
    """How a supervisor tells other machines of a worker that hangs; None where there are none."""
    if not config.watchdog_s or not is_shared(config.store):
        return None

    def make() -> Exchange:
        return open_exchange(config.store, time.monotonic, secrets.token_bytes, log)

    return StuckTeller(make, 2 * config.watchdog_s, log).tell


def make_log(config: Config) -> logging.Logger:
    """The process's log: one line a record, text for people or JSON for collectors."""
    handler = logging.StreamHandler()
    if config.log_format is LogFormat.JSON:
        handler.setFormatter(_JsonLines())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    log = logging.getLogger("holdfast")
    log.handlers = [handler]
    log.propagate = False
    log.setLevel(config.log_level.upper())
    return log


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "severity": record.levelname,
            "message": record.getMessage(),
            "pid": record.process,
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def _run(work: Any) -> int:
    try:
        import uvloop
    except ImportError:
        status: int = asyncio.run(work)
    else:
        status = uvloop.run(work)
    return status


def signing_secret(config: Config) -> bytes:
    """The configured secret, or one kept beside the database, or one for this process only.

    Rooms in a Redis outlive this machine, so their players' tokens must, too: without a secret
    that every process is given, a Redis will do for development only.
    """
    if config.secret is not None:
        return config.secret.encode()
    scheme, _, rest = config.store.partition(":")
    if scheme == "memory":
        return secrets.token_bytes(32)
    if scheme == "sqlite":
        path = Path(rest.partition("?")[0] + ".secret")
    elif config.dev:
        path = Path("var/redis.secret")
    else:
        raise ConfigError(
            "--secret: a store in Redis needs one, the same for every process, or players lose "
            "their seats with the process; give it in HOLDFAST_SECRET (or --dev to try things out)"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigError(f"the secret beside the store cannot be written: {error}") from None
    kept = path.read_bytes()
    if len(kept) < 32:
        raise ConfigError(f"{path} is damaged: remove it, and sessions begin anew")
    return kept


async def _serve(config: Config, log: logging.Logger) -> int:
    assert config.worker is not None
    sock, number = adopt(config.worker), config.worker.number
    # Never the name of an earlier process: who owns a room is told by it.
    name = f"{os.environ.get('GAE_INSTANCE', 'local')}-{number}-{secrets.token_hex(4)}"
    beat_s = BEAT_SHARED_S if is_shared(config.store) else BEAT_S
    heart = Heartbeat(config.worker, name, beat_s)
    games, broken = load_what_loads(config)
    for name, why in broken.items():
        log.error("%s; %s is not served by this process, and its rooms are left alone", why, name)
    clock = LoopClock()
    sources = Sources(games, config.games, clock, log) if config.dev else None
    if sources is not None and broken:
        sources.mistake = "; ".join(broken.values())
    host, port = sock.getsockname()[:2]
    slow = is_kept_for_slow_rooms(config)
    if slow:
        sock.close()
        # Where cores are few, those who serve players come first.
        os.nice(SLOW_NICENESS)
    # Bound to one address, the server is not to be found at the others.
    lan = lan_addresses(port) if host in {"0.0.0.0", "::"} else []
    app = _make_app(config, games, tuple(broken), clock, heart, sources, lan, log)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signalled in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signalled, stopping.set)
    # Kept for the loop's life: nobody else holds the task.
    beating = heart.begin(lambda: app.has_slow_rooms)
    await _start(app, None if slow else sock, heart, sources)
    # Loaded code and configuration never die; the collector need not look at them again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    say_serving(config.worker)
    log.info("process %s serves: worker %d, pid %d", heart.name, number, os.getpid())
    if not slow:
        _announce([game.spec for game in games], log, port, lan)
    reload = await _until_told(stopping, sources)
    log.info("reloading the game" if reload else "stopping")
    await app.stop(config.drain_s if not reload else 2.0)
    beating.cancel()
    return EXIT_RELOAD if reload else EXIT_OK


def _make_app(
    config: Config,
    games: Sequence[LoadedGame],
    broken: Sequence[str],
    clock: LoopClock,
    heart: Heartbeat,
    sources: Sources | None,
    lan: Sequence[str],
    log: logging.Logger,
) -> App:
    return App(
        config,
        games,
        open_store(config.store, lambda: int(clock.wall_s() * 1000), config.retention, log),
        open_exchange(config.store, clock.now, secrets.token_bytes, log),
        clock,
        secrets.token_bytes,
        signing_secret(config),
        log,
        owner=heart.name,
        lan=lan,
        kill=kill_this_process,
        mistake=None if sources is None else lambda: sources.mistake,
        watch=Watch(heart.marker, heart.suspicion),
        slow=is_kept_for_slow_rooms(config),
        unloaded=broken,
        stuck=lambda: {one.room: one.reason for one in heart.kept()},
    )


async def _start(
    app: App, sock: socket.socket | None, heart: Heartbeat, sources: Sources | None
) -> None:
    """Accept; what the process before this one hung in is put aside first, or in development kept.

    It is kept until its game is saved, which may have been done while it hung.
    """
    sentenced = heart.sentenced() if sources is None else []
    since_s = [one.since_s for one in heart.kept()]
    if sources is not None and since_s and sources.saved_since(min(since_s) - SAVED_UNSEEN_S):
        heart.pardon()
    await app.start(sock, [(one.room, one.reason) for one in sentenced])
    for conviction in sentenced:
        heart.settle(conviction)


async def _until_told(stopping: asyncio.Event, sources: Sources | None) -> bool:
    """Wait until this process is to end, and return whether it ends for its games were saved."""
    if sources is None:
        await stopping.wait()
        return False
    watcher, told = asyncio.ensure_future(sources.changed()), asyncio.ensure_future(stopping.wait())
    await asyncio.wait({watcher, told}, return_when=asyncio.FIRST_COMPLETED)
    reload = watcher.done() and not stopping.is_set()
    watcher.cancel()
    told.cancel()
    return reload


def _announce(games: Sequence[str], log: logging.Logger, port: int, lan: Sequence[str]) -> None:
    log.info("playing at http://localhost:%d (%s)", port, ", ".join(games))
    for address in lan:
        log.info("for a phone in this network: %s", address)
