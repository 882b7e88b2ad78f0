"""A player of coins, written from docs/PROTOCOL.md and docs/SESSION.md alone.

    python examples/plain_client.py [url] [seconds]

It runs to the nearest coin, compares its view with every DIGEST, resumes when the connection is
lost, and prints what it counted; the exit status is 0 if views were compared and none differed.
"""

import asyncio
import random
import secrets
import struct
import sys
import time
import zlib
from collections import Counter
from typing import Any

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

JOIN, RESUME, INPUT, LEAVE = 1, 2, 3, 5
WELCOME, FRAME, ROOM, DIGEST, CLOSE, PART = 16, 17, 20, 21, 22, 23
NAME: Any = "holdfast.1"
RESUME_AFTER = {1001, 1006, 1011, 1012, 4408, 4431, 4503}


def typed_array(code: int, data: bytes) -> list[Any]:
    """An ext 1 to 8: numbers of one type, little endian (PROTOCOL, Chunks)."""
    letter = "BbhHiIfd"[code - 1]
    return list(struct.unpack(f"<{len(data) // struct.calcsize(letter)}{letter}", data))


def value(field: list[Any], wire: Any) -> Any:
    """What a wire value means: kinds 1 and 2 are scaled, 7 is a flag (PROTOCOL, Values)."""
    return wire / field[5] if field[2] in (1, 2) else wire == 1 if field[2] == 7 else wire


class View:
    """Rows by table and id. A row is its wire values by bit; bit 0 is the owner."""

    def __init__(self, schema: list[Any], player: int) -> None:
        self.player, self.tick = player, 0
        self.names = [table[0] for table in schema[0]]
        self.fields = [{field[0]: field for field in table[2]} for table in schema[0]]
        self.rows: list[dict[int, dict[int, Any]]] = [{} for _ in self.names]

    def apply(self, tick: int, base: int, dropped: Any, chunks: list[Any]) -> None:
        """Take in a frame; all of it is decoded before anything is changed."""
        steps: list[tuple[int, Any, list[Any]]] = [(at, ids, []) for at, ids in dropped or ()]
        steps += [(c[0], c[1], [row for group in c[2:] for row in decode(*group)]) for c in chunks]
        if base == 0:
            self.rows = [{} for _ in self.names]
        for table, gone, changed in steps:
            fields, rows = self.fields[table].items(), self.rows[table]
            for number in gone:
                rows.pop(number, None)
            for number, fresh in changed:
                row = rows.setdefault(number, {0: 0} | {bit: field[4] for bit, field in fields})
                row.update(fresh)
                if 0 in fresh and row[0] != self.player:
                    row.update({bit: field[4] for bit, field in fields if field[3] == 1})
        self.tick = tick

    def digest(self) -> int:
        """CRC-32 of the canonical bytes: the public part, then the owner's."""
        parts: list[bytes] = []
        for audience in (0, 1):
            for table, rows in enumerate(self.rows):
                fields = [f for _, f in sorted(self.fields[table].items()) if f[3] == audience]
                ids = sorted(n for n in rows if audience == 0 or rows[n][0] == self.player)
                if not ids or (audience == 1 and not (fields and self.player)):
                    continue
                owners = [rows[n][0] for n in ids] if audience == 0 else []
                parts += [struct.pack("<I", word) for word in (table, len(ids), *ids, *owners)]
                parts += [canonical(value(f, rows[n][f[0]])) for f in fields for n in ids]
        return zlib.crc32(b"".join(parts))

    def all(self, name: str) -> list[dict[str, Any]]:
        table = self.names.index(name)
        fields, rows = self.fields[table].values(), self.rows[table].values()
        return [{"owner": row[0]} | {f[1]: value(f, row[f[0]]) for f in fields} for row in rows]


def decode(mask: int, ids: Any, *columns: Any) -> list[tuple[int, dict[int, Any]]]:
    """A group as ids and what it says of each; ValueError where lengths do not fit."""
    bits = [bit for bit in range(31) if mask >> bit & 1]
    rows = [dict(zip(bits, values, strict=True)) for values in zip(*columns, strict=True)]
    return list(zip(ids, rows, strict=True))


def canonical(content: float | bool | str) -> bytes:
    text = content.encode() if isinstance(content, str) else None
    return struct.pack("<d", content) if text is None else struct.pack("<I", len(text)) + text


