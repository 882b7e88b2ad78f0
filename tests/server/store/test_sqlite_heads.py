"""What appends remember of a room's line, and all that makes them look again."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from server.store.base import (
    Append,
    Checkpoint,
    Fenced,
    Held,
    Loaded,
    NoSuchRoom,
    OutOfOrder,
    Record,
    Status,
    StoreUnavailable,
    Taken,
)
from server.store.sqlite import SqliteStore
from server.store.sqlite_file import SqliteFile
from server.store.sqlite_open import make_file, open_connection
from shared.errors import LocalError, StoreError
from tests.server.store.backends import (
    META,
    OTHER,
    RETENTION,
    ROOM,
    WallClock,
    committed,
    entry,
    kinds,
    owned,
)

ROOMS = (ROOM, OTHER)
SEEDS = range(4)
OPERATIONS = 150
LATER_MS = 200_000


class Thorough(SqliteFile):
    """Reads the room's line for each tick, in a transaction of its own."""

    def append(self, batch: Sequence[Append], wall_ms: int) -> list[StoreError | None]:
        outcomes: list[StoreError | None] = []
        for each in batch:
            self._heads.clear()
            outcomes += super().append([each], wall_ms)
        return outcomes


class Alone(SqliteFile):
    """The control: takes itself for the only one that writes."""

    def append(self, batch: Sequence[Append], wall_ms: int) -> list[StoreError | None]:
        (self._version,) = self._db.execute("PRAGMA data_version").fetchone()
        return super().append(batch, wall_ms)


class Unforgetting(dict[str, Any]):
    """Lines that nothing makes an append read again."""

    def clear(self) -> None:
        pass


class Trusting(SqliteFile):
    """The control: remembers whatever happens."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(path, connection)
        self._heads = Unforgetting()


class Failing:
    """A connection whose next statement that begins so fails, and that counts the lines read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.fails_at = ""
        self.lines_read = 0
        self._connection = connection

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if self.fails_at and statement.startswith(self.fails_at):
            self.fails_at = ""
            raise sqlite3.OperationalError("disk I/O error")
        self.lines_read += "FROM room WHERE name = ?" in statement
        return self._connection.execute(statement, *values)

    def executemany(self, statement: str, values: Any) -> sqlite3.Cursor:
        return self._connection.executemany(statement, values)

    def close(self) -> None:
        self._connection.close()


def connect(path: Path) -> sqlite3.Connection:
    return open_connection(path, "normal", None, 1.0)


@contextmanager
def opened(path: Path, kind: type[SqliteFile] = SqliteFile) -> Generator[SqliteFile, None, None]:
    make_file(path)
    with closing(kind(path, connect(path))) as file:
        yield file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
def file(path: Path) -> Iterator[SqliteFile]:
    with opened(path) as made:
        yield made


def delete(path: Path) -> None:
    path.unlink()


def taken(file: SqliteFile, room: str = ROOM, wall_ms: int = 1_000) -> int:
    return file.acquire(room, "a", wall_ms, blameless=True).epoch


def begun(file: SqliteFile, last: int = 5, room: str = ROOM) -> int:
    """A room with ticks up to this one, which appends remember; its epoch."""
    file.create(room, META, "a")
    epoch = taken(file, room)
    assert append(file, epoch, *range(1, last + 1), room=room) == [None] * last
    return epoch


def append(
    file: SqliteFile, epoch: int, *ticks: int, room: str = ROOM, text: str = ""
) -> list[type | None]:
    return kinds(file.append([entry(epoch, tick, room, text) for tick in ticks], 1_000))


def kept(file: SqliteFile, room: str = ROOM) -> list[int]:
    return [record.tick for record in file.load(room).records]


def watched(file: SqliteFile, path: Path) -> Failing:
    """A connection of the test's own under the file, in place of the one it had."""
    file.close()
    connection = Failing(connect(path))
    file.use(cast(sqlite3.Connection, connection))
    return connection


