"""A fight without a server: drivers in a match of arena, stepped by hand, and what they see."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from games.arena.brain import Gunner
from games.arena.game import Arena
from games.arena.rows import Battle, Driver, Setup, Shell, Steer, Tank
from holdfast import Inputs, Match, View
from shared.match import Commit
from tests.shared.ends import framed, show, view_of


class Fight:
    """A match of arena with `drivers` in it, at its first tick."""

    def __init__(self, drivers: int = 2, *, seed: int = 1, options: Setup | None = None) -> None:
        self.game = Arena()
        self.match = Match(self.game, options or Setup(minutes=15), seed)
        self.match.begin_tick()
        self.match.spawn(self.game.room())
        self.game.start(self.match)
        self.drivers = [self.join(f"driver {number}") for number in range(drivers)]
        self.first = self.match.commit()
        # Tests arrange rows between ticks.
        self.match.open_rows()

    @property
    def room(self) -> Battle:
        """The room's row."""
        room: Battle = self.match.room
        return room

    def join(self, name: str, *, bot: bool = False) -> Driver:
        """Another driver, seated in this tick."""
        driver = self.match.spawn(Driver(name=name, bot=bot))
        self.game.join(self.match, driver)
        return driver

    def tank(self, driver: Driver) -> Tank:
        """A driver's tank."""
        return self.match.all(Tank, owner=driver)[0]

    def put(self, driver: Driver, x: float, y: float, turret: float = 0.0) -> Tank:
        """A driver's tank, moved, aimed, and no longer protected."""
        tank = self.tank(driver)
        tank.x, tank.y, tank.turret, tank.safe = x, y, turret, 0
        return tank

    def tick(self, pulls: Mapping[int, Steer] | None = None, ticks: int = 1) -> Commit:
        """Some ticks with the same inputs by driver's id; the last one's commit."""
        assert ticks > 0
        commit = self.first
        for _ in range(ticks):
            self.match.begin_tick()
            self.game.step(self.match, Inputs(Steer(), pulls or {}))
            commit = self.match.commit()
        self.match.open_rows()
        return commit

    def shoot(self, driver: Driver, x: float, y: float, heading: float, power: int = 1) -> Shell:
        """A shell in the air, a driver's."""
        until = self.match.tick + 1000
        team = self.tank(driver).team
        shell = Shell(owner=driver, x=x, y=y, heading=heading, power=power, team=team, until=until)
        return self.match.spawn(shell)


class Brains:
    """Brains at the wheels of a fight, by driver's id. Arena hides nothing: they share a view."""

    def __init__(self, fight: Fight, levels: Mapping[int, int]) -> None:
        self.fight = fight
        self.view = view_of(fight.match, 0)
        self.brains = {driver.id: Gunner(levels.get(driver.id)) for driver in fight.drivers}
        self.rng = Random(7)

    def think(self) -> dict[int, Steer]:
        """What every brain does about the newest frame."""
        match = self.fight.match
        show(self.view, framed(match, self.view.tick, 0))
        pulls: dict[int, Steer] = {}
        for player, brain in self.brains.items():
            self.view.player = player
            # To the wire and back: a brain may ask for no more than a player could.
            pulls[player] = Steer.from_wire(brain.think(self.view, self.rng).to_wire())
        return pulls


def seen(fight: Fight, driver: Driver) -> View:
    """What a driver who joins now is shown."""
    view = view_of(fight.match, driver.id)
    show(view, framed(fight.match, 0, driver.id))
    return view
