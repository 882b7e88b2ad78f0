"""The settings of a process: the only reader of flags and of the environment.

Each setting is declared once, as a field of `Config` with how to read it and how to explain it.
A flag wins over its environment twin, and that over the default.
"""

from __future__ import annotations

import argparse
import difflib
import os
import platform
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from server import VERSION, settings
from server.settings import Inherited, LogFormat, LogLevel, choice, quoted, seconds, share, whole
from server.store.base import RETENTION, Retention
from shared.errors import ConfigError
from shared.limits import MESSAGE_BYTES_MAX, ROOMS_MAX, TICK_RATE_MAX

T = TypeVar("T")

WORKERS_MAX = 64
YEAR_S = 366 * 86_400


@dataclass(frozen=True, slots=True)
class Setting:
    """How one setting is read from text, and what --help says of it."""

    read: Callable[[str], object]
    metavar: str
    explanation: str
    # Shown for the default where the value itself says little, such as None.
    default_text: str | None = None
    # A second variable, read when the first is unset: platforms set PORT.
    variable_too: str | None = None
    hidden: bool = False


def setting(default: T, read: Callable[[str], T], metavar: str, explanation: str, **more: Any) -> T:
    """Declare a field of `Config`; `more` are the other fields of `Setting`."""
    # A secret must not appear where a Config is printed, as in a log line or a traceback; an
    # address may have a password in it.
    made: T = field(
        default=default,
        repr=metavar not in {"TEXT", "URL"},
        metadata={"setting": Setting(read, metavar, explanation, **more)},
    )
    return made


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting, read and checked. Without arguments: the defaults."""

    port: int = setting(
        8080,
        whole(0, 65535),
        "N",
        "TCP port to listen on; 0 takes any free one",
        variable_too="PORT",
    )
    host: str = setting("0.0.0.0", settings.address, "ADDRESS", "address to listen on")
    store: str = setting(
        "sqlite:var/holdfast.db",
        settings.store_url,
        "URL",
        "where matches survive: memory:, sqlite:PATH or redis://[USER:PASSWORD@]HOST:PORT/DB (or "
        "rediss:// with TLS; ?prefix=NAME begins its keys, ?durable=1 waits for a replica); with a "
        "password prefer the variable",
    )
    games: tuple[str, ...] = setting(
        ("coins",),
        settings.game_list,
        "LIST",
        "games to serve, with commas between: a name (coins), a class (mypkg.mygame:MyGame) "
        "or a file (./mygame.py)",
        default_text="coins",
    )
    open: tuple[tuple[str, dict[str, str]], ...] = setting(
        (),
        settings.room_list,
        "LIST",
        "public rooms kept open even when nobody is in them, as in coins?bots=2",
        default_text="none",
    )
    secret: str | None = setting(
        None,
        settings.signing_key,
        "TEXT",
        f"signs session tokens, at least {settings.SECRET_CHARS_MIN} characters, the same for "
        "every process; prefer the variable, since flags show in the list of processes",
        default_text="made by the server, but needed with redis unless --dev",
    )
    dev: bool = setting(
        False,
        settings.switch,
        "YES|NO",
        "develop: reload games on save, explain mistakes in the page",
    )
    origins: tuple[str, ...] | None = setting(
        None,
        settings.origin_list,
        "LIST",
        "origins of the pages that may connect, with commas between",
        default_text="pages of this server's own host",
    )
    forwarded_position: int | None = setting(
        None,
        whole(-16, -1),
        "N",
        "which entry of X-Forwarded-For is the player's address, counted from the end (-1 is "
        "the last); set it only behind proxies that write the header",
        default_text="unset, the peer's own address",
    )
    tick_rate_max: int = setting(
        TICK_RATE_MAX, whole(1, TICK_RATE_MAX), "N", "fastest room admitted, in ticks a second"
    )
    message_bytes_max: int = setting(
        MESSAGE_BYTES_MAX, whole(1024, 1024 * 1024), "N", "longest message of a client, in bytes"
    )
    connections_max: int = setting(
        2000, whole(1, 1_000_000), "N", "open connections of this process"
    )
    connections_per_address_max: int = setting(
        200, whole(1, 1_000_000), "N", "open connections from one address (IPv6: from one /64)"
    )
    connection_lifetime_s: float = setting(
        3000.0,
        seconds(0, 86_400),
        "S",
        "age, give or take a tenth, at which a WebSocket is renewed before the platform ends it; "
        "0 for never",
    )
    poll_wait_s: float = setting(
        4.0,
        seconds(0.1, 20),
        "S",
        "longest wait for news of one long poll; clients take 5 seconds of silence for a loss, and "
        "proxies end idle requests from 30 seconds on",
    )
    rooms_max: int = setting(ROOMS_MAX, whole(1, 1_000_000), "N", "rooms owned by this process")
    room_budget: float = setting(
        0.25,
        share,
        "SHARE",
        "the part of a process's time that one room beside others may take, from 0.01 to 1; one "
        "that needs more goes on in slow motion, and at 1 none does",
    )
    sleeping_rooms_max: int = setting(
        RETENTION.sleeping_max,
        whole(0, 1_000_000),
        "N",
        "sleeping rooms of the whole store; beyond them, the longest asleep is closed",
    )
    asleep_keep_s: float = setting(
        RETENTION.asleep_s,
        seconds(0, YEAR_S),
        "S",
        "how long a room that everybody left sleeps before it is closed, in seconds",
    )
    closed_keep_s: float = setting(
        RETENTION.closed_s,
        seconds(60, YEAR_S),
        "S",
        "how long the store remembers the id of a room that is over, in seconds",
    )
    results_keep_s: float = setting(
        RETENTION.results_s,
        seconds(60, YEAR_S),
        "S",
        "how long a room's results are kept after the last of them, in seconds",
    )
    quarantined_keep_s: float = setting(
        RETENTION.quarantined_s,
        seconds(60, YEAR_S),
        "S",
        "how long a room that failed is kept aside with its journal, in seconds",
    )
    digest_ticks: int = setting(
        100,
        whole(0, 1_000_000),
        "N",
        "ticks from one digest of the rows to the next, by which clients check themselves, and no "
        "more than 5 s; 0 for none",
    )
    drain_s: float = setting(
        20.0, seconds(0, 3600), "S", "time to hand matches over after SIGTERM, in seconds"
    )
    watchdog_s: float = setting(
        5.0,
        seconds(0, 3600),
        "S",
        "how long a worker may be stuck in a game before it is ended and that room put aside, in "
        "seconds; 0 for never, as under a debugger of your own",
    )
    workers: int = setting(
        1,
        whole(1, WORKERS_MAX),
        "N",
        "worker processes on this port; more than one needs a store they share, in Redis",
        default_text="one for each core with redis, else 1",
    )
    slow_worker: bool = setting(
        True,
        settings.switch,
        "YES|NO",
        "with several workers, start one more, without players, for rooms that are too slow beside "
        "others; it starts when the first such room shows",
    )
    log_format: LogFormat = setting(
        LogFormat.TEXT, choice(LogFormat), "FORMAT", "text for people, json for collectors"
    )
    log_level: LogLevel = setting(
        LogLevel.INFO,
        choice(LogLevel),
        "LEVEL",
        "least level logged: debug, info, warning or error",
    )
    worker: Inherited | None = setting(
        None,
        settings.inherited_fds,
        "LISTENER,LIFELINE,PAGE,STACKS,NUMBER",
        "given by the supervisor",
        hidden=True,
    )

    @property
    def retention(self) -> Retention:
        """How long the store keeps what no running match needs."""
        return Retention(
            asleep_s=self.asleep_keep_s,
            closed_s=self.closed_keep_s,
            results_s=self.results_keep_s,
            quarantined_s=self.quarantined_keep_s,
            sleeping_max=self.sleeping_rooms_max,
        )


SETTINGS: Mapping[str, Setting] = {one.name: one.metadata["setting"] for one in fields(Config)}


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Config:
    """Read flags (without the program's name) and the environment.

    Raises `ConfigError` with one line: the flag or variable, what was wrong, what would be right.
    --help and --version print and raise `SystemExit(0)`.
    """
    flags = read_flags(argv)
    values: dict[str, Any] = {}
    for name, one in SETTINGS.items():
        source, text = flag_of(name), flags.get(name)
        if text is None and not one.hidden:
            source, text = read_variable(name, one, environ)
        if text is not None:
            values[name] = read_value(one, source, text)
    config = Config(**values)
    scheme = config.store.partition(":")[0]
    shared = scheme in {"redis", "rediss"}
    if shared and "workers" not in values:
        config = replace(config, workers=min(cores(), WORKERS_MAX))
    if config.workers > 1 and not shared:
        raise ConfigError(
            f"--workers {config.workers}: {scheme}: belongs to one process; give --workers 1, or "
            "a --store that processes share (redis://HOST:PORT/DB)"
        )
    return config


def cores() -> int:
    """How many cores this process may use, at least 1."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def parse_or_exit(argv: Sequence[str], environ: Mapping[str, str]) -> Config:
    """Do as `parse` does, but print a `ConfigError` as one line to stderr and exit with 2."""
    try:
        return parse(argv, environ)
    except ConfigError as error:
        print(f"holdfast: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def flag_of(name: str) -> str:
    return "--" + name.replace("_", "-")


def variable_of(name: str) -> str:
    return "HOLDFAST_" + name.upper()


def read_flags(argv: Sequence[str]) -> dict[str, str]:
    """Return the text given for each flag, by setting; the last of a repeated flag counts."""
    names = {flag_of(name): name for name in SETTINGS}
    given: dict[str, str] = {}
    left = deque(argv)
    while left:
        flag, equals, text = left.popleft().partition("=")
        if flag in {"-h", "--help"}:
            make_help().print_help()
            raise SystemExit(0)
        if flag == "--version":
            print(f"holdfast {VERSION}, Python {platform.python_version()}")
            raise SystemExit(0)
        if flag not in names:
            raise ConfigError(f"{quoted(flag)} is not known; {suggest(flag)}")
        name = names[flag]
        if not equals:
            # A switch stands alone: --dev is --dev=yes.
            if SETTINGS[name].read is settings.switch:
                text = "yes"
            elif left and not left[0].startswith("--"):
                text = left.popleft()
            else:
                raise ConfigError(f"{flag}: no value follows; give {flag} {SETTINGS[name].metavar}")
        given[name] = text
    return given


def suggest(flag: str) -> str:
    shown = [flag_of(name) for name, one in SETTINGS.items() if not one.hidden] + ["--version"]
    near = difflib.get_close_matches(flag, shown, n=1, cutoff=0.7)
    return f"did you mean {near[0]}?" if near else "--help lists every flag"


def make_help() -> argparse.ArgumentParser:
    """A parser for the sake of its help: it takes some texts for its own, such as `--`."""
    parser = argparse.ArgumentParser(
        prog=program(),
        description="Serve multiplayer matches that outlive the machine they run on.",
        epilog="A flag wins over its variable, a variable over the default. Commands instead of "
        "flags: processes, move, rooms, release, export and show; each has a --help.",
    )
    parser.add_argument("--version", action="store_true", help="print the release and exit")
    for name, one in SETTINGS.items():
        if not one.hidden:
            metavar = None if one.read is settings.switch else one.metavar
            action = parser.add_argument(flag_of(name), metavar=metavar, help=explain(name, one))
            action.nargs = 0 if metavar is None else None
    return parser


def program() -> str:
    """How this process was called, as one would write it to call it again."""
    return "holdfast" if Path(sys.argv[0]).name == "holdfast" else "python -m server"


def explain(name: str, one: Setting) -> str:
    default = one.default_text
    if default is None:
        value: object = getattr(Config(), name)
        if isinstance(value, bool):
            default = "yes" if value else "no"
        else:
            default = f"{value:.12g}" if isinstance(value, float) else str(value)
    variables = variable_of(name) + (f" or {one.variable_too}" if one.variable_too else "")
    return f"{one.explanation} [{variables}; default: {default}]".replace("%", "%%")


def read_variable(name: str, one: Setting, environ: Mapping[str, str]) -> tuple[str, str | None]:
    """Return the variable that counts and its text; an empty one counts as unset."""
    for variable in filter(None, (variable_of(name), one.variable_too)):
        text = environ.get(variable, "")
        # Kubernetes sets HOLDFAST_PORT=tcp://... in every pod beside a Service called holdfast.
        if text and not (name == "port" and text.startswith(("tcp://", "udp://"))):
            return variable, text
    return variable_of(name), None


def read_value(one: Setting, source: str, text: str) -> object:
    try:
        return one.read(text)
    except ValueError as error:
        shown = "" if one.metavar == "TEXT" else f" {quoted(settings.without_password(text))}"
        raise ConfigError(f"{source}{shown}: {error}") from None
