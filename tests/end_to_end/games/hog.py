"""Hog: a game that no process should run, whose every step takes longer than two ticks."""

from time import perf_counter

from holdfast import Game, Input, Inputs, Match

STEP_S = 0.12


class Hog(Game):
    grace_s = 0.1
    room_empty_s = 0.1

    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        end = perf_counter() + STEP_S
        while perf_counter() < end:
            pass
