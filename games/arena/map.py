"""The map: walls, spawn places and pickup pads drawn in text, the lower half the upper one turned.

`#` is wall, `S` a place to spawn, `+` a pickup's pad; a cell is two units wide. The map's middle is
(0, 0), x grows to the right and y downwards.
"""

from typing import NamedTuple

CELL = 2
UPPER = (
    "................................",
    ".S.........S........S.........S.",
    "....###........##........###....",
    "....#.....+....##....+.....#....",
    "........##............##........",
    "........#..............#........",
    ".S.........###....###.........S.",
    "....##.....#........#.....##....",
    ".....#..............#.....#.....",
    "..+..#.....S..........S...#.....",
)


class Box(NamedTuple):
    """A rectangle in units."""

    left: int
    top: int
    right: int
    bottom: int


ROWS = UPPER + tuple(row[::-1] for row in reversed(UPPER))
WIDTH = len(UPPER[0]) * CELL
HEIGHT = len(ROWS) * CELL


def _places(mark: str) -> tuple[tuple[float, float], ...]:
    return tuple(
        ((column + 0.5) * CELL - WIDTH / 2, (row + 0.5) * CELL - HEIGHT / 2)
        for row, cells in enumerate(ROWS)
        for column, cell in enumerate(cells)
        if cell == mark
    )


def _walls() -> tuple[Box, ...]:
    """The border, and the fewest boxes found by growing runs of cells downwards."""
    x, y = WIDTH // 2, HEIGHT // 2
    border = (
        Box(-x - CELL, -y - CELL, x + CELL, -y),
        Box(-x - CELL, y, x + CELL, y + CELL),
        Box(-x - CELL, -y, -x, y),
        Box(x, -y, x + CELL, y),
    )
    return border + tuple(
        Box(column * CELL - x, row * CELL - y, end * CELL - x, (row + deep) * CELL - y)
        for column, row, end, deep in _runs()
    )


def _runs() -> list[tuple[int, int, int, int]]:
    taken: set[tuple[int, int]] = set()
    found: list[tuple[int, int, int, int]] = []
    for row, cells in enumerate(ROWS):
        for column in range(len(cells)):
            end, deep = column, 1
            while end < len(cells) and cells[end] == "#" and (end, row) not in taken:
                end += 1
            if end == column:
                continue
            run = range(column, end)
            while row + deep < len(ROWS) and all(ROWS[row + deep][c] == "#" for c in run):
                deep += 1
            taken |= {(c, r) for c in run for r in range(row, row + deep)}
            found.append((column, row, end, deep))
    return found


WALLS = _walls()
SPAWNS = _places("S")
PADS = _places("+")
