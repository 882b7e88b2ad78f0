"""The character map: every row with a place, fitted to a grid of characters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import isfinite, pi
from typing import Any

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from shared.columns import Kind
from shared.schema import ENTITY_TABLE, Schema, TableSchema
from shared.view import View

from .plain import plain

# A character cell is about twice as high as it is wide.
ASPECT = 2.0
# The fewest world units shown across, so that a lone row does not fill the terminal.
SPAN_MIN = 8.0
# Room around what there is when the map is fitted anew, and how much too wide it may be meanwhile.
MARGIN, SLACK = 0.08, 1.6

MARKS = "+o*x%&="
COLORS = ("yellow", "cyan", "magenta", "blue", "red", "white")
ARROWS = "→↘↓↙←↖↑↗"
OWN = Style(color="bright_green", bold=True)
OTHERS = Style(color="bright_white", bold=True)
NAMES = Style(dim=True)
WALLS = Style(color="bright_black")

# Left, top, right and bottom of a row that is an area, and the fields it says so with.
_AREAS: tuple[tuple[tuple[str, ...], Callable[[Any], tuple[float, float, float, float]]], ...] = (
    (("left", "top", "right", "bottom"), lambda r: (r.left, r.top, r.right, r.bottom)),
    (("x", "y", "x2", "y2"), lambda r: (r.x, r.y, r.x2, r.y2)),
    (("x", "y", "w", "h"), lambda r: (r.x, r.y, r.x + r.w, r.y + r.h)),
    (("x", "y", "width", "height"), lambda r: (r.x, r.y, r.x + r.width, r.y + r.height)),
)

Box = tuple[float, float, float, float]
Cells = dict[tuple[int, int], tuple[str, Style]]


@dataclass(frozen=True, slots=True)
class Spot:
    """A character at a place of the world; `name` stands beside it where there is room."""

    x: float
    y: float
    mark: str
    style: Style
    name: str = ""


@dataclass(slots=True)
class Scene:
    """What of a view has a place, what is drawn last coming last."""

    areas: list[Box]
    spots: list[Spot]


class Camera:
    """The part of the world that is shown. It stands still while what there is fits well."""

    def __init__(self) -> None:
        self._shown: Box | None = None

    def look(self, scene: Scene) -> Box | None:
        """Left, top, right and bottom of what to show; None as long as nothing has a place."""
        points = [(s.x, s.y) for s in scene.spots]
        points += [corner for a in scene.areas for corner in ((a[0], a[1]), (a[2], a[3]))]
        if points:
            xs, ys = [x for x, _ in points], [y for _, y in points]
            filled = min(xs), min(ys), max(xs), max(ys)
            if self._shown is None or not _fits(filled, self._shown):
                self._shown = _widened(filled)
        return self._shown


def has_place(table: TableSchema) -> bool:
    """Whether a table's rows have a place: an x and a y, or the four sides of an area."""
    names = _numbers(table)
    return {"x", "y"} <= names or {"left", "top", "right", "bottom"} <= names


def mark_of(schema: Schema, name: str) -> tuple[str, str]:
    """The character and the colour of a table's rows."""
    placed = [table.name for table in schema.tables if has_place(table)]
    index = placed.index(name) if name in placed else 0
    return MARKS[index % len(MARKS)], COLORS[index % len(COLORS)]


def scene(view: View, schema: Schema) -> Scene:
    """Everything in a view that has a place."""
    found = Scene([], [])
    bodies: list[Spot] = []
    mine: list[Spot] = []
    names: Mapping[int, str] = {row.id: plain(row.name) for row in view.players}
    embodied = False
    for table in schema.tables:
        if not has_place(table):
            continue
        rows: list[Any] = view.all(table.name)
        area = _area(table)
        if area is not None:
            found.areas += [_ordered(box) for box in map(area, rows) if all(map(isfinite, box))]
            continue
        # The first table with owners is what players are seen as; the rest is what they leave.
        body = table.kind == ENTITY_TABLE and not embodied and any(row.owner for row in rows)
        embodied = embodied or body
        for row in rows:
            if not (isfinite(row.x) and isfinite(row.y)):
                continue
            own = bool(view.player) and row.owner == view.player
            if body and row.owner:
                name = names.get(row.owner, "")
                mark = "@" if own else _initial(name)
                spot = Spot(row.x, row.y, mark, OWN if own else OTHERS, name)
                (mine if own else bodies).append(spot)
            else:
                found.spots.append(_spot(schema, table, row, own))
    found.spots += bodies + mine
    return found


