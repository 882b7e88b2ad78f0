"""Write the vectors both languages are tested with: `python -m tests.vectors.make`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from shared.columns import is_list
from tests.vectors.drawn import make_drawn
from tests.vectors.messages import make_messages
from tests.vectors.values import make_bounds, make_values
from tests.vectors.views import make_views

FOLDER = Path(__file__).parent


def made() -> dict[Path, str]:
    """Every file's text, by its path below this folder."""
    files: dict[str, Any] = {
        "values.json": make_values(),
        "bounds.json": make_bounds(),
        "messages.json": make_messages(),
        **{f"views/{name}.json": view for name, view in make_views().items()},
        **{f"drawn/{name}.json": drawn for name, drawn in make_drawn().items()},
    }
    return {Path(name): _text(content) for name, content in files.items()}


def _text(content: Any) -> str:
    """JSON with a line for each entry of a list; floats keep every bit, as `repr` does."""
    if type(content) is dict:
        entries = cast("dict[str, Any]", content)
        parts = [f"{json.dumps(key)}: {_text(part)}" for key, part in entries.items()]
        return "{\n" + ",\n".join(parts) + "\n}\n"
    if is_list(content):
        lines = ",\n".join(json.dumps(part, separators=(",", ":")) for part in content)
        return f"[\n{lines}\n]"
    return json.dumps(content)


def main(folder: Path = FOLDER) -> None:
    """Replace the files in `folder`."""
    for path, content in made().items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
