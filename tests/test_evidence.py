"""A failing test says what it saw, once, and only of what still ran."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests import evidence


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path, None, None]:
    """Where files go; what this test pretends to have seen is not this test's own failure."""
    monkeypatch.setattr(evidence, "FOLDER", tmp_path)
    evidence.begin("tests/a.py::test_b[1 2]")
    yield tmp_path / "tests_a.py_test_b_1_2_"
    evidence.begin("")


def test_a_log_is_read_where_the_exception_leaves_the_server(folder: Path) -> None:
    with pytest.raises(AssertionError), evidence.of_log(lambda: "one\n" * 100 + "last\n"):
        raise AssertionError
    [(title, text)] = evidence.collect(AssertionError())
    assert title == "server log"
    assert text.splitlines()[-1] == "last"
    assert len(text.splitlines()) == evidence.LOG_LINES
    assert (folder / "server-0.log").read_text().count("\n") == 101


def test_what_runs_on_is_read_when_the_failure_is_reported(folder: Path) -> None:
    with evidence.of_log(lambda: "older"), evidence.of_log(lambda: "newer"):
        seen = evidence.collect(AssertionError())
    assert seen == [("server log", "older"), ("server log", "newer")]
    assert sorted(file.name for file in folder.iterdir()) == ["server-0.log", "server-1.log"]


def test_the_first_look_counts_and_the_next_test_begins_anew(folder: Path) -> None:
    log = ["before it was closed"]
    with evidence.of_log(lambda: log[0]):
        first = evidence.collect(AssertionError())
        log[0] = "after"
        assert evidence.collect(AssertionError()) is first
        evidence.begin("another")
        assert evidence.collect(AssertionError()) == [("server log", "after")]
    assert folder.exists()


def test_a_server_that_ended_well_is_not_looked_at(folder: Path) -> None:
    with evidence.of_log(lambda: "well"):
        pass
    assert evidence.collect(AssertionError()) == []
    assert not folder.exists()
