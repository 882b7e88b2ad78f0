"""The other pages: their links lead somewhere, what they name exists, their tables are right."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from server.config import SETTINGS, Config, flag_of, variable_of
from tests.docs.pages import ROOT, blocks, page, table

PAGES = ["README.md", "CHANGELOG.md", *sorted(path.name for path in (ROOT / "docs").glob("*.md"))]


def where(name: str) -> Path:
    return ROOT if (ROOT / name).exists() else ROOT / "docs"


def anchors(text: str) -> set[str]:
    """The ids of a page's headings, as forges make them."""
    headings: list[str] = re.findall(r"(?m)^#+ (.*)$", text)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_its_links_lead_somewhere(name: str) -> None:
    text = page(name)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        path = where(name) / file if file else where(name) / name
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.read_text("utf-8")), target


@pytest.mark.parametrize("name", PAGES)
def test_the_files_it_names_are_there(name: str) -> None:
    folders = "shared|server|games|bots|client|tests|examples|docs|bench"
    named = re.findall(rf"`((?:{folders})/[\w./-]*)`", page(name))
    for path in named:
        assert (ROOT / path).exists(), path


def test_the_first_game_is_coins() -> None:
    (game,) = (block for block in blocks(page("README.md")) if block.language == "python")
    assert game.text == (ROOT / "games" / "coins" / "game.py").read_text("utf-8")


def test_the_targets_it_names_are_in_the_makefile() -> None:
    targets = set(re.findall(r"(?m)^(\w+):", (ROOT / "Makefile").read_text("utf-8")))
    text = "".join(page(name) for name in PAGES)
    named = set(re.findall(r"(?:`|\n)make (\w+)\b", text))
    assert {"run", "test", "bench"} <= named
    assert named <= targets


def test_the_settings_are_those_of_the_server() -> None:
    listed = table(page("DEPLOY.md"), "## Settings")
    expected: list[list[str]] = []
    for name, one in SETTINGS.items():
        if not one.hidden:
            variable = variable_of(name) + (f" or {one.variable_too}" if one.variable_too else "")
            expected.append([flag_of(name), variable, default(name), one.explanation])
    assert listed == expected


def default(name: str) -> str:
    text = SETTINGS[name].default_text
    value: object = getattr(Config(), name)
    if text is not None:
        return text
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def test_the_dependencies_explained_are_those_there_are() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {re.split(r"[^\w-]", text)[0] for text in project["dependencies"]}
    rows = table(page("ARCHITECTURE.md"), "## Dependencies")
    assert {name for row in rows for name in row[0].split(", ")} == names
    assert project["readme"] == "README.md"
