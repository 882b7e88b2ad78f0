"""docs/PROTOCOL.md says what the code does: its examples, its close codes, its limits.

The examples are read by examples/plain_client.py, which was written from the page alone.
"""

from __future__ import annotations

import importlib.util
import json
import re
import struct
import zlib
from types import ModuleType
from typing import Any

import msgpack
import pytest

from server.edge.limits import EdgeLimits
from shared import limits
from shared.errors import MEANINGS, TRY_AGAIN, CloseCode
from shared.from_client import decode_from_client
from shared.messages import InputMessage, Resume, decode_from_server
from shared.polls import join_messages, split_messages
from tests.docs.dots import examples
from tests.docs.pages import ROOT, Block, blocks, page, table

PAGE = page("PROTOCOL.md")
HEX = {block.title: block for block in blocks(PAGE) if block.language == "hex"}
CANONICAL = "canonical bytes"
POLL = "body of a poll"
MESSAGES = {title: block for title, block in HEX.items() if title not in (CANONICAL, POLL)}
TYPES = ("u8", "i8", "i16", "u16", "i32", "u32", "f32", "f64")
LETTERS = dict(zip(TYPES, "BbhHiIfd", strict=True))
LISTED = table(PAGE, "To the server:") + table(PAGE, "To the client:")

Line = tuple[bytes, str]