def test_a_line_is_read_once_for_many_appends(file: SqliteFile, path: Path) -> None:
    epochs = {room: begun(file, room=room) for room in ROOMS}
    connection = watched(file, path)
    for tick in range(6, 30):
        batch = [entry(epochs[room], tick, room) for room in ROOMS]
        assert file.append(batch, 1_000) == [None, None]
        if tick % 10 == 0:
            connection.lines_read -= 1
            file.checkpoint(ROOM, epochs[ROOM], tick, b"rows")
    assert connection.lines_read == len(ROOMS)
    with opened(path) as other:
        other.create("room00000003", META, "b")
    assert append(file, epochs[ROOM], 30) == [None]
    assert connection.lines_read == len(ROOMS) + 1, "another wrote"


def test_an_append_after_another_connection_took_the_room_is_fenced(
    file: SqliteFile, path: Path
) -> None:
    epoch = begun(file)
    with opened(path) as other:
        newer = taken(other)
        assert append(file, epoch, 6) == [Fenced]
        assert append(other, newer, 6) == [None]
        assert append(file, epoch, 6, 7) == [Fenced, Fenced]
        assert append(file, newer, 7) == [None]
        assert append(other, newer, 7, text="other") == [OutOfOrder]
        assert append(other, newer, 8) == [None]
        assert append(file, newer, 8, text="other") == [OutOfOrder]
    assert kept(file) == list(range(1, 9))


def test_a_file_that_takes_itself_for_the_only_writer_lets_the_stale_owner_write(
    path: Path,
) -> None:
    with opened(path, Alone) as file, opened(path) as other:
        epoch = begun(file)
        taken(other)
        assert append(file, epoch, 6) == [None], "the harm"


@pytest.mark.parametrize("fails_at", ["COMMIT", "SELECT epoch, tick, record"])
def test_a_batch_that_fails_midway_is_forgotten_as_it_is_undone(
    file: SqliteFile, path: Path, fails_at: str
) -> None:
    epochs = {room: begun(file, room=room) for room in ROOMS}
    connection = watched(file, path)
    for first in (6, 9):
        assert append(file, epochs[OTHER], first, room=OTHER) == [None]
        connection.fails_at = fails_at
        # The tick that comes twice is looked for among those written before it.
        with pytest.raises(LocalError, match="disk I/O error"):
            append(file, epochs[ROOM], first, first + 1, first + 1)
        assert kept(file) == list(range(1, first))
        assert append(file, epochs[ROOM], first + 1) == [OutOfOrder]
        assert append(file, epochs[ROOM], first, first + 1, first + 2) == [None] * 3
        assert append(file, epochs[OTHER], first + 1, first + 2, room=OTHER) == [None, None]
    assert kept(file) == kept(file, OTHER) == list(range(1, 12))


def test_a_batch_that_finds_no_room_on_the_disk_can_be_written_when_there_is_some(
    path: Path,
) -> None:
    with opened(path) as file:
        epoch = begun(file)
        file.close()
        narrow = connect(path)
        (pages,) = narrow.execute("PRAGMA page_count").fetchone()
        narrow.execute(f"PRAGMA max_page_count = {pages + 2}")
        file.use(narrow)
        assert append(file, epoch, 6) == [None]
        large = [entry(epoch, 7), entry(epoch, 8, text="x" * 50_000)]
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="no space left"):
                file.append(large, 1_000)
        narrow.execute("PRAGMA max_page_count = 100000")
        assert file.append(large, 1_000) == [None, None]
        assert kept(file) == list(range(1, 9))


def test_a_tick_twice_in_one_batch_is_committed_once_and_another_in_its_place_refused(
    file: SqliteFile,
) -> None:
    epoch = begun(file)
    assert append(file, epoch, 6, 6, 7, 6, 7, 8) == [None] * 6
    batch = [entry(epoch, 9), entry(epoch, 9, text="other"), entry(epoch, 11), entry(epoch, 10)]
    assert kinds(file.append(batch, 1_000)) == [None, OutOfOrder, OutOfOrder, None]
    records = file.load(ROOM).records
    assert [record.tick for record in records] == list(range(1, 11))
    assert records[8].record == entry(epoch, 9).record


