"""Whose fault it was, and what the other end is told."""

from __future__ import annotations

import pytest

from shared.errors import (
    MEANINGS,
    TRY_AGAIN,
    CloseCode,
    GameError,
    LocalError,
    Refused,
    RemoteError,
    StoreError,
)


def test_every_close_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(CloseCode)
    assert all(MEANINGS.values())


def test_codes_are_ours_or_the_websockets_own() -> None:
    for code in CloseCode:
        assert 1000 <= code <= 1015 or 4400 <= code < 4600


@pytest.mark.parametrize("code", CloseCode)
def test_what_ends_a_seat_is_not_tried_again(code: CloseCode) -> None:
    again = {1001, 1011, 4408, 4431, 4503}
    assert (code in TRY_AGAIN) == (code in again)


def test_a_remote_error_says_its_code_and_reason() -> None:
    error = RemoteError(CloseCode.ROOM_FULL, "8 of 8 seats are taken", 500)
    assert str(error) == "ROOM_FULL (4423): 8 of 8 seats are taken"
    assert (error.code, error.reason) == (4423, "8 of 8 seats are taken")
    assert error.retry_after_ms == 500
    assert RemoteError(CloseCode.REFUSED, "no").retry_after_ms is None


def test_a_refusal_carries_its_reason_to_the_player() -> None:
    assert Refused("not your turn").reason == "not your turn"
    assert str(Refused("not your turn")) == "not your turn"


def test_whose_fault_it_is_is_in_the_type() -> None:
    assert issubclass(GameError, LocalError)
    kinds = (LocalError, RemoteError, StoreError, Refused)
    for kind in kinds:
        assert not any(issubclass(kind, other) for other in kinds if other is not kind)