@pytest.fixture(scope="module")
def plain() -> ModuleType:
    spec = importlib.util.spec_from_file_location("plain", ROOT / "examples" / "plain_client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def explained(block: Block) -> list[Line]:
    """Lines of a block as bytes and explanation; bytes without one belong to the next."""
    found: list[Line] = []
    before = b""
    for line in block.text.splitlines():
        match = re.fullmatch(r" *((?:[0-9a-f]{2} )*[0-9a-f]{2})(?: {2,}(.*))?", line)
        assert match, f"line {line!r} of {block.title} is no hex"
        before += bytes.fromhex(match[1])
        if match[2]:
            found.append((before, match[2]))
            before = b""
    assert not before
    return found


def raw(block: Block) -> bytes:
    return b"".join(data for data, _ in explained(block))


def typed(code: int, data: bytes) -> tuple[str, list[Any]]:
    """An ext as the page writes it: the type's name and the numbers."""
    name = TYPES[code - 1]
    size = struct.calcsize(LETTERS[name])
    return name, list(struct.unpack(f"<{len(data) // size}{LETTERS[name]}", data))


def said(text: str) -> Any:
    """The value that an explanation gives."""
    binary = re.fullmatch(r"h'([0-9a-f]*)'", text)
    if binary:
        return bytes.fromhex(binary[1])
    array = re.fullmatch(r"([uif]\d+)(\[.*\])", text)
    return (array[1], json.loads(array[2])) if array else json.loads(text)


def read(data: bytes) -> Any:
    """One msgpack value, to its end."""
    return msgpack.unpackb(data, ext_hook=typed, strict_map_key=False)


def head(explanation: str) -> bytes | None:
    """The bytes of an array's head, where an explanation is of one."""
    found = re.fullmatch(r".*: array of (\d+)", explanation)
    return bytes([0x90 | int(found[1])]) if found else None


def test_the_page_explains_one_of_each_message() -> None:
    assert set(MESSAGES) == set(examples())
    names = {re.sub(r" (to|from) .*", "", title) for title in MESSAGES}
    assert names == {row[1] for row in LISTED}


@pytest.mark.parametrize("title", MESSAGES)
def test_an_example_is_what_the_code_makes(title: str) -> None:
    assert raw(HEX[title]) == examples()[title]


@pytest.mark.parametrize("title", MESSAGES)
def test_every_byte_is_what_the_page_says(title: str) -> None:
    lines = explained(HEX[title])
    for data, explanation in lines:
        expected = head(explanation)
        if expected is not None:
            assert data == expected, explanation
        else:
            _, _, value = explanation.partition(" = ")
            assert read(data) == said(value), explanation
    named = {f"type {row[1]} = {row[0]}": int(row[0]) for row in LISTED}
    assert read(raw(HEX[title]))[0] == named[lines[1][1]]


def test_the_body_of_a_poll_is_as_the_page_says() -> None:
    parts = [examples()[title] for title in ("RESUME", "INPUT")]
    assert raw(HEX[POLL]) == join_messages(parts)
    assert split_messages(raw(HEX[POLL])) == parts
    lengths = [line for line in explained(HEX[POLL]) if line[1].startswith("length")]
    found = [said(text.partition(" = ")[2]) for _, text in lengths]
    assert found == [("u32", list(struct.unpack("<I", data))) for data, _ in lengths]
    assert [length for _, [length] in found] == [len(part) for part in parts]
    assert [type(decode_from_client(part)) for part in parts] == [Resume, InputMessage]


@pytest.mark.parametrize("title", MESSAGES)
def test_the_code_reads_an_example(title: str) -> None:
    data = raw(HEX[title])
    to_server = data[1] < 16
    assert (decode_from_client if to_server else decode_from_server)(data) is not None


def test_the_frames_make_the_view_of_the_page(plain: ModuleType) -> None:
    view = view_of(plain)
    rows = {
        name: {
            str(number): {"owner": row[0]}
            | {field[1]: plain.value(field, row[bit]) for bit, field in view.fields[table].items()}
            for number, row in view.rows[table].items()
        }
        for table, name in enumerate(view.names)
    }
    expected = next(block for block in blocks(PAGE) if block.title == "view at tick 2")
    assert rows == json.loads(expected.text)


def test_the_digest_is_that_of_the_view_and_of_the_bytes_shown(plain: ModuleType) -> None:
    _, tick, crc = read(raw(HEX["DIGEST"]))
    view = view_of(plain)
    assert (view.tick, view.digest()) == (tick, crc)
    assert zlib.crc32(raw(HEX[CANONICAL])) == crc


def test_the_canonical_bytes_are_what_the_page_says() -> None:
    for data, explanation in explained(HEX[CANONICAL]):
        value = said(explanation.partition(" = ")[2])
        if isinstance(value, str):
            assert data == struct.pack("<I", len(value.encode())) + value.encode()
        else:
            name, numbers = value
            assert data == struct.pack(f"<{len(numbers)}{LETTERS[name]}", *numbers)


def view_of(plain: ModuleType) -> Any:
    """What a client assembles of the page's WELCOME and frames."""
    welcome = msgpack.unpackb(raw(HEX["WELCOME"]))
    view = plain.View(welcome[7], welcome[4])
    for title in ("FRAME from nothing", "FRAME"):
        frame = msgpack.unpackb(raw(HEX[title]), ext_hook=plain.typed_array)
        _, tick, base, _, _, _, dropped, chunks = frame
        assert base in (0, view.tick)
        view.apply(tick, base, dropped, chunks)
    return view


def test_the_close_codes_are_those_of_the_code() -> None:
    assert table(PAGE, "## Close codes") == [
        [str(int(code)), code.name, MEANINGS[code], "yes" if code in TRY_AGAIN else "no"]
        for code in CloseCode
    ]


def test_the_limits_are_those_of_the_code() -> None:
    edge = EdgeLimits()
    rows = table(PAGE, "## Limits")
    numbers = [int(row[1].replace(",", "")) for row in rows]
    assert numbers == [
        edge.message_bytes_max, limits.MESSAGES_PER_S, limits.INPUT_ITEMS_PER_S,
        edge.frames_per_s, edge.control_frames_per_s, limits.POLL_MESSAGES_MAX,
        edge.body_bytes_max, limits.MESSAGES_PER_S, limits.POLL_LINGER_S, edge.open_timeout_s,
        limits.HELLO_TIMEOUT_S, limits.SEAT_TIMEOUT_S,
        edge.ping_timeout_s, limits.TOO_SLOW_S, limits.INPUT_ITEMS_MAX,
        limits.ACTIONS_PER_ITEM_MAX, limits.UNACKED_INPUTS_MAX, limits.INBOX_ITEMS_MAX,
        limits.GAME_CHARS_MAX,
        16 * limits.NAME_CHARS_MAX, limits.IDENTITY_CHARS_MAX, limits.BUILD_CHARS_MAX,
        limits.OPTIONS_MAX, limits.NONCE_BYTES, limits.TOKEN_BYTES_MAX,
        limits.HISTORY_TICKS, limits.INTEGER_MAX, limits.ENTITY_ID_MAX, limits.FIXED_WIRE_MAX,
    ]  # fmt: skip
    bursts = [int(found) for row in rows for found in re.findall(r"at once: (\d+)", row[0])]
    assert bursts == [
        limits.MESSAGES_BURST,
        limits.INPUT_ITEMS_BURST,
        edge.frames_burst,
        edge.control_frames_burst,
        limits.MESSAGES_BURST,
    ]