def draw(shown: Box | None, seen: Scene, columns: int, lines: int) -> Text:
    """The map as text of so many columns and lines."""
    cells: Cells = {}
    if shown is not None and columns > 0 and lines > 0:
        left, top, right, bottom = shown
        scale = min(columns / (right - left), ASPECT * lines / (bottom - top))
        across, down = (left + right) / 2, (top + bottom) / 2

        def place(x: float, y: float) -> tuple[int, int]:
            column = columns / 2 + (x - across) * scale
            return int(column // 1), int((lines / 2 + (y - down) * scale / ASPECT) // 1)

        for one in seen.areas:
            _fill(cells, place(one[0], one[1]), place(one[2], one[3]), columns, lines)
        for spot in seen.spots:
            _label(cells, place(spot.x, spot.y), spot.name)
        for spot in seen.spots:
            cells[place(spot.x, spot.y)] = spot.mark, spot.style
    return _text(cells, columns, lines)


def _numbers(table: TableSchema) -> set[str]:
    numeric = (Kind.FIXED, Kind.INTEGER, Kind.F32, Kind.F64)
    return {name for name, field in table.fields.values() if field.kind in numeric}


def _area(table: TableSchema) -> Callable[[Any], Box] | None:
    names = _numbers(table)
    return next((box for needed, box in _AREAS if names.issuperset(needed)), None)


def _ordered(box: Box) -> Box:
    x1, y1, x2, y2 = box
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _spot(schema: Schema, table: TableSchema, row: Any, own: bool) -> Spot:
    mark, color = mark_of(schema, table.name)
    for name, field in table.fields.values():
        if field.kind is Kind.ANGLE:
            mark = ARROWS[round(getattr(row, name) / (pi / 4)) % len(ARROWS)]
            break
    return Spot(row.x, row.y, mark, OWN if own else Style(color=color))


def _initial(name: str) -> str:
    """A name's first letter where it is one cell wide, else a sign for somebody."""
    letter = name[:1].upper()
    return letter if letter.isalnum() and cell_len(letter) == 1 else "■"


def _widened(box: Box) -> Box:
    left, top, right, bottom = box
    across = max(SPAN_MIN, right - left) * (0.5 + MARGIN)
    down = max(SPAN_MIN / ASPECT, bottom - top) * (0.5 + MARGIN)
    x, y = (left + right) / 2, (top + bottom) / 2
    return x - across, y - down, x + across, y + down


def _fits(filled: Box, shown: Box) -> bool:
    """Whether `shown` still serves: nothing is outside, and it is not much too wide."""
    outside = any(f < s for f, s in zip(filled[:2], shown[:2], strict=True))
    outside = outside or any(f > s for f, s in zip(filled[2:], shown[2:], strict=True))
    best = _widened(filled)
    tight_x = shown[2] - shown[0] <= SLACK * (best[2] - best[0])
    tight_y = shown[3] - shown[1] <= SLACK * (best[3] - best[1])
    return not outside and tight_x and tight_y


def _fill(
    cells: Cells, first: tuple[int, int], last: tuple[int, int], columns: int, lines: int
) -> None:
    for line in range(max(0, first[1]), min(lines - 1, max(first[1], last[1] - 1)) + 1):
        for column in range(max(0, first[0]), min(columns - 1, max(first[0], last[0] - 1)) + 1):
            cells[column, line] = "█", WALLS


def _label(cells: Cells, at: tuple[int, int], name: str) -> None:
    """A name right of its row, where nothing is in the way and every character is one cell wide."""
    places = [(at[0] + offset, at[1]) for offset in range(2, len(name) + 2)]
    if cell_len(name) == len(name) and not any(place in cells for place in places):
        cells.update({place: (letter, NAMES) for place, letter in zip(places, name, strict=True)})


def _text(cells: Cells, columns: int, lines: int) -> Text:
    rows: Iterable[Text] = (
        Text.assemble(*(cells.get((column, line), " ") for column in range(columns)))
        for line in range(lines)
    )
    return Text("\n", no_wrap=True, end="").join(rows)
