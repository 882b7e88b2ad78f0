"""One bot's view as a picture for a terminal: how it fares, a map, its rows, and what happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.panel import Panel
from rich.style import Style
from rich.table import Table
from rich.text import Text

from shared.columns import Kind
from shared.schema import (
    EVENT_TABLE,
    PLAYER_TABLE_KIND,
    ROOM_TABLE_KIND,
    Schema,
    TableSchema,
)
from shared.view import View

from .charmap import OWN, Camera, draw, has_place, mark_of, scene
from .plain import plain
from .watch import Watch

WIDE_COLUMNS, SIDE_COLUMNS = 96, 46
HEAD_LINES, LOG_LINES = 4, 8
# Below this height there is room for the map only.
TALL_LINES = 22
ROWS_MAX, GAP = 12, 2
PLACES = {"x", "y", "x2", "y2", "w", "h", "width", "height", "left", "top", "right", "bottom"}
UNUSED = ("finished", "team")
QUIET = Style(dim=True)
EDGE = Style(color="bright_black")
STANDING = {"live": "bright_green", "gone": "bright_red"}
KEYS = "tab: next bot   q: quit"


@dataclass(frozen=True, slots=True)
class Company:
    """The bot among the others: its number from 1, and how many there are."""

    game: str
    number: int
    count: int


def picture(
    watch: Watch, camera: Camera, company: Company, *, columns: int, lines: int
) -> RenderableType:
    """Everything of one bot, for a terminal of this size."""
    session = watch.bot.session
    whole = Layout()
    head = Layout(_framed(head_of(watch, company), KEYS), size=HEAD_LINES)
    if session.view is None or session.schema is None or not session.view.tick:
        whole.split_column(head, Layout(_framed(Text("No frame has come yet.", QUIET))))
        return whole
    view, schema = session.view, session.schema
    world = Layout(_framed(_Map(view, schema, camera)), ratio=2)
    if lines < TALL_LINES:
        whole.split_column(head, world)
        return whole
    log = Layout(_framed(_Log(watch)), size=LOG_LINES)
    rows = Layout(_framed(_Rows(view, schema)))
    body = Layout(ratio=1)
    if columns >= WIDE_COLUMNS:
        rows.size = SIDE_COLUMNS
        body.split_row(world, rows)
    else:
        body.split_column(world, rows)
    whole.split_column(head, body, log)
    return whole


def head_of(watch: Watch, company: Company) -> Text:
    """Two lines: who plays where, and how the frames and inputs fare."""
    bot, standing = watch.bot, watch.standing
    session, view = bot.session, bot.session.view
    me = view.me if view else None
    name = plain(me.name) if me is not None else "a spectator" if bot.seated else "nobody yet"
    number = f" #{session.player}" if session.player else ""
    who: list[tuple[str, str | Style]] = [
        (company.game, Style(bold=True)),
        (f"  room {bot.room or '-'}", ""),
        (f"  {name}{number}", OWN),
        (f"  {standing}", Style(color=STANDING.get(standing, "bright_yellow"), bold=True)),
        (f"  bot {company.number} of {company.count}", QUIET),
    ]
    stats = session.stats
    fares = (
        f"tick {view.tick if view else 0}  gap {watch.gap_s * 1000:.0f} ms "
        f"(longest {watch.gap_max_s * 1000:.0f})  ack {session.ack} of {session.last_seq}"
        f"  skipped {stats.frames_skipped}  resumes {max(0, bot.connection.welcomes - 1)}"
        f"  compared {stats.digests}"
    )
    differ = (f"  {stats.divergence} views differ", Style(color="bright_red", bold=True))
    rest = [differ] if stats.divergence else []
    return Text.assemble(*who, "\n", fares, *rest, no_wrap=True, overflow="ellipsis")


def summary(watch: Watch, company: Company) -> str:
    """One line for where there is no terminal: the head, and how many rows of each table."""
    session = watch.bot.session
    counts = ""
    if session.view is not None and session.schema is not None:
        view = session.view
        counts = "  ".join(f"{name} {view.count(name)}" for name in view.names[1:])
    return head_of(watch, company).plain.replace("\n", "  ") + f"  {counts}"


def _framed(content: RenderableType, hint: str = "") -> Panel:
    subtitle = Text(hint, QUIET) if hint else None
    return Panel(
        content,
        box=box.ROUNDED,
        border_style=EDGE,
        padding=(0, 1),
        subtitle=subtitle,
        subtitle_align="right",
    )


class _Map:
    """The map, as large as there is room for."""

    def __init__(self, view: View, schema: Schema, camera: Camera) -> None:
        self._seen = scene(view, schema)
        self._shown = camera.look(self._seen)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._shown is None:
            yield Text("This game's rows have no place; they are listed.", QUIET)
        else:
            lines = options.height or options.size.height
            yield draw(self._shown, self._seen, options.max_width, lines)


class _Log:
    """The newest lines of the log that fit."""

    def __init__(self, watch: Watch) -> None:
        self._entries = list(watch.log)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = options.height or LOG_LINES - 2
        for entry in self._entries[-lines:]:
            times = f"  x{entry.times}" if entry.times > 1 else ""
            yield Text.assemble(
                (f"{entry.tick:>8}  ", QUIET),
                entry.text,
                (times, QUIET),
                no_wrap=True,
                overflow="ellipsis",
            )


class _Rows:
    """Every table's fields but those that the map shows."""

    def __init__(self, view: View, schema: Schema) -> None:
        self._view = view
        self._schema = schema

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Group(*self._tables(options.max_width))

    def _tables(self, columns: int) -> Iterator[RenderableType]:
        for table in self._schema.tables:
            rows: list[Any] = self._view.all(table.name)
            fields = _listed(table, rows)
            if not rows or not fields or table.kind == EVENT_TABLE:
                continue
            if table.kind == ROOM_TABLE_KIND:
                pairs = (f"{name} {_value(rows[0], name)}" for name in fields)
                yield Text("   ".join(pairs) + "\n")
            else:
                yield from self._table(table, fields, rows, columns)

    def _table(
        self, table: TableSchema, fields: list[str], rows: list[Any], columns: int
    ) -> Iterator[RenderableType]:
        owned = table.kind != PLAYER_TABLE_KIND and any(row.owner for row in rows)
        mark, color = ("@", OWN) if owned else mark_of(self._schema, table.name)
        title = Text.assemble((f"{mark} " if has_place(table) else "", color))
        title.append(f"{table.name} {len(rows)}", Style(bold=True))
        shown = rows[:ROWS_MAX]
        cells = {name: [_value(row, name) for row in shown] for name in fields}
        if owned:
            cells = {"whose": [self._name(row.owner) for row in shown], **cells}
        made = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
        fitting = _fitting(cells, columns)
        for name in fitting:
            made.add_column(name, header_style=QUIET, no_wrap=True, overflow="ellipsis")
        for number, row in enumerate(shown):
            own = bool(self._view.player) and row.owner == self._view.player
            line = [Text(cells[name][number]) for name in fitting]
            made.add_row(*line, style=OWN if own else "")
        if len(fitting) < len(cells):
            title.append(f"  without {', '.join(list(cells)[len(fitting) :])}", QUIET)
            title.truncate(columns, overflow="ellipsis")
        yield title
        yield made
        more = len(rows) - ROWS_MAX
        yield Text(f"and {more} more\n" if more > 0 else "", QUIET)

    def _name(self, player: int) -> str:
        row = next((row for row in self._view.players if row.id == player), None)
        return plain(row.name, 16) if row is not None else "-"


def _listed(table: TableSchema, rows: list[Any]) -> list[str]:
    """The fields of a table that a list shows."""
    hidden: set[str] = set()
    if table.kind == PLAYER_TABLE_KIND:
        hidden = {"connected", "bot"}
    elif has_place(table):
        hidden = PLACES | {
            name for name, field in table.fields.values() if field.kind is Kind.ANGLE
        }
    names = [name for name, _ in table.fields.values() if name not in hidden]
    # What every game has and few use is listed once somebody uses it.
    unused = {name for name in UNUSED if not any(getattr(row, name, 0) for row in rows)}
    return [name for name in names if name not in unused]


def _fitting(cells: dict[str, list[str]], columns: int) -> list[str]:
    """The first names whose columns fit beside each other; always one."""
    names, used = list(cells), 0
    for count, name in enumerate(names):
        used += max(map(cell_len, [name, *cells[name]])) + GAP
        if used > columns + GAP:
            return names[: max(1, count)]
    return names


def _value(row: Any, name: str) -> str:
    text = plain(getattr(row, name), 24)
    if name == "name" and getattr(row, "bot", False):
        return f"{text} [bot]"
    if name == "name" and not getattr(row, "connected", True):
        return f"{text} [away]"
    return text
