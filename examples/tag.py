"""Tag: whoever is it longest loses.

python -m server --dev --games examples/tag.py
python -m bots play --game examples/tag.py --count 4
"""

from random import Random

from holdfast import (
    Entity,
    Event,
    Game,
    Input,
    Inputs,
    Match,
    Player,
    Room,
    View,
    bounded,
    fixed,
    ref,
    u32,
)

HALF = 12.0
SPEED = 6.0
REACH = 1.0
SAFE_S = 1.5
ROUND_S = 60
PAUSE_S = 8


class Runner(Entity):
    x: float = fixed(1 / 256, lo=-HALF, hi=HALF)
    y: float = fixed(1 / 256, lo=-HALF, hi=HALF)
    safe_until: int = u32()


class Field(Room):
    it: int = ref(Runner)
    ends: int = u32()


class Chaser(Player):
    ticks_it: int = u32()


class Tagged(Event):
    x: float = fixed(1 / 256)
    y: float = fixed(1 / 256)


class Run(Input):
    x: int = bounded(-1, 1)
    y: int = bounded(-1, 1)


class Tag(Game):
    entities = (Runner, Tagged)
    input = Run
    room = Field
    player = Chaser
    seats = 12

    def start(self, match: Match) -> None:
        match.room.ends = match.tick + ROUND_S * self.tick_rate

    def join(self, match: Match, player: Chaser) -> None:
        place = match.rng.uniform
        match.spawn(Runner(owner=player, x=place(-HALF, HALF), y=place(-HALF, HALF)))

    def step(self, match: Match, inputs: Inputs[Run]) -> None:
        field = match.room
        if field.finished:
            if match.tick >= field.finished + PAUSE_S * self.tick_rate:
                match.restart()
            return
        for runner in match.all(Runner):
            move(runner, inputs[runner.owner], match.dt)
        it = match.get(Runner, field.it) or match.one(Runner)
        if it is not None:
            self.chase(match, it)
        if match.tick >= field.ends:
            worst = max(match.players, key=lambda player: player.ticks_it, default=None)
            match.finish({"loser": worst.name if worst else None})

    def chase(self, match: Match, it: Runner) -> None:
        match.room.it = it.id
        player = match.get(Chaser, it.owner)
        if player is not None:
            player.ticks_it += 1
        for runner in match.all(Runner):
            if runner is it or match.tick < runner.safe_until:
                continue
            if distance(runner, it) < REACH:
                match.room.it = runner.id
                it.safe_until = match.tick + int(SAFE_S * self.tick_rate)
                match.spawn(Tagged(x=runner.x, y=runner.y))
                return


def move(runner: Runner, asked: Run, dt: float) -> None:
    runner.x = max(-HALF, min(HALF, runner.x + asked.x * SPEED * dt))
    runner.y = max(-HALF, min(HALF, runner.y + asked.y * SPEED * dt))


def distance(one: Runner, two: Runner) -> float:
    return max(abs(one.x - two.x), abs(one.y - two.y))


class Instinct:
    """It runs after the nearest; the others run from it, and along the walls."""

    def think(self, view: View, rng: Random) -> Run:
        me = view.one(Runner, owner=view.player)
        others = [runner for runner in view.all(Runner) if runner.owner != view.player]
        if me is None or not others:
            return Run()
        if view.room.it == me.id:
            prey = min(others, key=lambda runner: distance(runner, me))
            return Run(x=sign(prey.x - me.x), y=sign(prey.y - me.y))
        it = view.get(Runner, view.room.it)
        if it is None or distance(it, me) > 6:
            return Run(x=rng.randint(-1, 1), y=rng.randint(-1, 1))
        return Run(x=away(me.x, it.x), y=away(me.y, it.y))


def away(mine: float, its: float) -> int:
    way = sign(mine - its) or 1
    return way if abs(mine + way) < HALF else 0


def sign(number: float) -> int:
    return (number > 0.1) - (number < -0.1)
