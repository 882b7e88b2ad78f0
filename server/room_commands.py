"""What an operator asks of rooms in a store: which there are, to live again, to be copied, shown.

    python -m server rooms [--quarantined]      the rooms of the store, and why they are as they are
    python -m server release ROOM [--from 512]  let a quarantined room live again, from a tick
    python -m server export ROOM FILE           a copy of a room as one file
    python -m server show FILE [--rows]         what is in such a file

All but `show` speak to the store alone. A Redis serves them beside the servers that use it; a
SQLite file is read beside its server, and changed only where none runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from server import VERSION
from server.command_error import CommandError
from server.config import SETTINGS, explain, parse, program
from server.core.journal import JournalDamaged, record_tick, rows_of
from server.core.lifecycle import table_as_markdown
from server.core.lobby import RoomMeta
from server.core.versions import LeftAlone
from server.settings import quoted
from server.store.base import ROOM_ID, Loaded, RoomEntry, Status, Store
from server.store.open import open_reader, open_store
from server.store.reader import Reader
from server.store.room_file import RoomFile, decode_room, encode_room
from shared.errors import ConfigError, StoreError
from shared.view import View

EXAMPLES: Final = {
    "rooms": "rooms --quarantined --store redis://127.0.0.1:6379/0",
    "release": "release 5hq2cxxv6gkm7pq3dn8e --from checkpoint",
    "export": "export 5hq2cxxv6gkm7pq3dn8e room.holdfast",
    "show": "show room.holdfast --rows --tick 512",
}
DOES: Final = {
    "rooms": "List the rooms of a store: status, owner, tick, age, and why they are as they are.",
    "release": "Let a quarantined room live again: a server takes it up within a minute, or when "
    "one of its players comes back.",
    "export": "Copy a room into one file: its description, checkpoints and journal.",
    "show": "Show what is in a file that 'export' made.",
}
CHECKPOINT: Final = "checkpoint"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog.rpartition(' ')[2]}: {message}; --help has an example")


def run_room_command(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do as the command line says; the exit status: 0, or 1 with a sentence on stderr.

    Raises `ConfigError` for a command line that cannot be meant. --help prints and raises
    `SystemExit(0)`.
    """
    name, *rest = argv
    options = make_parser(name).parse_args(rest)
    try:
        print(_run(name, options, environ), end="")
    except (CommandError, StoreError, OSError) as error:
        print(f"holdfast: {error}", file=sys.stderr)
        return 1
    return 0


def make_parser(name: str) -> argparse.ArgumentParser:
    """What reads the command line of one of `DOES`."""
    parser = _Parser(
        prog=f"{program()} {name}",
        description=DOES[name],
        epilog=f"Example: {program()} {EXAMPLES[name]}",
        allow_abbrev=False,
    )
    if name == "rooms":
        for status in (Status.LIVE, Status.ASLEEP, Status.QUARANTINED):
            text = f"only rooms that are {status}"
            parser.add_argument(f"--{status}", action="store_true", help=text)
        parser.add_argument("--json", action="store_true", help="as JSON, for programs")
        text = "instead of rooms, what a room may be in a process and what may happen, as Markdown"
        parser.add_argument("--states", action="store_true", help=text)
    elif name == "show":
        parser.add_argument("FILE", help="a file that 'export' made")
        parser.add_argument("--rows", action="store_true", help="every row of the match, as text")
        text = "the rows as they were after this tick [default: the last]"
        parser.add_argument("--tick", type=int, metavar="N", help=text)
    else:
        parser.add_argument("ROOM", type=_room_id, help="the room's id, as 'rooms' has it")
        if name == "export":
            parser.add_argument("FILE", help="the file to write; one that is there is kept")
        else:
            text = "from its newest checkpoint, or from a tick; what came after is forgotten "
            text += "[default: from its last tick]"
            parser.add_argument("--from", metavar="checkpoint|N", dest="since", help=text)
    if name != "show":
        parser.add_argument("--store", metavar="URL", help=explain("store", SETTINGS["store"]))
    return parser


def _run(name: str, options: argparse.Namespace, environ: Mapping[str, str]) -> str:
    if name == "show":
        return show(
            Path(options.FILE), rows=options.rows or options.tick is not None, tick=options.tick
        )
    if name == "rooms" and options.states:
        return table_as_markdown()
    flags = [] if options.store is None else ["--store", options.store]
    url = parse(flags, environ).store
    if url == "memory:":
        raise ConfigError(f"{name}: a memory: store lives in its server; there is none to look at")
    now_ms = int(time.time() * 1000)
    if name == "release":
        store = open_store(url, lambda: now_ms)
        return _with(store, lambda: release(options.ROOM, options.since, store))
    reader = open_reader(url)
    if name == "export":
        path = Path(options.FILE)
        return _with(reader, lambda: export(options.ROOM, path, reader, now_ms))
    wanted = {one for one in Status if getattr(options, str(one), False)}
    return _with(reader, lambda: list_rooms(reader, wanted, now_ms, as_json=options.json))


def _with(store: Reader, work: Callable[[], Coroutine[Any, Any, str]]) -> str:
    async def run() -> str:
        await store.open()
        try:
            return await work()
        finally:
            await store.close()

    return asyncio.run(run())


async def list_rooms(
    store: Reader, wanted: set[Status], now_ms: int, *, as_json: bool = False
) -> str:
    """The rooms of these statuses (none: of every status), a line each or as a JSON list."""
    entries = [one for one in await store.rooms() if not wanted or one.status in wanted]
    if as_json:
        return json.dumps([_as_json(one) for one in entries], indent=2) + "\n"
    lines = [_line(one, now_ms) for one in entries]
    return "\n".join(lines or ["there is no such room" if wanted else "there is no room"]) + "\n"


