"""Pictures of arena mid-fight, on a laptop and on a phone; the screenshots script takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from tests.end_to_end.arena import Fingers, by_link, from_lobby, seen
from tests.end_to_end.browser import Tab, opened
from tests.end_to_end.server import Server

PHONE: dict[str, Any] = {
    "viewport": {"width": 844, "height": 390},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
BOTS = 9
# Something worth a picture comes up within this many moves, or the last one is taken.
MOVES_MAX = 150
MOVE_MS = 250

# Where on the stage the nearest other tank is, and how much there is to see: the own tank, other
# tanks and shells well inside the view, and lines of the feed.
LOOK = """
() => {
  const { page } = globalThis.probe;
  const { camera, play } = page;
  const on = ({ x, y }) => {
    const [px, py] = [camera.toX(x), camera.toY(y)];
    return px > 60 && px < camera.width - 60 && py > 70 && py < camera.height - 70;
  };
  const view = play.room.latest;
  const tanks = view.all("Tank").filter((tank) => tank.armour);
  const own = tanks.find((tank) => tank.owner === view.player);
  const others = tanks.filter((tank) => tank !== own);
  const far = (tank) => own ? Math.hypot(tank.x - own.x, tank.y - own.y) : 0;
  const [foe] = others.sort((a, b) => far(a) - far(b));
  return {
    own: own?.armour ?? 0,
    tanks: others.filter(on).length,
    shells: view.all("Shell").filter(on).length,
    feed: document.getElementById("feed").childElementCount,
    foe: own && foe ? [foe.x - own.x, foe.y - own.y] : [1, 0],
    at: foe ? [camera.toX(foe.x), camera.toY(foe.y)] : [0, 0],
  };
}
"""


def take(browser: Browser, server: Server, folder: Path) -> list[Path]:
    """Play arena on a laptop and on a phone, in one room, and take the lobby's picture as well."""
    made = [folder / name for name in ("arena.png", "arena-phone.png", "lobby.png")]
    with opened(browser) as laptop, opened(browser, **PHONE) as phone, opened(browser) as lobby:
        from_lobby(laptop, server, "Ada", bots=BOTS, minutes=4, private=False)
        by_link(phone, server, seen(laptop)["room"], "Grace")
        _hunt(laptop, tanks=3)
        laptop.page.screenshot(path=made[0])
        _thumbs(phone)
        phone.page.screenshot(path=made[1])
        lobby.page.goto(f"http://127.0.0.1:{server.port}/")
        lobby.page.get_by_label("Your name").fill("Ada")
        lobby.page.get_by_role("button", name="Watch", exact=False).nth(3).wait_for()
        lobby.page.locator("body").click(position={"x": 5, "y": 5})
        lobby.page.screenshot(path=made[2])
    return made


def _hunt(tab: Tab, tanks: int) -> None:
    """Drive at the nearest tank and fire at it, until the view is full of a fight."""
    page = tab.page
    page.mouse.move(640, 400)
    page.mouse.down()
    for _ in range(MOVES_MAX):
        look = page.evaluate(LOOK)
        if look["own"] > 1 and look["tanks"] >= tanks and look["shells"] > 1 and look["feed"] > 2:
            return
        page.mouse.move(*(max(5, value) for value in look["at"]))
        across, along = look["foe"]
        side = abs(across) > abs(along)
        key = ("KeyD" if across > 0 else "KeyA") if side else ("KeyS" if along > 0 else "KeyW")
        page.keyboard.down(key)
        page.wait_for_timeout(MOVE_MS)
        page.keyboard.up(key)


def _thumbs(tab: Tab) -> None:
    """The same with two thumbs, which stay where they are at the end."""
    fingers = Fingers(tab)
    left, right = (130.0, 280.0), (690.0, 280.0)
    fingers.touch("touchStart", left)
    fingers.touch("touchStart", left, right)
    for _ in range(MOVES_MAX):
        look = tab.page.evaluate(LOOK)
        if look["own"] > 1 and look["tanks"] > 1 and look["shells"] and look["feed"] > 1:
            return
        across, along = look["foe"]
        pull = 45 / max(1.0, abs(across), abs(along))
        way = across * pull, along * pull
        fingers.touch("touchMove", *((x + way[0], y + way[1]) for x, y in (left, right)))
        tab.page.wait_for_timeout(MOVE_MS)
