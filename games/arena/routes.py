"""Ways around the map's walls for brains: from any cell, the next one towards a goal."""

from __future__ import annotations

from functools import cache

from games.arena.map import CELL, HEIGHT, ROWS, WIDTH

Cell = tuple[int, int]
FAR = 1 << 20
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1))
CORNERS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


def next_place(x: float, y: float, goal_x: float, goal_y: float) -> tuple[float, float]:
    """The middle of the cell to drive to next from (x, y), or the goal when it is in reach."""
    here, goal = cell_at(x, y), cell_at(goal_x, goal_y)
    steps = _steps(goal)
    if steps.get(here, FAR) <= 1:
        return goal_x, goal_y
    column, row = here
    ways = [(column + dx, row + dy) for dx, dy in SIDES]
    # Across a corner only where neither side of it is wall.
    ways += [
        (column + dx, row + dy)
        for dx, dy in CORNERS
        if (column + dx, row) in steps and (column, row + dy) in steps
    ]
    column, row = min(ways, key=lambda way: steps.get(way, FAR))
    return (column + 0.5) * CELL - WIDTH / 2, (row + 0.5) * CELL - HEIGHT / 2


def cell_at(x: float, y: float) -> Cell:
    """Column and row of the cell at a place, clamped to the map."""
    column, row = int((x + WIDTH / 2) // CELL), int((y + HEIGHT / 2) // CELL)
    return max(0, min(len(ROWS[0]) - 1, column)), max(0, min(len(ROWS) - 1, row))


@cache
def _steps(goal: Cell) -> dict[Cell, int]:
    """How many cells each free cell is from the goal; worked out once for each goal."""
    steps = {goal: 0}
    edge = [goal]
    while edge:
        grown: list[Cell] = []
        for column, row in edge:
            for dx, dy in SIDES:
                cell = column + dx, row + dy
                if cell not in steps and _is_free(cell):
                    steps[cell] = steps[column, row] + 1
                    grown.append(cell)
        edge = grown
    return steps


def _is_free(cell: Cell) -> bool:
    column, row = cell
    return 0 <= row < len(ROWS) and 0 <= column < len(ROWS[row]) and ROWS[row][column] != "#"