async def release(room: str, since: str | None, store: Store) -> str:
    """Let a quarantined room live again, from a tick; what was done."""
    entry = await store.entry(room)
    if entry.status is not Status.QUARANTINED:
        raise CommandError(f"room {room} is {entry.status}; only a quarantined one is released")
    loaded = await store.load(room)
    tick = _tick_to_go_on_from(loaded, entry.tick, since)
    try:
        _rows_at(loaded, tick)
    except (JournalDamaged, LeftAlone) as error:
        raise CommandError(f"room {room} cannot go on from tick {tick}: {error}") from None
    name = f"release-{secrets.token_hex(4)}"
    epoch = (await store.acquire(room, name, blameless=True)).epoch
    if tick < entry.tick:
        epoch = await store.cut(room, epoch, tick)
    await store.set_status(room, epoch, Status.LIVE, f"released at tick {tick}")
    await store.release(room, epoch)
    return f"room {room} lives again, from tick {tick} of {entry.tick}\n"


async def export(room: str, path: Path, store: Reader, now_ms: int) -> str:
    """Copy a room into a new file; what was written."""
    entry = await store.entry(room)
    loaded = await store.load(room)
    data = encode_room(RoomFile(VERSION, now_ms, entry, loaded))
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(data)
    return f"room {room} until tick {entry.tick}: {len(data)} bytes in {path}\n"


def show(path: Path, *, rows: bool = False, tick: int | None = None) -> str:
    """What is in a room's file, as text; with `rows`, every row after a tick (None: the last)."""
    file = decode_room(path.read_bytes())
    entry, loaded = file.entry, file.loaded
    lines = [
        _line(entry, file.exported_ms),
        f"  exported {_time(file.exported_ms)} by holdfast {file.release}",
        f"  epoch {loaded.epoch}, {loaded.recoveries} crashes running",
    ]
    lines += _about(entry)
    for checkpoint in loaded.checkpoints:
        lines.append(f"  checkpoint of tick {checkpoint.tick}: {len(checkpoint.blob)} bytes")
    if loaded.records:
        first, last = loaded.records[0].tick, loaded.records[-1].tick
        size = sum(len(record.record) for record in loaded.records)
        lines.append(f"  records of ticks {first} to {last}: {size} bytes")
    if rows:
        wanted = entry.tick if tick is None else tick
        try:
            view = _rows_at(loaded, wanted)
        except (JournalDamaged, LeftAlone) as error:
            raise CommandError(f"the rows after tick {wanted} cannot be read: {error}") from None
        lines.append(f"rows after tick {view.tick}:")
        lines += [f"  {row!r}" for kind in view.names for row in view.all(kind)]
    return "\n".join(lines) + "\n"


def _tick_to_go_on_from(loaded: Loaded, last: int, since: str | None) -> int:
    if since is None:
        return last
    if since == CHECKPOINT:
        if not loaded.checkpoints:
            raise CommandError(f"room {loaded.room} has no checkpoint: give a tick, or nothing")
        return loaded.checkpoints[0].tick
    if not since.isascii() or not since.isdigit() or len(since) > 18:
        raise ConfigError(f"--from {quoted(since)}: give checkpoint, or the number of a tick")
    return int(since)


def _rows_at(loaded: Loaded, tick: int) -> View:
    """The rows after a tick; JournalDamaged where what is kept does not lead there."""
    before = [one for one in loaded.checkpoints if record_tick(one.blob) <= tick]
    start = before[0] if before else None
    if start is None and loaded.checkpoints:
        oldest = loaded.checkpoints[-1].tick
        raise JournalDamaged(f"nothing is kept of it before tick {oldest}")
    after = 0 if start is None else start.tick
    records = [one.record for one in loaded.records if after < one.tick <= tick]
    view = rows_of(None if start is None else start.blob, records)
    if view.tick != tick:
        raise JournalDamaged(f"what is kept ends at tick {view.tick}")
    return view


def _line(entry: RoomEntry, now_ms: int) -> str:
    meta = _meta(entry)
    game = "of another release" if meta is None else meta.game
    parts = [entry.room, f"{entry.status:11}", f"game: {game}", f"tick: {entry.tick}"]
    if meta is not None:
        parts.append(f"age: {_age(now_ms - meta.created_ms)}")
    if entry.owner:
        parts.append(f"owner: {entry.owner}")
    if entry.reason:
        parts.append(f"since {_age(now_ms - entry.since_ms)}: {ascii(entry.reason)[1:-1]}")
    return "  ".join(parts)


def _about(entry: RoomEntry) -> list[str]:
    meta = _meta(entry)
    if meta is None:
        return []
    private = ", private" if meta.private else ""
    return [
        f"  made {_time(meta.created_ms)} by rules {meta.rules!r}{private}, {meta.bots} bots",
        f"  seed {meta.seed}, options {meta.options!r}",
    ]


def _as_json(entry: RoomEntry) -> dict[str, Any]:
    meta = _meta(entry)
    return {
        "room": entry.room,
        "status": str(entry.status),
        "game": None if meta is None else meta.game,
        "tick": entry.tick,
        "epoch": entry.epoch,
        "owner": entry.owner,
        "created_ms": None if meta is None else meta.created_ms,
        "reason": entry.reason,
        "since_ms": entry.since_ms,
    }


def _meta(entry: RoomEntry) -> RoomMeta | None:
    try:
        return RoomMeta.decode(entry.meta)
    except (ValueError, LeftAlone):
        return None


def _age(ms: int) -> str:
    seconds = max(0, ms // 1000)
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _room_id(text: str) -> str:
    if ROOM_ID.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(
            f"{quoted(text)} is no room's id, which has 8 to 32 characters of a-z and 0-9"
        )
    return text