def test_a_result_in_a_batch_with_a_tick_that_comes_twice_is_kept_once(file: SqliteFile) -> None:
    epoch = begun(file)
    last = entry(epoch, 6, result="won")
    assert file.append([last, last, entry(epoch, 7)], 1_000) == [None] * 3
    assert file.append([last], 1_000) == [None]
    assert [(each.tick, each.result) for each in file.results_of(ROOM)] == [(6, b"won")]


def cut(file: SqliteFile, epoch: int) -> None:
    now = file.cut(ROOM, epoch, 3, 1_000)
    assert append(file, epoch, 4) == append(file, epoch, 6) == [Fenced]
    assert append(file, now, 6) == [OutOfOrder]
    assert append(file, now, 4, 5) == [None, None]
    assert kept(file) == [1, 2, 3, 4, 5]


def checkpoint(file: SqliteFile, epoch: int) -> None:
    file.checkpoint(ROOM, epoch, 2, b"two")
    file.checkpoint(ROOM, epoch, 5, b"five")
    assert append(file, epoch, 2) == append(file, epoch, 7) == [OutOfOrder]
    assert append(file, epoch, 5, 6) == [None, None], "a tick that is there may come again"
    assert kept(file) == [3, 4, 5, 6]


def checkpoint_refused(file: SqliteFile, epoch: int) -> None:
    for stale, tick, error in ((epoch - 1, 5, Fenced), (epoch, 6, OutOfOrder)):
        with pytest.raises(error):
            file.checkpoint(ROOM, stale, tick, b"rows")
    assert append(file, epoch, 6) == [None]


def asleep(file: SqliteFile, epoch: int) -> None:
    file.checkpoint(ROOM, epoch, 5, b"five")
    file.set_status(ROOM, epoch, Status.ASLEEP, "", 1_000)
    assert append(file, epoch, 7) == append(file, epoch, 1) == [OutOfOrder]
    file.set_status(ROOM, epoch, Status.LIVE, "", 1_000)
    assert append(file, epoch, 6) == [None]
    assert kept(file) == [6]


def closed(file: SqliteFile, epoch: int) -> None:
    file.set_status(ROOM, epoch, Status.CLOSED, "", 1_000)
    assert append(file, epoch, 6) == [NoSuchRoom]


def recreated(file: SqliteFile, epoch: int) -> None:
    file.set_status(ROOM, epoch, Status.CLOSED, "", 1_000)
    file.tidy(RETENTION, LATER_MS, 10)
    assert append(file, epoch, 6) == [NoSuchRoom]
    # Its number in the file may be the one that the room before it had.
    now = file.recreate(ROOM, META, "a", Checkpoint(epoch, 40, b"forty"), LATER_MS)
    assert append(file, epoch, 6) == [Fenced]
    assert append(file, now, 6) == [OutOfOrder]
    assert append(file, now, 41, 42) == [None, None]
    assert kept(file) == [41, 42]


def released(file: SqliteFile, epoch: int) -> None:
    file.release(ROOM, epoch)
    assert file.load(ROOM).epoch == epoch
    assert append(file, epoch, 6) == [None]
    now = taken(file)
    assert append(file, epoch, 7) == [Fenced]
    assert append(file, now, 7) == [None]


def taken_over(file: SqliteFile, epoch: int) -> None:
    last = file.load(ROOM).records[-1]
    ahead = Record(epoch, 6, b"six")
    now = file.take_over(ROOM, "b", Held(epoch, 6, (last, ahead)), 1_000, blameless=True)
    assert isinstance(now, Taken)
    assert append(file, epoch, 6) == append(file, epoch, 7) == [Fenced]
    assert append(file, now.epoch, 6) == [OutOfOrder]
    assert append(file, now.epoch, 7) == [None]
    assert kept(file) == [1, 2, 3, 4, 5, 6, 7]


