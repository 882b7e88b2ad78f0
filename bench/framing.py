"""Our framing beside the library's protocol alone: messages per CPU second, without sockets.

    python -m bench.framing [--json] [--repeats N] [--seconds S]

Each case feeds the same masked frames to both, in turns, and takes the median; a ratio above 1
says by how much ours is cheaper. Only ratios mean something on another machine.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from server.edge.framing import Framing
from server.edge.limits import EdgeLimits

LOG = logging.getLogger("bench.framing")
# What is measured is parsing; no budget may end it.
LIMITS = EdgeLimits(frames_burst=10**12, control_frames_burst=10**12)
MESSAGES_PER_TURN = 2000

Feed = Callable[[bytes], None]


@dataclass(frozen=True)
class Case:
    """Messages of `message_bytes`, `frames_per_read` of them in what one read returns."""

    name: str
    message_bytes: int
    frames_per_read: int


CASES = (
    Case("one input a read", 20, 1),
    Case("four inputs a read", 20, 4),
    Case("a medium message", 1000, 1),
    Case("the largest message", 16 * 1024, 1),
    Case("half a frame a read", 20, 0),
)


@dataclass(frozen=True)
class Result:
    """Medians of messages per CPU second, their ratio, and the least and largest ratio seen."""

    case: str
    own: float
    theirs: float
    ratio: float
    ratio_min: float
    ratio_max: float


class Sink:
    """Counts what arrives."""

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0

    def message(self, payload: bytes) -> None:
        self.messages += 1
        self.bytes += len(payload)


def own(sink: Sink) -> Feed:
    """Our framing, new."""
    framing = Framing(LIMITS, time.monotonic, LOG)
    framing.message = sink.message
    return framing.take


def library(sink: Sink) -> Feed:
    """The library's protocol, new, used as its documentation says."""
    machine = ServerProtocol(state=State.OPEN, max_size=LIMITS.message_bytes_max, logger=LOG)

    def feed(data: bytes) -> None:
        machine.receive_data(data)
        for event in machine.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.BINARY:
                sink.message(bytes(event.data))
        machine.data_to_send()

    return feed


def reads(case: Case, rng: random.Random) -> list[bytes]:
    """What the reads of one turn return."""
    frames = [
        Frame(Opcode.BINARY, rng.randbytes(case.message_bytes)).serialize(mask=True)
        for _ in range(MESSAGES_PER_TURN)
    ]
    if case.frames_per_read == 0:
        halves = [(frame[: len(frame) // 2], frame[len(frame) // 2 :]) for frame in frames]
        return [half for pair in halves for half in pair]
    step = case.frames_per_read
    return [b"".join(frames[at : at + step]) for at in range(0, len(frames), step)]


def rate(
    make: Callable[[Sink], Feed], pieces: Sequence[bytes], case: Case, seconds: float
) -> float:
    """Messages per CPU second of one run."""
    sink = Sink()
    feed = make(sink)
    began = time.process_time()
    turns = 0
    while (spent := time.process_time() - began) < seconds:
        for piece in pieces:
            feed(piece)
        turns += 1
    assert sink.messages == turns * MESSAGES_PER_TURN, "every message was delivered"
    assert sink.bytes == sink.messages * case.message_bytes
    return sink.messages / spent


def measure(case: Case, repeats: int, seconds: float) -> Result:
    """Interleaved runs of both."""
    pieces = reads(case, random.Random(1))
    pairs = [
        (rate(own, pieces, case, seconds), rate(library, pieces, case, seconds))
        for _ in range(repeats)
    ]
    ratios = [mine / theirs for mine, theirs in pairs]
    return Result(
        case.name,
        statistics.median(mine for mine, _ in pairs),
        statistics.median(theirs for _, theirs in pairs),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
    )


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.framing", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--repeats", type=int, default=7, help="interleaved runs of each case")
    parser.add_argument("--seconds", type=float, default=0.3, help="CPU seconds of one run")
    options = parser.parse_args(argv)
    results = [measure(case, options.repeats, options.seconds) for case in CASES]
    if options.json:
        print(json.dumps({"bench": "framing", "results": [asdict(each) for each in results]}))
        return
    print(f"{'':24}{'own /s':>12}{'library /s':>12}{'ratio':>8}  (spread)")
    for each in results:
        print(
            f"{each.case:24}{each.own:12,.0f}{each.theirs:12,.0f}{each.ratio:8.2f}"
            f"  ({each.ratio_min:.2f} to {each.ratio_max:.2f})"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
