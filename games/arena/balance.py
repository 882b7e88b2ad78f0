"""Every number of arena's balance: units of the map, seconds, radians, ticks of a 20th second.

web/balance.js repeats those a page needs; a test compares the two.
"""

TICK_RATE = 20

# Movement. A gap of one map cell (2 units) lets a tank through. Radius and skin together are a
# multiple of 1/1024, the step of places: a tank pressed to a wall rests exactly there.
TANK_RADIUS = 29 / 32
TANK_SPEED = 7.0
TANK_REVERSE_SPEED = 5.0
HULL_TURN = 3.6
TURRET_TURN = 10.0
# Tanks keep this far off walls, so that rounding never puts one inside.
WALL_SKIN = 1 / 32

# Fighting. A shell bounces off walls once, and hurts whoever fired it only after that.
ARMOUR = 4
RELOAD_TICKS = 11
SHELL_SPEED = 21.0
SHELL_RADIUS = 0.2
SHELL_TICKS = 36
SHELL_BOUNCES = 1
HEAVY_POWER = 2

# Coming back. Protection ends early with the first shot.
RESPAWN_TICKS = 50
PROTECTED_TICKS = 50
# Respawns at places whose nearest enemy is farther than this are equally good.
SPAWN_DISTANCE = 18.0

# Pickups: repair, rapid fire, heavy shells.
PICKUPS_MAX = 4
PICKUP_EVERY_TICKS = 100
PICKUP_RADIUS = 1.5
RAPID_TICKS = 160
RAPID_RELOAD_TICKS = 5
HEAVY_SHELLS = 4

# Rounds.
KILL_SCORE = 1
OWN_GOAL_SCORE = -1
MINUTES_MAX = 15
RESULT_TICKS = 240