BETWEEN = [cut, checkpoint, checkpoint_refused, asleep, closed, recreated, released, taken_over]


@pytest.mark.parametrize("happens", BETWEEN)
def test_what_happens_to_a_room_between_two_appends_is_known_to_the_second(
    file: SqliteFile, happens: Callable[[SqliteFile, int], None]
) -> None:
    happens(file, begun(file))


@pytest.mark.parametrize("happens", [cut, closed, recreated, released, taken_over])
def test_a_file_that_remembers_whatever_happens_is_found_out(
    path: Path, happens: Callable[[SqliteFile, int], None]
) -> None:
    with opened(path, Trusting) as file:
        epoch = begun(file)
        # The harm, or that the file itself does not hold a tick twice.
        with pytest.raises((AssertionError, LocalError)):
            happens(file, epoch)


def test_what_was_remembered_of_one_connection_is_not_believed_of_the_next(
    file: SqliteFile, path: Path, tmp_path: Path
) -> None:
    epoch = begun(file)
    copy = tmp_path / "b.db"
    file.copy_to(copy)
    with opened(copy) as other:
        newer = taken(other)
        file.close()
        file.use(connect(copy))
        assert append(file, epoch, 6) == [Fenced]
        assert append(file, newer, 6) == [None]
        newest = taken(other)
        assert append(file, newer, 7) == [Fenced]
        assert append(file, newest, 7) == [None]


async def test_a_store_whose_file_was_deleted_heeds_who_writes_to_the_new_one(path: Path) -> None:
    store = SqliteStore(path, WallClock())
    await store.open()
    epoch = await owned(store)
    await committed(store, epoch, range(1, 6))
    delete(path)
    await committed(store, epoch, range(6, 8))
    with closing(SqliteFile(path, connect(path))) as other:
        assert kept(other) == list(range(1, 8))
        newer = taken(other)
        assert kinds(await store.append([entry(epoch, 8)])) == [Fenced]
        assert append(other, newer, 8) == [None]
        assert await store.append([entry(newer, 9)]) == [None]
        assert kept(other) == list(range(1, 10))
    await store.close()


def last_tick(there: Loaded) -> int:
    checkpoints, records = there.checkpoints, there.records
    return max([0, *(each.tick for each in checkpoints), *(each.tick for each in records)])


