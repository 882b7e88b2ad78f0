"""The vectors on disk are what the generator makes, and hold what they promise to hold."""

from __future__ import annotations

import json
from collections import Counter
from math import copysign
from pathlib import Path
from typing import Any

import msgpack
import pytest

from shared.messages import decode_from_server
from tests.vectors.make import FOLDER, made, main

FILES = made()
DRAWN = ("predicted", "watched")
VIEWS = sorted(name.stem for name in FILES if name.parent.name == "views")


def test_the_files_on_disk_are_what_make_makes() -> None:
    on_disk = {path.relative_to(FOLDER) for path in FOLDER.rglob("*.json")}
    on_disk = {path for path in on_disk if not path.parts[0].startswith("journal-")}
    assert on_disk == set(FILES), "python -m tests.vectors.make; remove what it does not make"
    for name, content in FILES.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == content, f"{name} is out of date"


def test_main_writes_them(tmp_path: Path) -> None:
    main(tmp_path)
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*.json")} == set(FILES)


def test_numbers_keep_their_bits() -> None:
    values = json.loads(FILES[Path("values.json")])["values"]
    floats = [value for _, value, _, _ in values if isinstance(value, float)]
    assert any(value == 0 and copysign(1, value) < 0 for value in floats)
    assert 5e-324 in floats


def _count(view: dict[str, Any]) -> Counter[str]:
    seen: Counter[str] = Counter()

    def ext(code: int, data: bytes) -> bytes:
        seen[f"ext{code}"] += 1
        return data

    for number, frame in enumerate(view["frames"]):
        message = msgpack.unpackb(bytes.fromhex(frame["frame"]), ext_hook=ext)
        seen["anew in the middle"] += number > 0 and message[2] == 0
        seen["refusals"] += bool(message[5])
        seen["dropped"] += bool(message[6])
        seen["gone"] += sum(len(chunk[1]) > 0 for chunk in message[7])
    seen["rows"] = max(len(rows) for frame in view["frames"] for rows in frame["rows"].values())
    return seen


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_has_what_makes_it_worth_testing(name: str) -> None:
    seen = _count(json.loads(FILES[Path(f"views/{name}.json")]))
    assert seen["anew in the middle"] == 1
    assert seen["refusals"] >= 3
    assert seen["gone"] > 0
    assert seen["dropped"] > 0 if "narrow" in name else seen["dropped"] == 0
    if name.startswith(("crowd", "many")):
        assert all(seen[f"ext{code}"] > 0 for code in range(1, 9)), seen
    else:
        assert seen["rows"] < 8


@pytest.mark.parametrize("name", DRAWN)
def test_every_drawn_has_what_makes_it_worth_testing(name: str) -> None:
    drawn = json.loads(FILES[Path(f"drawn/{name}.json")])
    newest = 1
    between = beyond = jumps = splashes = 0
    counts: set[int] = set()
    before: dict[int, list[Any]] = {}
    for step in drawn["steps"]:
        if "frame" in step:
            frame: Any = decode_from_server(bytes.fromhex(step["frame"]))
            newest = frame.tick
            continue
        between += step["tick"] % 1 > 0
        ducks: dict[int, list[Any]] = {row[0]: row for row in step["rows"]["Duck"]}
        # While frames are late the view's tick stands, and what moves steadily goes on.
        still = step["tick"] == newest
        pairs = [(row, before.get(number, row)) for number, row in ducks.items()]
        beyond += still and any(row[2:5] != was[2:5] for row, was in pairs)
        jumps += any(abs(row[2] - was[2]) > 2 for row, was in pairs)
        splashes += len(step["rows"]["Splash"]) > 0
        counts.add(len(ducks))
        before = ducks
    assert between > 80
    assert beyond > 3
    assert jumps > 3
    assert splashes > 10
    assert len(counts) > 1
    assert (drawn["controls"] is None) is (name == "watched")