class Client:
    """One session: what is remembered from one connection to the next."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.nonce, self.token, self.epoch, self.gone = secrets.token_bytes(16), b"", 0, ""
        self.view, self.unacked = View([[]], 0), list[list[Any]]()
        self.schema: Any = None
        self.next_seq, self.still, self.tries, self.least_wait_s = 1, 0, 0, 0.0

    async def run(self, url: str, until: float) -> None:
        while not self.gone and time.monotonic() < until:
            self.tries, self.least_wait_s = self.tries + 1, 0.0
            try:
                async with connect(url, subprotocols=[NAME], compression=None) as socket:
                    await self.converse(socket, until)
            except ConnectionClosed as lost:
                if lost.rcvd and lost.rcvd.code not in RESUME_AFTER and not self.gone:
                    self.gone = f"closed with {lost.rcvd.code}"
            except (OSError, InvalidHandshake):
                pass  # No server there, or 5 s of silence.
            except ValueError:
                self.view.tick = 0  # What came cannot be right: ask for everything.
            backoff_s = min(5.0, 0.1 * 2 ** (self.tries - 1)) * random.uniform(0.5, 1)
            await asyncio.sleep(0 if self.gone else max(backoff_s, self.least_wait_s))

    async def converse(self, socket: ClientConnection, until: float) -> None:
        """One connection, from the first message to its end."""
        first = self.unacked[0][0] if self.unacked else self.next_seq
        join: list[Any] = [JOIN, self.nonce, "coins", {}, "plain", 0, None, "plain_client/1"]
        resume = [RESUME, self.token, self.epoch, self.view.tick, first]
        await socket.send(msgpack.packb(resume if self.token else join))
        parts: list[bytes] = []
        while not self.gone:
            payload = await asyncio.wait_for(socket.recv(decode=False), 5.0)
            message = msgpack.unpackb(payload, ext_hook=typed_array)
            if message[0] == PART:  # A long frame, piece by piece.
                parts = [*parts[: message[1]], message[3]]
                if len(parts) < message[2]:
                    continue
                message = msgpack.unpackb(b"".join(parts), ext_hook=typed_array)
            answer = self.take(message)
            for items in answer:
                await socket.send(msgpack.packb([INPUT, self.view.tick, *items]))
            if time.monotonic() >= until:
                await socket.send(msgpack.packb([LEAVE]))
                self.gone = "left"

    def take(self, message: list[Any]) -> list[list[Any]]:
        """The items of each INPUT to answer a message with."""
        kind = message[0]
        if kind == WELCOME:
            self.counts["resumes"] += bool(self.token)
            self.token, self.epoch = message[1], message[3]
            if message[7] != self.schema:
                self.schema, self.view = message[7], View(message[7], message[4])
            return self.repeat()
        if kind == FRAME:
            return self.frame(message[1:])
        if kind == DIGEST and message[1] == self.view.tick:
            self.counts["digests"] += 1
            if self.view.digest() != message[2]:
                self.counts["divergence"] += 1
                raise ValueError("the view differs from the server's")
        if kind == ROOM and message[1] != self.epoch:
            self.epoch = message[1]
            return self.repeat()
        if kind == CLOSE:
            self.least_wait_s = (message[3] or 0) / 1000
            self.gone = "" if message[1] in RESUME_AFTER else f"{message[2]} ({message[1]})"
        return []

    def frame(self, message: list[Any]) -> list[list[Any]]:
        tick, base, _, ack, _, dropped, chunks, *_ = message
        if base and tick <= self.view.tick:
            return []
        if base > self.view.tick:
            raise ValueError("the frame begins at a tick that is not held")
        self.view.apply(tick, base, dropped, chunks)
        self.tries = 0
        self.counts["frames"] += 1
        self.still = self.still + 1 if self.unacked and self.unacked[0][0] > ack else 0
        self.unacked = [item for item in self.unacked if item[0] > ack]
        if self.still >= 20 or len(self.unacked) >= 128:
            return self.repeat()
        self.unacked.append([self.next_seq, steer(self.view, self.counts)])
        self.next_seq += 1
        return [self.unacked[-1:]]

    def repeat(self) -> list[list[Any]]:
        self.still = 0
        return [self.unacked[at : at + 64] for at in range(0, len(self.unacked), 64)]


def steer(view: View, counts: Counter[str]) -> list[int]:
    """The input: towards the nearest coin, on each axis."""
    me = next(row for row in view.all("Runner") if row["owner"] == view.player)
    counts["coins"] = me["coins"]
    coin = min(view.all("Coin"), key=lambda c: abs(c["x"] - me["x"]) + abs(c["y"] - me["y"]))
    return [(way > 0.5) - (way < -0.5) for way in (coin["x"] - me["x"], coin["y"] - me["y"])]


if __name__ == "__main__":
    url, seconds = [*sys.argv[1:], *("ws://localhost:8080/play", "10")[len(sys.argv) - 1 :]]
    client = Client()
    asyncio.run(client.run(url, time.monotonic() + float(seconds)))
    shown = ("frames", "digests", "divergence", "resumes", "coins")
    print(*(f"{name} {client.counts[name]}" for name in shown), f"end: {client.gone}", sep=", ")
    sys.exit(not client.counts["digests"] or client.counts["divergence"] > 0)
