"""What an operator asks of running processes: which there are, and that a room moves.

    python -m server processes              the living processes and the rooms in the directory
    python -m server move ROOM [--to NAME]  ask ROOM's owner to hand it over, and wait until it did

Both speak through the store that the processes share, so they run wherever it can be reached, with
the same `--store` or `HOLDFAST_STORE`. Nothing is forced: a room moves when its owner lets go.
Those about rooms in a store are in server/room_commands.py.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from server.command_error import CommandError
from server.config import SETTINGS, explain, parse, program
from server.core.ports import Clock
from server.core.post import encode_move
from server.host.clock import LoopClock
from server.host.directory import read_listing
from server.room_commands import DOES, run_room_command
from server.settings import quoted
from server.store.base import ROOM_ID, NoSuchRoom, Status, Store, Tail
from server.store.exchange import Exchange, Listing, Process
from server.store.open import open_exchange, open_store
from shared.errors import ConfigError, StoreError
from shared.limits import INTEGER_MAX

MOVE_S: Final = 5.0
"""A handover takes a few ticks; what takes this long is not going to happen."""
POLL_S: Final = 0.02
# Letters may be lost; asking a room that is where it was asked to be changes nothing.
REPEAT_S: Final = 1.0

COMMANDS: Final = ("move", "processes", *DOES)
MOVE_USAGE: Final = "give: python -m server move ROOM [--to PROCESS] [--store URL]"
PROCESSES_USAGE: Final = "give: python -m server processes [--store URL]"
ROOMS_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Moved:
    """A room that changed hands, the tick at which that was asked, and how many seconds it took."""

    room: str
    source: str
    target: str
    epoch: int
    tick: int
    took_s: float

    def __str__(self) -> str:
        went = f"{self.source} -> {self.target} in {self.took_s:.2f} s"
        return f"room {self.room}: {went} (epoch {self.epoch}; it was asked at tick {self.tick})"


def run_command(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do as the command line says; the exit status: 0, or 1 with a sentence on stderr.

    Raises `ConfigError` for a command line that cannot be meant, or a store without peers.
    """
    if argv[0] in DOES:
        return run_room_command(argv, environ)
    command = read_command(argv)
    config = parse(command.flags, environ)
    scheme = config.store.partition(":")[0]
    if scheme in {"memory", "sqlite"}:
        raise ConfigError(
            f"{argv[0]}: a {scheme}: store belongs to one process, so there is no other to ask or "
            "to move to; give --store redis://HOST:PORT/DB, or HOLDFAST_STORE, as the servers have"
        )
    exchange = open_exchange(
        config.store, time.monotonic, secrets.token_bytes, logging.getLogger("holdfast")
    )
    store = open_store(config.store, lambda: int(time.time() * 1000))
    try:
        print(asyncio.run(_run(command, store, exchange)))
    except (CommandError, StoreError) as error:
        print(f"holdfast: {error}", file=sys.stderr)
        return 1
    return 0


@dataclass(frozen=True, slots=True)
class Command:
    """A command line, read: for `processes` there is no room. `flags` are settings."""

    room: str | None
    to: str | None
    flags: tuple[str, ...]


def read_command(argv: Sequence[str]) -> Command:
    """Read a command line that begins with one of `COMMANDS`; ConfigError says what is wrong.

    --help prints and raises `SystemExit(0)`.
    """
    name, *rest = argv
    if {"-h", "--help"} & set(rest):
        make_help(name).print_help()
        raise SystemExit(0)
    if name == "processes":
        if rest and not rest[0].startswith("--"):
            raise ConfigError(f"processes takes no {quoted(rest[0])}; {PROCESSES_USAGE}")
        return Command(None, None, tuple(rest))
    if not rest or rest[0].startswith("--"):
        raise ConfigError(f"move: which room? {MOVE_USAGE}")
    room, *rest = rest
    if ROOM_ID.fullmatch(room) is None:
        raise ConfigError(
            f"move: {quoted(room)} is no room's id, which has 8 to 32 characters of a-z and 0-9"
        )
    to: str | None = None
    flags: list[str] = []
    while rest:
        word, *rest = rest
        flag, equals, text = word.partition("=")
        if flag != "--to":
            flags.append(word)
        elif equals:
            to = text
        elif rest and not rest[0].startswith("--"):
            to, *rest = rest
        else:
            to = ""
    if to == "":
        raise ConfigError(f"--to: which process? 'processes' lists them; {MOVE_USAGE}")
    return Command(room, to, tuple(flags))


