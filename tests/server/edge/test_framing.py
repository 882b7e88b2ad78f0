"""Our framing must see and answer what the library's protocol does, however the bytes are cut."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from server.edge.framing import Framing, frame_head
from server.edge.limits import EdgeLimits
from shared.errors import CloseCode, RemoteError
from tests.server.edge.rig import Clock, frame, server_frames

BYTES_MAX = 3000
LOG = logging.getLogger("tests.edge.framing")
UNBOUNDED = EdgeLimits(message_bytes_max=BYTES_MAX, frames_burst=10**9, control_frames_burst=10**9)


@dataclass
class Outcome:
    """What came of a stream: messages, bytes to write, whether to half-close, and how it ended."""

    messages: list[bytes] = field(default_factory=list[bytes])
    written: bytes = b""
    half_closed: bool = False
    ending: tuple[int, str] | None = None


def expected(stream: bytes) -> Outcome:
    """What the library alone makes of the bytes, one at a time, with text refused."""
    outcome, parts = Outcome(), bytearray()
    machine = ServerProtocol(state=State.OPEN, max_size=BYTES_MAX, logger=LOG)
    for at in range(len(stream)):
        machine.receive_data(stream[at : at + 1])
        for event in machine.events_received():
            assert isinstance(event, Frame)
            if event.opcode is Opcode.TEXT:
                machine.fail(1003, "binary only: messages are msgpack, not text")
            elif event.opcode in {Opcode.BINARY, Opcode.CONT}:
                parts += event.data
                if event.fin:
                    outcome.messages.append(bytes(parts))
                    parts.clear()
        for piece in machine.data_to_send():
            outcome.written += piece
            outcome.half_closed |= piece == b""
        if outcome.half_closed:
            break
    if machine.close_sent is not None:
        outcome.ending = (int(machine.close_sent.code), machine.close_sent.reason)
    return outcome


def actual(pieces: list[bytes]) -> Outcome:
    """What our framing makes of the same bytes in pieces."""
    outcome = Outcome()
    framing = Framing(UNBOUNDED, Clock(), LOG)
    framing.message = outcome.messages.append
    for piece in pieces:
        try:
            framing.take(piece)
        except RemoteError as error:
            framing.fail(error.code, error.reason)
        answers, framing.answers = framing.answers, []
        outcome.written += b"".join(answers)
        outcome.half_closed |= b"" in answers
        if outcome.half_closed:
            break
    outcome.ending = framing.ending
    return outcome


def good(rng: random.Random) -> bytes:
    """A frame, or a few, that a client may send."""
    kind = rng.randrange(8)
    mask = rng.choice([rng.randbytes(4), b"\x82\x85\x82\x85", bytes(4)])
    if kind < 3:
        return frame(2, rng.randbytes(rng.randrange(126)), mask=mask)
    if kind == 3:
        return frame(2, rng.randbytes(rng.choice([126, 127, 900, BYTES_MAX])), mask=mask)
    if kind == 4:
        return frame(rng.choice([9, 10]), rng.randbytes(rng.randrange(126)), mask=mask)
    if kind == 5:
        parts = [
            frame(2, rng.randbytes(9), first=0),
            frame(0, rng.randbytes(rng.randrange(5)), first=0),
            frame(0, rng.randbytes(rng.choice([0, 7, 200]))),
        ]
        if rng.random() < 0.5:
            parts.insert(rng.choice([1, 2]), frame(rng.choice([9, 10]), b"between"))
        return b"".join(parts)
    # Lengths written longer than need be.
    body = rng.randbytes(rng.randrange(1, 40))
    plain = frame(2, body, mask=mask)[2:]
    size = len(body)
    if kind == 6:
        return b"\x82\xfe" + size.to_bytes(2, "big") + plain
    return b"\x82\xff" + size.to_bytes(8, "big") + plain


def bad(rng: random.Random) -> bytes:
    """A frame that ends a connection."""
    return rng.choice(
        [
            frame(2, b"naked", mask=None),
            frame(3, b"opcode"),
            frame(11, b"opcode"),
            frame(0, b"stray"),
            frame(1, b"text"),
            frame(1, b"text", first=0),
            frame(2, b"half", first=0) + frame(2, b"whole"),
            frame(2, b"half", first=0) + frame(8, b"\x03\xe8"),
            frame(8, b"\x03\xe8bye"),
            frame(8, b""),
            frame(8, b"\x03"),
            frame(8, b"\x03\xed"),
            frame(8, b"\x03\xe8\xff\xfe"),
            frame(2, bytes(BYTES_MAX + 1)),
            frame(2, bytes(BYTES_MAX), first=0) + frame(0, b"more"),
            b"\x82\xff" + bytes([0xFF] * 8) + bytes(20),
            frame(2, b"reserved", first=0xC0),
            frame(2, b"reserved", first=0x90),
            frame(9, bytes(126)),
            frame(9, b"cut", first=0),
        ]
    )


def stream(rng: random.Random) -> bytes:
    """Good frames, sometimes a bad one and more behind it, sometimes cut short."""
    parts = [good(rng) for _ in range(rng.randrange(1, 10))]
    if rng.random() < 0.5:
        parts.append(bad(rng))
        parts += [good(rng) for _ in range(rng.randrange(3))]
    data = b"".join(parts)
    return data[: rng.randrange(len(data))] if rng.random() < 0.2 else data


def cut(rng: random.Random, data: bytes) -> list[bytes]:
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        step = rng.choice([1, 2, 3, 7, 26, 200, 5000])
        pieces.append(data[at : at + step])
        at += step
    return pieces


@pytest.mark.parametrize("seed", range(8))
def test_same_as_library_however_cut(seed: int) -> None:
    rng = random.Random(seed)
    messages = ended = 0
    for case in range(60):
        data = stream(rng)
        want = expected(data)
        for pieces in (cut(rng, data), [data], [data[i : i + 1] for i in range(len(data))]):
            assert actual(pieces) == want, (seed, case)
        messages += len(want.messages)
        ended += want.half_closed
    # The check is worth nothing where nothing arrives or nothing ends.
    assert messages > 150
    assert ended > 15


def test_difference_is_noticed() -> None:
    whole = frame(2, b"hello")
    assert expected(whole) != actual([frame(2, b"hellO")])
    assert expected(frame(9, b"x")) != actual([frame(9, b"y")])


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_frame_head_is_the_librarys(size: int) -> None:
    payload = bytes(size)
    assert frame_head(size) + payload == Frame(Opcode.BINARY, payload).serialize(mask=False)


def test_idle_framing_keeps_no_machine_and_no_bytes() -> None:
    framing = Framing(UNBOUNDED, Clock(), LOG)
    framing.take(frame(9, b"ping") + frame(2, b"a", first=0) + frame(0, b"b") + frame(2, b"c"))
    assert framing._machine is None
    assert framing._held is None
    framing.take(frame(2, b"a", first=0))
    assert framing._machine is not None, "between fragments it must remember"


def test_partial_frame_is_bounded_and_joined_once() -> None:
    framing = Framing(UNBOUNDED, Clock(), LOG)
    got: list[bytes] = []
    framing.message = got.append
    whole = frame(2, bytes(BYTES_MAX))
    for at in range(len(whole) - 1):
        framing.take(whole[at : at + 1])
    held = framing._held
    assert held is not None
    assert len(held) == len(whole) - 1
    assert not got
    framing.take(whole[-1:])
    assert got == [bytes(BYTES_MAX)]
    assert framing._held is None


def test_frames_flood_is_stopped_within_one_read() -> None:
    clock = Clock()
    framing = Framing(EdgeLimits(frames_per_s=10, frames_burst=20), clock, LOG)
    got: list[bytes] = []
    framing.message = got.append
    with pytest.raises(RemoteError, match="too many frames") as caught:
        framing.take(frame(2, b"x") * 1000)
    assert caught.value.code is CloseCode.POLICY_VIOLATION
    assert len(got) == 20


@pytest.mark.parametrize("size", [0, 125, 126, 1000])
def test_frames_of_every_size_count(size: int) -> None:
    framing = Framing(EdgeLimits(frames_per_s=10, frames_burst=20), Clock(), LOG)
    got: list[bytes] = []
    framing.message = got.append
    with pytest.raises(RemoteError, match="too many frames"):
        framing.take(frame(2, bytes(size)) * 30)
    assert len(got) == 20


def test_steady_sender_at_the_rate_is_never_stopped() -> None:
    clock = Clock()
    framing = Framing(EdgeLimits(frames_per_s=50, frames_burst=5), clock, LOG)

    def send(count: int, rate: float) -> None:
        for _ in range(count):
            clock.now += 1 / rate
            framing.take(frame(2, b"x"))

    send(2000, rate=49)
    with pytest.raises(RemoteError):
        send(2000, rate=75)


@pytest.mark.parametrize(
    "piece", [frame(9, b"ping"), frame(10, b""), frame(2, b"", first=0) + frame(0, b"")]
)
def test_pings_pongs_and_fragments_count(piece: bytes) -> None:
    framing = Framing(EdgeLimits(), Clock(), LOG)
    with pytest.raises(RemoteError) as caught:
        framing.take(piece * 100_000)
    assert caught.value.code is CloseCode.POLICY_VIOLATION
    assert len(framing.answers) <= EdgeLimits().control_frames_burst


def test_endless_empty_fragments_weigh_nothing() -> None:
    framing = Framing(UNBOUNDED, Clock(), LOG)
    framing.take(frame(2, b"", first=0))
    framing.take(frame(0, b"", first=0) * 20_000)
    assert framing._fragments is not None
    assert len(framing._fragments) == 0
    assert not framing.over


def test_close_drops_what_follows_but_reads_the_answer() -> None:
    framing = Framing(UNBOUNDED, Clock(), LOG)
    got: list[bytes] = []
    framing.message = got.append
    framing.close(4400, "é" * 100)
    assert server_frames(b"".join(framing.answers)) == [(8, b"\x11\x30" + "é".encode() * 61)]
    framing.answers.clear()
    framing.take(frame(2, b"late") + frame(1, b"late text") + frame(8, b"\x11\x30"))
    assert got == []
    assert framing.answers == [b""]
    assert framing.ending == (4400, "é" * 100)
