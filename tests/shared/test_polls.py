"""Bodies of polls: what is put together comes apart, and what is cut short is told."""

from __future__ import annotations

import pytest

from shared.polls import join_messages, split_messages


@pytest.mark.parametrize("messages", [[], [b""], [b"a"], [b"ab", b"", b"c" * 70_000]])
def test_what_is_put_together_comes_apart(messages: list[bytes]) -> None:
    assert split_messages(join_messages(messages)) == messages


def test_the_length_is_four_bytes_little_endian() -> None:
    assert join_messages([b"a" * 258])[:5] == b"\x02\x01\0\0a"


def test_every_cut_is_noticed_where_no_message_ends() -> None:
    body = join_messages([b"abc", b"de"])
    for length in range(len(body)):
        if length in (0, 7):
            assert len(split_messages(body[:length])) == length // 7
        else:
            with pytest.raises(ValueError, match=r"message [12] of the body is cut short"):
                split_messages(body[:length])
