"""What the tests of the pages share: the files of docs/GAMES.md, written out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import blocks, page


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with every file that docs/GAMES.md shows."""
    for block in blocks(page("GAMES.md")):
        name = block.file
        if name is not None:
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(block.text)
    return tmp_path
