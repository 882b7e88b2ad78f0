"""Which connection of a session is the newest: each has a number, and of two the higher wins.

The player's row holds the highest (`Player.connection`). It only rises, so it does not matter in
which order, how often or by how many processes it is asked for.

```
generation = 4 * (when the connection's token was issued, ms since 1970) + stage
stage      = 0 opened | 1 proven: frames are known to arrive | 2 polled: a poll named the token
```
"""

from __future__ import annotations

from collections.abc import Callable

from shared.limits import PROVE_S

OPENED, PROVEN, POLLED = range(3)
# A poll that was served raises the seat's number, so nobody asks about the same one for so long.
_MET_KEPT_S = 600.0


def generation(issued: int, stage: int) -> int:
    """The number of a connection whose token was issued at `issued` ms."""
    return 4 * issued + stage


def issued_in(number: int) -> int:
    """When the token of a connection with this number was issued, in ms since 1970; 0 for none."""
    return number // 4


def is_over(number: int, newest: int) -> bool:
    """Whether a connection has to go, by the highest number its seat has.

    That its frames are known to arrive makes no other of it; that its token is polled with does.
    """
    return newest > (number | PROVEN)


def may_poll(issued: int, newest: int, passed_s: float) -> bool | None:
    """Whether a poll is served that names a token issued at `issued` ms (SESSION.md, rule 8).

    `passed_s` is the time since the newest connection came, at least.

    Who names the newest token has heard of the newest connection. An older one counts only where
    that is not known to have reached its client, for which there is a while: None is too early.
    """
    if issued >= issued_in(newest):
        return True
    if newest % 4 != OPENED:
        return False
    return None if passed_s < PROVE_S else True


class Issuer:
    """Says when tokens are issued. `wall_s` is the time now, in seconds since 1970.

    `now` is a monotonic clock, by which it goes where the wall clock was set back.
    """

    def __init__(self, wall_s: Callable[[], float], now: Callable[[], float]) -> None:
        self._wall_s = wall_s
        self._now = now
        self._last_ms = 0
        self._met: dict[int, float] = {}

    def since(self, number: int) -> float:
        """Seconds since the connection of this number came, as far as clocks can tell.

        By its token's time or by how long ago this was first asked here, whichever is longer.
        """
        now_s = self._now()
        self._met = {n: met_s for n, met_s in self._met.items() if now_s - met_s < _MET_KEPT_S}
        met_s = self._met.setdefault(number, now_s)
        return max(now_s - met_s, self._wall_s() - issued_in(number) / 1000)

    def draw(self, newest: int = 0) -> int:
        """When a new token counts as issued, in ms: later than any here, and than this number's.

        Clocks of two processes may differ; who came later is told all the same.
        """
        self._last_ms = max(self._last_ms + 1, round(self._wall_s() * 1000), issued_in(newest) + 1)
        return self._last_ms
