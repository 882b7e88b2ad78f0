"""Long frames in parts: cut and put together, they are the same bytes, and nothing else passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.chunks import pack
from shared.limits import FRAME_BYTES_MAX, MATCH_BYTES_MAX, PART_BYTES
from shared.messages import PART, PARTS_MAX, Part, TimeAnswer, decode_from_server
from shared.parts import Assembly, cut

sizes = st.sampled_from([0, 1, 7, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 5])


@given(st.lists(sizes, min_size=1, max_size=5), st.binary(min_size=1, max_size=3))
def test_cut_and_put_together_a_frame_is_the_same_bytes(lengths: list[int], seed: bytes) -> None:
    pieces = [(seed * (length + 1))[at : at + length] for at, length in enumerate(lengths)]
    whole, parts = b"".join(pieces), list(cut(pieces))
    assert len(parts) == -(-len(whole) // PART_BYTES)
    messages = [decode_from_server(part) for part in parts]
    assert [m.index for m in messages if isinstance(m, Part)] == list(range(len(parts)))
    assert all(isinstance(m, Part) and len(m.data) == PART_BYTES for m in messages[:-1])
    assembly = Assembly()
    taken = [assembly.take(part) for part in parts]
    assert taken[:-1] == [None] * (len(parts) - 1) if parts else taken == []
    assert not parts or taken[-1] == whole


def test_other_messages_come_between_and_the_first_part_begins_anew() -> None:
    one, two, three = cut([bytes(3 * PART_BYTES)])
    other = TimeAnswer(1, 2, 3).encode()
    assembly = Assembly()
    assert assembly.take(one) is None
    assert assembly.take(other) == other
    assert assembly.take(two) is None
    assert [assembly.take(part) for part in (one, two)] == [None, None]
    assert assembly.take(three) == bytes(3 * PART_BYTES)


@pytest.mark.parametrize(
    "wrong",
    [
        Part(1, 2, b"").encode(),
        Part(0, PARTS_MAX + 1, b"").encode(),
        Part(2, 2, b"").encode(),
        Part(-1, 2, b"").encode(),
        pack([PART, 0, 2, "text"]),
        pack([PART, 0]),
        b"\x94\x17\x00",
    ],
)
def test_what_is_no_next_part_is_malformed(wrong: bytes) -> None:
    with pytest.raises(ValueError, match=r"part|message|exceeds"):
        Assembly().take(wrong)


def test_all_a_match_may_hold_fits_in_the_parts_of_one_frame() -> None:
    assert MATCH_BYTES_MAX < FRAME_BYTES_MAX <= PARTS_MAX * PART_BYTES
