"""A token proves one seat, for as long as there is one, and nothing can be made of it."""

from __future__ import annotations

import hashlib
import hmac
import struct

import pytest

from server.core.tokens import UNKNOWN, Seat, check, issue, issued_ms
from shared.errors import CloseCode, RemoteError
from shared.limits import TOKEN_BYTES_MAX

SECRET = b"s" * 32
NOW_S = 1_700_000_000.7
SEAT = Seat("abcdefgh2345", 7, bytes(range(16)))


def refused(token: bytes, secret: bytes = SECRET) -> str:
    with pytest.raises(RemoteError) as raised:
        check(secret, token)
    assert raised.value.code is CloseCode.BAD_TOKEN
    return raised.value.reason


def signed(body: bytes, secret: bytes = SECRET) -> bytes:
    return body + hmac.new(secret, body, hashlib.sha256).digest()[:16]


@pytest.mark.parametrize(
    "seat", [SEAT, Seat("a2345678", 0, bytes(16)), Seat("z" * 32, 2**32 - 1, b"\xff" * 16)]
)
def test_a_token_proves_the_seat_it_was_issued_for(seat: Seat) -> None:
    token = issue(SECRET, seat, NOW_S)
    assert check(SECRET, token) == seat
    assert len(token) <= TOKEN_BYTES_MAX


def test_its_layout_is_as_documented() -> None:
    body = struct.pack("<BQI16s", 2, 1_700_000_000_700, 7, SEAT.nonce) + b"abcdefgh2345"
    assert issue(SECRET, SEAT, NOW_S) == signed(body)


def test_it_says_when_it_was_issued_to_the_millisecond() -> None:
    assert issued_ms(issue(SECRET, SEAT, NOW_S)) == 1_700_000_000_700
    assert issued_ms(issue(SECRET, SEAT, NOW_S + 0.001)) == 1_700_000_000_701


def test_every_changed_bit_is_noticed() -> None:
    token = issue(SECRET, SEAT, NOW_S)
    for at in range(len(token)):
        for bit in range(8):
            forged = token[:at] + bytes((token[at] ^ (1 << bit),)) + token[at + 1 :]
            assert refused(forged) == UNKNOWN


def test_every_truncation_and_extension_is_noticed() -> None:
    token = issue(SECRET, SEAT, NOW_S)
    for length in range(len(token)):
        assert "does not know your session" in refused(token[:length])
    assert "does not know your session" in refused(token + b"\0")
    assert "does not know your session" in refused(b"")


def test_a_body_too_short_to_be_one_is_refused_although_signed() -> None:
    assert "does not know your session" in refused(signed(b"\1short"))


def test_another_secret_signs_nothing_here() -> None:
    assert "does not know your session" in refused(issue(b"t" * 32, SEAT, NOW_S))
    assert "does not know your session" in refused(issue(SECRET, SEAT, NOW_S), secret=b"t" * 32)


def test_another_release_is_told_apart() -> None:
    body = struct.pack("<BQI16s", 1, 1_700_000_000_700, 7, SEAT.nonce) + b"abcdefgh2345"
    assert "another release" in refused(signed(body))


@pytest.mark.parametrize("stepped_s", [-NOW_S - 5, -90_000, -600, 600, 90_000, 400 * 86_400])
def test_no_step_of_the_clock_takes_a_token_its_seat(stepped_s: float) -> None:
    assert check(SECRET, issue(SECRET, SEAT, NOW_S + stepped_s)) == SEAT


def test_the_room_is_part_of_what_is_signed() -> None:
    token = issue(SECRET, SEAT, NOW_S)
    assert "does not know your session" in refused(token.replace(b"abcdefgh", b"bbcdefgh"))
