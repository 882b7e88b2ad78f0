"""Three rounds of arena, the worker killed in each: `python -m tests.end_to_end.arena_rounds`.

Two pages and five bots play on a real server with SQLite. What must hold is asserted; how it felt
(frames a second, the own tank's answers, silence around a kill) is measured and printed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from random import Random
from statistics import median

from games.arena.balance import TICK_RATE
from tests.end_to_end.arena import (
    KEYS,
    Seen,
    answer,
    by_link,
    clock_s,
    from_lobby,
    rate,
    seen,
)
from tests.end_to_end.browser import Tab, chromium, launched, opened
from tests.end_to_end.server import Server, serve

ROUNDS = 3
BOTS = 5
ROUND_S = 60
CLOCK_OFF_S = 1.5
# Left to the round when the worker is killed: late enough for scores, early enough to play on.
KILL_AT_S = 25
Tabs = tuple[Tab, Tab]


class Felt:
    """What was measured, for every page."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.answers: list[dict[str, float]] = []
        self.gaps_ms: list[float] = []
        self.clocks_off_s: list[float] = []

    def say(self) -> None:
        """Print it."""
        frames = sorted(found["frames"] for found in self.answers)
        ms = sorted(found["ms"] for found in self.answers)
        print(f"frames a second: {', '.join(f'{found:.1f}' for found in self.rates)}")
        print(f"key to own tank: {len(ms)} times, frames {frames[0]:.0f} to {frames[-1]:.0f}")
        print(f"key to own tank: median {median(ms):.1f} ms, longest {ms[-1]:.1f} ms")
        print(f"silence at kills, ms: {', '.join(f'{gap:.0f}' for gap in self.gaps_ms)}")
        print(f"clock off after kills, s: {', '.join(f'{off:.2f}' for off in self.clocks_off_s)}")


def play(tabs: Tabs, rng: Random, until_s: int, felt: Felt) -> None:
    """Drive, aim and fire in both pages until the clock has come down to `until_s`."""
    while not seen(tabs[0])["finished"] and clock_s(seen(tabs[0])) > until_s:
        for tab in tabs:
            page, key = tab.page, rng.choice(KEYS)
            page.mouse.move(rng.randrange(200, 1080), rng.randrange(150, 650))
            page.keyboard.down(key)
            page.mouse.down()
            page.wait_for_timeout(400)
            page.mouse.up()
            page.keyboard.up(key)
            if (found := answer(tab)) and seen(tab)["tank"]:
                felt.answers.append(found)


def kill(server: Server, tabs: Tabs, felt: Felt) -> None:
    """Kill the worker, wait until both pages play on, and compare."""
    for tab in tabs:
        tab.page.evaluate("() => { globalThis.probe.gap = 0; }")
    before, at = [seen(tab) for tab in tabs], time.monotonic()
    server.kill_worker()
    for tab, was in zip(tabs, before, strict=True):
        tab.wait(f"probe.tick > {was['tick']} + 20 && probe.page.play.room.state === 'live'")
        now, passed_s = seen(tab), time.monotonic() - at
        goes_on(was, now)
        gap: float = tab.page.evaluate("() => globalThis.probe.gap")
        # An outage is over, not caught up: while nothing came, the clock stood still.
        played_s = passed_s - gap / 1000
        off_s = abs((now["tick"] - was["tick"]) / TICK_RATE - played_s)
        # The clock shows whole seconds, so two of its faces may be one more apart.
        shown_off_s = abs(clock_s(was) - clock_s(now) - played_s)
        assert off_s <= CLOCK_OFF_S, (off_s, was["tick"], now["tick"], gap)
        assert shown_off_s <= CLOCK_OFF_S + 1, (shown_off_s, was["time"], now["time"])
        felt.gaps_ms.append(gap)
        felt.clocks_off_s.append(off_s)
        print(
            f"  killed: {seen(tab)['scores'][str(now['player'])][0]} goes on, "
            f"tick {was['tick']} -> {now['tick']}, clock {was['time']} -> {now['time']}, "
            f"silence {gap:.0f} ms"
        )


def goes_on(was: Seen, now: Seen) -> None:
    """What a kill must not change, and what must only rise."""
    for same in ("room", "player", "round", "ends", "walls"):
        assert was[same] == now[same], (same, was[same], now[same])
    assert now["tick"] > was["tick"]
    assert set(now["scores"]) == set(was["scores"])
    for player, (name, kills, deaths) in was["scores"].items():
        later = now["scores"][player]
        assert later[0] == name
        assert later[1] >= kills, (name, kills, later)
        assert later[2] >= deaths, (name, deaths, later)


def end(tabs: Tabs, number: int) -> None:
    """The result comes to both pages, and the next round once both want it."""
    for tab in tabs:
        tab.wait("globalThis.probe.page.play.room.latest.room.finished")
        panel = tab.page.locator("#result")
        panel.wait_for()
        assert panel.locator("tbody tr").count() == BOTS + len(tabs)
        title = panel.locator("h2").inner_text()
        print(f"  {seen(tab)['scores'][str(seen(tab)['player'])][0]} reads: {title}")
    for tab in tabs:
        tab.page.get_by_role("button", name="Next round now").click()
    for tab in tabs:
        tab.wait(f"globalThis.probe.page.play.room.latest.room.round === {number + 1}")
        tab.page.locator("#result").wait_for(state="hidden")
        fresh = seen(tab)
        assert ROUND_S - 5 <= clock_s(fresh) <= ROUND_S, fresh["time"]
        assert not fresh["finished"]


def rounds(server: Server, tabs: Tabs) -> Felt:
    """All of it."""
    ada, bob = tabs
    felt, rng = Felt(), Random(7)
    from_lobby(ada, server, "Ada", bots=BOTS)
    by_link(bob, server, seen(ada)["room"], "Bob")
    first = seen(ada)
    assert seen(bob)["walls"] == first["walls"]
    for number in range(1, ROUNDS + 1):
        began = seen(ada)
        print(f"round {number}: clock {began['time']}, tick {began['tick']}")
        assert began["round"] == number
        assert (began["room"], began["player"]) == (first["room"], first["player"])
        # A round makes its walls anew: under new ids, in the same places.
        assert [row[1:] for row in began["walls"]] == [row[1:] for row in first["walls"]]
        assert set(began["scores"]) == set(first["scores"]) | {str(seen(bob)["player"])}
        play(tabs, rng, KILL_AT_S + 10, felt)
        felt.rates += [rate(tab) for tab in tabs]
        kill(server, tabs, felt)
        play(tabs, rng, 3, felt)
        end(tabs, number)
    for tab in tabs:
        assert tab.complaints == [], tab.complaints
    return felt


def main() -> None:
    """Play, and print what was seen."""
    if chromium() is None:
        sys.exit("arena_rounds: there is no Chromium on the PATH; install chromium")
    with (
        tempfile.TemporaryDirectory() as data,
        serve(Path(data), "--games", "arena") as server,
        launched() as browser,
        opened(browser) as ada,
        opened(browser) as bob,
    ):
        felt = rounds(server, (ada, bob))
    felt.say()
    print(f"console errors and warnings: {len(ada.complaints) + len(bob.complaints)}")


if __name__ == "__main__":
    main()