class Pair:
    """Two files that should stay alike, each with a second connection; what differs first."""

    def __init__(self, files: Sequence[tuple[SqliteFile, SqliteFile]], seed: int) -> None:
        self.files = files
        self.rng = Random(seed)
        self.outcomes: Counter[str] = Counter()
        self.wall_ms = 1_000

    def differs(self) -> bool:
        for _ in range(OPERATIONS):
            operation, by_other = self.operation(), self.rng.random() < 0.25
            answers = [self.answer(pair[by_other], operation) for pair in self.files]
            looks = [[self.answer(pair[0], look) for look in LOOKS] for pair in self.files]
            if answers[0] != answers[1] or looks[0] != looks[1]:
                return True
            self.outcomes.update(answers[0])
        return False

    def answer(self, file: SqliteFile, operation: Callable[[SqliteFile], object]) -> list[str]:
        try:
            found = operation(file)
        except (StoreError, LocalError) as error:
            return [type(error).__name__, str(error)]
        if isinstance(found, list):
            return [repr(each) for each in cast("list[object]", found)]
        return [repr(found)]

    def operation(self) -> Callable[[SqliteFile], object]:
        """Something to do to a room, as the second file's state suggests."""
        rng, room = self.rng, self.rng.choice(ROOMS)
        self.wall_ms += rng.choice((0, 1, 50))
        wall_ms, file = self.wall_ms, self.files[1][0]
        try:
            there = file.load(room)
        except NoSuchRoom:
            return self._made(room)
        epoch, last = there.epoch - (rng.random() < 0.1), last_tick(there)
        match rng.choice(("append",) * 12 + ("checkpoint",) * 3 + WAYS):
            case "append":
                batch = self._batch()
                return lambda file: file.append(batch, wall_ms)
            case "checkpoint":
                tick = max(0, last - rng.randrange(3))
                return lambda file: file.checkpoint(room, epoch, tick, b"rows")
            case "acquire":
                return lambda file: file.acquire(room, "b", wall_ms, blameless=True).epoch
            case "release":
                return lambda file: file.release(room, epoch)
            case "cut":
                return lambda file: file.cut(room, epoch, max(1, last - 2), wall_ms)
            case "take over":
                held = Held(epoch, last - rng.randrange(2), there.records[-1:])
                return lambda file: file.take_over(room, "c", held, wall_ms, blameless=True)
            case way:
                return lambda file: file.set_status(room, epoch, Status(way), "", wall_ms)

    def _made(self, room: str) -> Callable[[SqliteFile], object]:
        """A room where there is none; what is known of one that was closed is let go first."""
        self.wall_ms += LATER_MS
        wall_ms, again = self.wall_ms, self.rng.random() < 0.5

        def make(file: SqliteFile) -> object:
            file.tidy(RETENTION, wall_ms, 10)
            if again:
                return file.recreate(room, META, "a", Checkpoint(1, 7, b"seven"), wall_ms)
            file.create(room, META, "a")
            return None

        return make

    def _batch(self) -> list[Append]:
        """Ticks of both rooms: mostly those that follow, some twice, too late or too early."""
        rng, batch = self.rng, list[Append]()
        following: dict[str, tuple[int, int]] = {}
        for room in ROOMS:
            try:
                there = self.files[1][0].load(room)
            except NoSuchRoom:
                following[room] = (1, 1)
                continue
            following[room] = (there.epoch, last_tick(there) + 1)
        for _ in range(rng.randrange(1, 7)):
            room = rng.choice(ROOMS)
            epoch, tick = following[room]
            off = rng.choice((0,) * 12 + (-1, -2, 1))
            text, result = rng.choice(("",) * 8 + ("other",)), rng.choice(("",) * 8 + ("won",))
            epoch_said = epoch - (rng.random() < 0.05)
            batch.append(entry(epoch_said, max(1, tick + off), room, text, result))
            if not off:
                following[room] = (epoch, tick + 1)
        return batch


WAYS = ("acquire", "release", "cut", "take over", "asleep", "live", "closed")
LOOKS: tuple[Callable[[SqliteFile], object], ...] = (
    lambda file: file.load(ROOM),
    lambda file: file.load(OTHER),
    lambda file: file.results_of(ROOM),
    lambda file: file.rooms(),
)


def compared(folder: Path, kind: type[SqliteFile], seed: int) -> tuple[bool, Counter[str]]:
    """Whether a file of this kind comes to differ from a thorough one, and the outcomes met."""
    one, two = folder / f"one{seed}.db", folder / f"two{seed}.db"
    with (
        opened(one, kind) as first,
        opened(one) as beside,
        opened(two, Thorough) as second,
        opened(two, Thorough) as beside_second,
    ):
        pair = Pair(((first, beside), (second, beside_second)), seed)
        return pair.differs(), pair.outcomes


@pytest.mark.parametrize("seed", SEEDS)
def test_a_file_that_remembers_answers_as_one_that_always_looks(tmp_path: Path, seed: int) -> None:
    differs, outcomes = compared(tmp_path, SqliteFile, seed)
    assert not differs
    assert outcomes["None"] > OPERATIONS / 2, outcomes
    for outcome in ("Fenced", "OutOfOrder"):
        assert sum(n for said, n in outcomes.items() if said.startswith(outcome)) >= 5, outcomes


@pytest.mark.parametrize("kind", [Alone, Trusting])
def test_a_file_that_remembers_too_much_comes_to_differ(
    tmp_path: Path, kind: type[SqliteFile]
) -> None:
    assert any(compared(tmp_path, kind, seed)[0] for seed in SEEDS)
