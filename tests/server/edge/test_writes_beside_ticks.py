"""A `visible` that writes is refused, at the owner and at a follower, and nobody's rows differ."""

from __future__ import annotations

from collections.abc import Iterable

from shared.entities import Entity
from shared.match import Match
from tests.server.core.yard import Guest, Yard
from tests.server.edge.desk import Caller, Desk
from tests.simulation.loop import virtually


class Peeks(Yard):
    """Counts how often it was looked at, which is no place to do so."""

    def visible(self, match: Match, player: Guest | None) -> Iterable[Entity] | None:
        if player is not None and match.tick % 40 == 0:
            player.score += 1
        return None


class Careful(Peeks):
    """The same, and swallows the error."""

    def visible(self, match: Match, player: Guest | None) -> Iterable[Entity] | None:
        try:
            return super().visible(match, player)
        except Exception:  # noqa: BLE001 - as a careless author does.
            return None


async def scenario(game: Yard) -> tuple[list[int], int, int]:
    """Scores at the owner's and at a follower's, divergences, and errors counted, after 4 s."""
    one = await Desk(game, digest_ticks=1).start()
    two = await Desk(game, digest_ticks=1, seed=2, beside=one).start()
    name = type(game).__name__.lower()
    ada = Caller(one, "Ada", name)
    ada.connect()
    await one.seconds(0.3)
    bob = Caller(two, "Bob", name, room=one.port().id)
    bob.connect()
    await one.seconds(4.1)
    scores = [player.score for desk in (one, two) for player in desk.port().match.players]
    divergence = ada.session.stats.divergence + bob.session.stats.divergence
    assert ada.session.stats.digests > 40
    errors = sum(desk.rig.metrics.counters.get("game_errors_total", 0) for desk in (one, two))
    return scores, divergence, errors


def test_a_visible_that_writes_is_an_error_of_the_game() -> None:
    scores, divergence, errors = virtually(scenario(Peeks()))
    assert (scores, divergence) == ([0] * 4, 0)
    assert errors > 0


def test_a_visible_that_writes_and_hides_its_error_changes_nothing() -> None:
    scores, divergence, errors = virtually(scenario(Careful()))
    assert (scores, divergence, errors) == ([0] * 4, 0, 0)
