"""The lanes leave out no test, run none twice, and keep browsers and clocks away from the rest."""

from __future__ import annotations

import re

import pytest

from tests.lanes import PYTEST, ROOT, VIRTUAL, Lane, client, marked, run, stages


def lanes() -> dict[str, list[str]]:
    """The arguments of each lane of pytest."""
    all_ = [lane for stage in stages(4) for lane in stage]
    return {lane.name: list(lane.command or ()) for lane in all_ if lane.name != "client"}


def test_every_test_is_in_one_lane() -> None:
    found = lanes()
    assert list(found) == ["alone", "browser", "virtual", "processes"]
    marks = {name: command[command.index("-m", len(PYTEST)) + 1] for name, command in found.items()}
    assert marks == {
        "alone": "alone",
        "browser": "browser and not alone",
        "virtual": "not alone and not browser",
        "processes": "not alone and not browser",
    }
    folders = {f"tests/{name}" for name in VIRTUAL}
    assert folders < set(found["virtual"])
    assert {f"--ignore={folder}" for folder in folders} < set(found["processes"])
    assert all((ROOT / folder).is_dir() for folder in folders)


def test_a_marks_lane_has_every_file_with_it() -> None:
    for name in ("alone", "browser"):
        files = marked(name)
        assert files
        assert set(files) < set(lanes()[name])
        for path in ROOT.glob("tests/**/test_*.py"):
            uses = re.search(rf"pytest\.mark\.{name}\b", path.read_text()) is not None
            assert not uses or str(path.relative_to(ROOT)) in files


def test_what_is_measured_or_drawn_has_no_four_workers_beside_it() -> None:
    at = {lane.name: number for number, stage in enumerate(stages(4)) for lane in stage}
    assert [name for name in at if at[name] == at["alone"]] == ["alone"]
    assert {name for name in at if at[name] == at["browser"]} == {"browser", "virtual"}


def test_a_red_lane_keeps_no_other_from_running(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    made = [
        [Lane("red", ("sh", "-c", "echo first; exit 3")), Lane("green", ("sh", "-c", "true"))],
        [Lane("absent", None, "this machine has none"), Lane("last", ("sh", "-c", "echo last"))],
    ]

    def planned(workers: int) -> list[list[Lane]]:
        return made

    monkeypatch.setattr("tests.lanes.stages", planned)
    outcomes = {one.name: one.status for one in run([], 1)}
    assert outcomes == {"red": 3, "green": 0, "last": 0}
    said = capfdbinary.readouterr().out
    assert b"SKIPPED the lane absent: this machine has none." in said
    assert said.index(b"first") < said.index(b"last")
    assert [one.name for one in run(["last"], 1)] == ["last"]


def test_the_browser_clients_tests_are_run_where_there_is_a_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    assert client() == Lane("client", None, "there is no Node on the PATH")
