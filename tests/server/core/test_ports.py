"""The parts of a process fit the seams between them."""

from __future__ import annotations

from server.app import seeded_chance
from server.core.ports import Census, Chance, Clock, Follower, Host, Publication, RoomPort
from server.edge.follower import RoomFollower
from server.host.clock import LoopClock
from server.host.host import RoomsHost
from server.host.room_handle import RoomHandle
from tests.server.core.yard import Ground, Yard


def seams(
    host: RoomsHost, room: RoomHandle, follower: RoomFollower, clock: LoopClock
) -> tuple[Host, RoomPort, Follower, Clock]:
    """Type checkers decide here whether each part has what its seam names."""
    return host, room, follower, clock


def test_each_part_has_what_its_seam_names() -> None:
    parts = (
        (Host, RoomsHost),
        (Follower, RoomFollower),
        (RoomPort, RoomHandle),
        (Clock, LoopClock),
    )
    for seam, part in parts:
        wanted = {name for name in vars(seam) if not name.startswith("_")}
        # What a part keeps in attributes of its own is seen by type checkers only.
        assert wanted - {"games", "game", "meta", "id"} <= set(dir(part)), part


def test_chance_is_seeded() -> None:
    one: Chance = seeded_chance(3)
    other: Chance = seeded_chance(3)
    assert [one(4), one(9)] == [other(4), other(9)]


def test_a_publication_says_what_is_in_the_journal() -> None:
    commit = Ground(Yard()).tick().commit
    assert Publication(commit, {}, {}, ()).committed_tick == commit.tick == 1
    assert Publication(commit, {}, {}, (), committed=0).committed_tick == 0


def test_a_room_that_has_not_begun_counts_nobody() -> None:
    assert Census() == Census(0, 0, 0, 0, False, 0.0)
