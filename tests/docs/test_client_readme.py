"""The example in client/README.md, in a real browser against a real server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.docs.serving import serving
from tests.docs.test_games_page import browser_page

ROOT = Path(__file__).resolve().parent.parent.parent
INK = """
() => {
  const stage = document.getElementById("stage");
  const { data } = stage.getContext("2d").getImageData(0, 0, 640, 640);
  let [pixels, right] = [0, 0];
  for (let i = 3; i < data.length; i += 4) {
    if (!data[i]) continue;
    pixels++;
    right = Math.max(right, ((i - 3) / 4) % 640);
  }
  return [pixels, right];
}
"""

pytestmark = [pytest.mark.browser, pytest.mark.slow]
__all__ = ["browser_page"]


def test_the_example_draws_and_its_own_runner_moves(tmp_path: Path, browser_page: Page) -> None:
    readme = (ROOT / "client" / "README.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```html\n(.*?)```", readme, re.DOTALL)
    assert example.count("\n") <= 36
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "index.html").write_text(
        example.replace("<canvas", '<link rel="icon" href="data:,"><canvas'), encoding="utf-8"
    )
    rules = (ROOT / "games" / "coins" / "game.py").read_text(encoding="utf-8")
    (tmp_path / "coins.py").write_text(rules, encoding="utf-8")
    troubles: list[str] = []
    browser_page.on("pageerror", lambda error: troubles.append(str(error)))
    flags = ["--dev", "--store", "memory:", "--games", "./coins.py"]
    with serving(flags, tmp_path) as served:
        browser_page.goto(f"http://127.0.0.1:{served.port}/games/coins/web/index.html")
        # Ten coins and a runner; then the runner is farther to the right than any coin can lie.
        browser_page.wait_for_function(f"() => ({INK})()[0] >= 64 * 10")
        browser_page.keyboard.down("ArrowRight")
        browser_page.wait_for_function(f"() => ({INK})()[1] > 625")
        browser_page.close()
    assert troubles == []
