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


def may_poll(issued: int, newest: int, now_ms: float) -> bool | None:
    """Whether a poll is served that names a token issued at `issued` ms (SESSION.md, rule 8).

    Who names the newest token has heard of the newest connection. An older one counts only where
    that is not known to have reached its client, for which there is a while: None is too early.
    """
    if issued >= issued_in(newest):
        return True
    if newest % 4 != OPENED:
        return False
    return None if now_ms - issued_in(newest) < PROVE_S * 1000 else True


class Issuer:
    """Says when tokens are issued. `wall_s` is the time now, in seconds since 1970."""

    def __init__(self, wall_s: Callable[[], float]) -> None:
        self._wall_s = wall_s
        self._last_ms = 0

    @property
    def now_ms(self) -> float:
        """Milliseconds since 1970."""
        return self._wall_s() * 1000

    def draw(self, newest: int = 0) -> int:
        """When a new token counts as issued, in ms: later than any here, and than this number's.

        Clocks of two processes may differ; who came later is told all the same.
        """
        self._last_ms = max(self._last_ms + 1, round(self.now_ms), issued_in(newest) + 1)
        return self._last_ms
