"""News as bytes: what is told is heard as it was, and a record too long to push as a gap."""

from __future__ import annotations

import pytest

from server.store.base import Record
from server.store.exchange import Ended, Gap, NewEpoch, News, Released, Slept
from server.store.redis_news import PUSHED_BYTES_MAX, pack_news, unpack_news
from server.store.redis_voice import BACKLOG_BYTES_MAX

LONGEST = Record(3, 7, bytes(PUSHED_BYTES_MAX))


@pytest.mark.parametrize(
    "news",
    [
        LONGEST,
        NewEpoch(2, 5, "a"),
        Released(2, 5, 40, "b"),
        Ended(2, 4410, "the room is over"),
        Slept(2, 5),
    ],
)
def test_what_is_told_is_heard(news: News) -> None:
    assert unpack_news(pack_news(news)) == news


def test_a_record_too_long_to_push_is_a_gap_that_sends_followers_to_the_journal() -> None:
    packed = pack_news(Record(3, 7, bytes(PUSHED_BYTES_MAX + 1)))
    assert unpack_news(packed) == Gap()
    assert len(packed) < 8
    # Several rooms may push their longest in one turn without losing what others tell.
    assert 4 * len(pack_news(LONGEST)) < BACKLOG_BYTES_MAX
