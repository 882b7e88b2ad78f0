"""The arena's page in a real browser: ways into it, and what it shows, told from inside of it."""

from __future__ import annotations

from typing import Any, TypedDict

from tests.end_to_end.browser import Tab
from tests.end_to_end.server import Server

PAGE = "/games/arena/web/index.html"
KEYS = ("KeyW", "KeyA", "KeyS", "KeyD")

# Looks at what the page draws and at what came, once an animation frame. `key` is the last key
# pressed, and `answer` the first frame drawn after it in which the own tank stands elsewhere.
PROBE = """
async () => {
  const { page } = await import("/games/arena/web/main.js");
  const probe = { page, frames: 0, since: performance.now(), gap: 0, tick: 0, at: 0, pose: null,
                  key: null, answer: null };
  globalThis.probe = probe;
  const draw = page.stage.draw;
  page.stage.draw = function (scene) {
    draw.call(this, scene);
    const own = scene.looks.find((look) => look.own);
    probe.pose = own ? { ...own.pose } : null;
    probe.frames++;
    const now = performance.now();
    const { tick } = page.play.room.latest;
    if (tick !== probe.tick) {
      if (probe.at) probe.gap = Math.max(probe.gap, now - probe.at);
      Object.assign(probe, { tick, at: now });
    }
    const { key, pose } = probe;
    if (!key || probe.answer || !key.pose || !pose) return;
    const turned = Math.abs(pose.heading - key.pose.heading);
    const moved = Math.hypot(pose.x - key.pose.x, pose.y - key.pose.y);
    if (turned > 0.002 || moved > 0.002) {
      probe.answer = { frames: probe.frames - key.frames, ms: now - key.at };
    }
  };
  addEventListener("keydown", ({ repeat }) => {
    if (repeat) return;
    const { frames, pose } = probe;
    Object.assign(probe, { key: { at: performance.now(), frames, pose }, answer: null });
  }, { capture: true });
}
"""

SEEN = """
() => {
  const { page } = globalThis.probe;
  const { room } = page.play;
  const { latest: view } = room;
  const own = view.player ? view.one("Tank", { owner: view.player }) : null;
  return {
    room: room.id, player: room.player, tick: view.tick, state: room.state,
    round: view.room.round, ends: view.room.ends, finished: view.room.finished,
    time: document.getElementById("time").textContent,
    walls: view.all("Wall").map((w) => [w.id, w.left, w.top, w.right, w.bottom]),
    scores: Object.fromEntries(view.players.map((d) => [d.id, [d.name, d.kills, d.deaths]])),
    tank: own && { x: own.x, y: own.y, heading: own.heading, armour: own.armour },
  };
}
"""


class Fingers:
    """Fingers on a page's screen; the driver's own can only tap."""

    def __init__(self, tab: Tab) -> None:
        self._devtools: Any = tab.page.context.new_cdp_session(tab.page)

    def touch(self, kind: str, *places: tuple[float, float]) -> None:
        """What all fingers do, touchStart, touchMove or touchEnd, and where they are then."""
        points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
        self._devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


class Tank(TypedDict):
    """The own tank as the newest frame has it; armour 0 is a wreck."""

    x: float
    y: float
    heading: float
    armour: int


class Seen(TypedDict):
    """What a page holds of its room; kills and deaths by player, which only ever grow."""

    room: str
    player: int
    tick: int
    state: str
    round: int
    ends: int
    finished: int
    time: str
    walls: list[list[int]]
    scores: dict[str, tuple[str, int, int]]
    tank: Tank | None


def from_lobby(
    tab: Tab, server: Server, name: str, *, bots: int, minutes: int = 1, private: bool = True
) -> None:
    """From the lobby's card into a room with these options; a private one is this test's own."""
    page = tab.page
    page.goto(f"http://127.0.0.1:{server.port}/")
    page.get_by_label("Your name").fill(name)
    card = page.get_by_role("article").filter(has_text="Arena")
    card.get_by_text("Room options").click()
    card.get_by_label("Bots").fill(str(bots))
    card.get_by_label("Minutes").fill(str(minutes))
    card.get_by_label("Private, by link only").set_checked(private)
    card.get_by_role("button", name="Play", exact=True).click()
    live(tab)


def by_link(tab: Tab, server: Server, room: str, name: str, *, watch: bool = False) -> None:
    """By the link that the page copies, and the card it shows, into that room."""
    tab.page.goto(f"http://127.0.0.1:{server.port}{PAGE}?room={room}")
    tab.page.get_by_label("Your name").fill(name)
    tab.page.get_by_role("button", name="Watch" if watch else "Play", exact=True).click()
    live(tab)


def live(tab: Tab) -> None:
    """Wait until the page plays, and begin to look at what it draws."""
    tab.page.wait_for_url(f"**{PAGE}**")
    tab.wait("document.body.classList.contains('playing')")
    tab.page.evaluate(PROBE)
    tab.wait("globalThis.probe.frames > 2 && globalThis.probe.tick > 0")


def seen(tab: Tab) -> Seen:
    """What the page holds now."""
    found: Seen = tab.page.evaluate(SEEN)
    return found


def clock_s(shown: Seen) -> int:
    """The seconds that the page's clock says are left."""
    minutes, seconds = shown["time"].split(":")
    return int(minutes) * 60 + int(seconds)


def drives(tab: Tab) -> None:
    """Wait until the own tank can drive: a wreck has to wait."""
    tab.wait("globalThis.probe.pose && globalThis.probe.page.play.driving")


def answer(tab: Tab) -> dict[str, float] | None:
    """Frames and milliseconds from a key to the own tank's first change; None without a tank.

    The tank is at rest before, and the key asks it to turn, which no wall prevents.
    """
    drives(tab)
    tab.page.wait_for_timeout(450)
    key: str = tab.page.evaluate(
        """() => Math.abs(Math.cos(globalThis.probe.pose?.heading ?? 0)) > 0.7 ? "KeyW" : "KeyD" """
    )
    tab.page.keyboard.down(key)
    tab.page.wait_for_timeout(250)
    tab.page.keyboard.up(key)
    found: dict[str, Any] | None = tab.page.evaluate("() => globalThis.probe.answer")
    return found


def rate(tab: Tab, over_ms: int = 3000) -> float:
    """Frames that the page draws in a second."""
    now = "() => [performance.now(), globalThis.probe.frames]"
    began, first = tab.page.evaluate(now)
    tab.page.wait_for_timeout(over_ms)
    ended, last = tab.page.evaluate(now)
    return float(1000 * (last - first) / (ended - began))