def make_help(name: str) -> argparse.ArgumentParser:
    """A parser for the sake of its help, of one of `COMMANDS`."""
    does = {
        "move": "Ask a room's owner to hand it over to another process, and wait until it did.",
        "processes": "List the living processes, each with the rooms it runs.",
    }
    parser = argparse.ArgumentParser(prog=f"{program()} {name}", description=does[name])
    if name == "move":
        parser.add_argument("ROOM", help="the room's id, as in its link or as 'processes' has it")
        text = "the process that is to have it, as 'processes' has it; any that can, without this"
        parser.add_argument("--to", metavar="PROCESS", help=text)
    # The servers' own setting: elsewhere there is nobody to ask.
    parser.add_argument("--store", metavar="URL", help=explain("store", SETTINGS["store"]))
    return parser


async def _run(command: Command, store: Store, exchange: Exchange) -> str:
    await store.open()
    try:
        await exchange.open()
        try:
            if command.room is None:
                return await describe_processes(exchange)
            return str(await move(command.room, command.to, store, exchange, LoopClock()))
        finally:
            await exchange.close()
    finally:
        await store.close()


async def move(
    room: str,
    to: str | None,
    store: Store,
    exchange: Exchange,
    clock: Clock,
    wait_s: float = MOVE_S,
) -> Moved:
    """Ask a room's owner to hand it over, and wait until another process owns it.

    `to` names the process that is to have it; None leaves that to the owner. Raises `CommandError`
    when there is no such room or process, when nothing happened within `wait_s` seconds, or when
    the room went elsewhere.
    """
    before = await _tail(store, room)
    _check_target(room, to, before, await exchange.processes())
    started = clock.now()
    posted: float | None = None
    while (now := clock.now()) - started < wait_s:
        if posted is None or (to is not None and now - posted >= REPEAT_S):
            exchange.post(room, encode_move(to))
            posted = now
        await clock.sleep(POLL_S)
        after = await _tail(store, room)
        if after.epoch > before.epoch and after.owner not in {"", before.owner}:
            took_s = clock.now() - started
            moved = Moved(room, before.owner, after.owner, after.epoch, before.tick, took_s)
            if to not in {None, after.owner}:
                raise CommandError(f"{moved}: not to {quoted(to or '')}, as asked")
            return moved
    raise CommandError(
        f"nothing happened within {wait_s:g} s: room {room} is still with {before.owner}, which "
        "may be hung, or too busy to hear; see its log"
    )


async def _tail(store: Store, room: str) -> Tail:
    try:
        # Beyond any tick, so that no records come along.
        return await store.tail(room, INTEGER_MAX)
    except NoSuchRoom:
        listed = [entry.room for entry in await store.rooms()]
        known = ", ".join(listed[:ROOMS_SHOWN]) or "none"
        more = f" and {len(listed) - ROOMS_SHOWN} more" if len(listed) > ROOMS_SHOWN else ""
        raise CommandError(f"there is no room {room}; there are: {known}{more}") from None


def _check_target(room: str, to: str | None, before: Tail, living: Sequence[Process]) -> None:
    """Raise a `CommandError` for a move that cannot come about."""
    if before.status is not Status.LIVE:
        raise CommandError(f"room {room} is {before.status}: nobody runs it, so nobody can move it")
    if not before.owner:
        raise CommandError(f"room {room} has no owner now: whoever takes it up needs no asking")
    by_name = {process.name: process for process in living}
    others = [process.name for process in living if process.name != before.owner and process.open]
    if to == before.owner:
        raise CommandError(f"room {room} is with {to} already")
    if not others:
        raise CommandError(f"there is no other process that could take room {room}")
    if to is not None and to not in others:
        why = "takes no more rooms" if to in by_name else "does not live"
        raise CommandError(f"process {quoted(to)} {why}; there are: {', '.join(others)}")


async def describe_processes(exchange: Exchange) -> str:
    """The living processes and the rooms in the directory, a line each."""
    processes = await exchange.processes()
    listings = await exchange.listings()
    lines: list[str] = []
    for process in processes:
        state = "open" if process.open else "takes no more"
        games = ",".join(process.games)
        lines.append(f"{process.name}  rooms: {process.rooms}  {state}  games: {games}")
        lines += [_line(one) for one in listings if one.owner == process.name]
    living = {process.name for process in processes}
    if left := [one for one in listings if one.owner not in living]:
        lines.append("with no living process:")
        lines += [f"{_line(one)}  last with {one.owner}" for one in left]
    return "\n".join(lines) or "there is no process, and no room"


def _line(listing: Listing) -> str:
    known = read_listing(listing)
    if known is None:
        about = "of another release"
    else:
        private = " (private)" if known.meta.private else ""
        about = f"game: {known.meta.game}{private}  players: {known.census.players}"
    return f"  {listing.room}  {about}  free seats: {listing.free}"
