"""Whatever bytes come in, only the errors promised come out, and nothing is half applied."""

from __future__ import annotations

from typing import Any

import msgpack
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.chunks import pack, unpack_stored
from shared.columns import is_list
from shared.errors import CloseCode, RemoteError
from shared.from_client import decode_from_client
from shared.match import Match
from shared.messages import Frame, decode_from_server
from shared.schema import describe, parse
from shared.view import View
from tests.shared.ends import framed, show, started, view_of
from tests.shared.reference import exactly, held
from tests.vectors.messages import client_messages, server_messages
from tests.vectors.zoo import Zoo

fuzzed = settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@fuzzed
@given(st.binary(max_size=200))
def test_arbitrary_bytes_from_a_client_are_refused_as_bad(payload: bytes) -> None:
    _decode_client(payload)


@fuzzed
@given(st.data())
def test_mutated_messages_from_a_client_are_refused_as_bad(data: st.DataObject) -> None:
    _decode_client(_mutated(data, data.draw(st.sampled_from(client_messages()))))


def _decode_client(payload: bytes) -> None:
    error = None
    try:
        message = decode_from_client(payload)
    except RemoteError as refused:
        error = refused
    else:
        assert decode_from_client(message.encode()) == message
    assert error is None or error.code is CloseCode.BAD_MESSAGE
    assert error is None or 0 < len(error.reason) <= 120


@fuzzed
@given(st.binary(max_size=200))
def test_arbitrary_bytes_from_a_server_raise_no_more_than_value_error(payload: bytes) -> None:
    _receive(view_of(Match(Zoo(), Zoo().options(), 1), 2), payload)


def frames() -> list[bytes]:
    """Frames a player of a small zoo is sent, the first from nothing."""
    play = started(Zoo(), 11, 20)
    made = [framed(play.match, 0, 2)]
    for _ in range(6):
        base = play.match.tick
        play.tick(20)
        made.append(framed(play.match, base, 2))
    return made


FRAMES = frames()


@fuzzed
@given(st.data())
def test_mutated_frames_apply_whole_or_not_at_all(data: st.DataObject) -> None:
    view = view_of(Match(Zoo(), Zoo().options(), 1), 2)
    count = data.draw(st.integers(0, len(FRAMES) - 1))
    for payload in FRAMES[:count]:
        show(view, payload)
    _receive(view, _mutated(data, FRAMES[count]))


@fuzzed
@given(st.data())
def test_mutated_messages_from_a_server_raise_no_more_than_value_error(
    data: st.DataObject,
) -> None:
    view = view_of(Match(Zoo(), Zoo().options(), 1), 2)
    _receive(view, _mutated(data, data.draw(st.sampled_from(server_messages()))))


def _receive(view: View, payload: bytes) -> None:
    """Decode and apply; what raises leaves the view as it was, what does not leaves it usable."""
    before = exactly(held(view)), view.tick
    try:
        frame = decode_from_server(payload)
        if isinstance(frame, Frame) and (frame.base == 0 or frame.base <= view.tick < frame.tick):
            view.apply(frame.tick, frame.base, frame.dropped, frame.chunks)
    except ValueError:
        assert (exactly(held(view)), view.tick) == before
    assert 0 <= view.digest() < 2**32
    rows: list[list[Any]] = [view.all(name) for name in view.names]
    assert len(repr(rows)) > 1


def _mutated(data: st.DataObject, payload: bytes) -> bytes:
    """These bytes, or another value in the place of one of the message's parts."""
    if data.draw(st.booleans()):
        changed = bytearray(payload)
        for _ in range(data.draw(st.integers(1, 3))):
            changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(0, 8))
        return bytes(changed[: len(changed) - cut] if cut < 3 else changed)
    message = msgpack.unpackb(payload)
    at: list[Any] = message
    for _ in range(data.draw(st.integers(0, 4))):
        inner: list[list[Any]] = [part for part in at if is_list(part) and part]
        if not inner:
            break
        at = data.draw(st.sampled_from(inner))
    at[data.draw(st.integers(0, len(at) - 1))] = data.draw(anything)
    return pack(message)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.sampled_from([0, 1, 2, 2**31, 2**32, -1])
    | st.floats()
    | st.text(max_size=4)
    | st.binary(max_size=4)
    | st.builds(msgpack.ExtType, st.integers(0, 9), st.binary(max_size=9)),
    lambda part: (
        st.lists(part, max_size=4) | st.dictionaries(st.text(max_size=2), part, max_size=2)
    ),
    max_leaves=5,
)


@fuzzed
@given(st.data())
def test_a_mutated_schema_is_parsed_to_something_usable_or_refused(data: st.DataObject) -> None:
    payload = _mutated(data, pack(describe(Zoo())))
    try:
        view = View(parse(unpack_stored(payload)), 2)
    except ValueError:
        return
    assert view.me is None
    assert view.room is None
    assert view.players == []
    assert view.digest() == 0
    assert [view.all(name) for name in view.names] == [[] for _ in view.names]


@fuzzed
@given(anything)
def test_anything_but_a_schema_is_refused(schema: Any) -> None:
    try:
        parse(schema)
    except ValueError:
        return
    raise AssertionError("no such thing is a schema")
