"""Which address is believed, and what counts as one address."""

from __future__ import annotations

import pytest

from server.edge.address import Crowd, believed_address, check_position, crowd_key
from shared.errors import ConfigError

SOCKET = "10.9.9.9"


@pytest.mark.parametrize(
    ("forwarded", "position", "address"),
    [
        (["203.0.113.9"], None, SOCKET),
        (["203.0.113.9"], -1, "203.0.113.9"),
        (["6.6.6.6, 203.0.113.9, 10.0.0.1"], -2, "203.0.113.9"),
        (["6.6.6.6", "203.0.113.9 ,10.0.0.1"], -2, "203.0.113.9"),
        (["2001:DB8::1"], -1, "2001:db8::1"),
        (["203.0.113.9:4711"], -1, "203.0.113.9"),
        (["[2001:db8::1]:4711"], -1, "2001:db8::1"),
        (["::ffff:203.0.113.9"], -1, "203.0.113.9"),
        ([], -1, SOCKET),
        ([""], -1, SOCKET),
        (["203.0.113.9"], -2, SOCKET),
        (["not an address"], -1, SOCKET),
        (["203.0.113.9\x1b[31m"], -1, SOCKET),
    ],
)
def test_believed_address(forwarded: list[str], position: int | None, address: str) -> None:
    assert believed_address(SOCKET, forwarded, position) == address


def test_a_network_of_ipv6_counts_as_one() -> None:
    assert crowd_key("2001:db8:1:2:3::4") == crowd_key("2001:db8:1:2:ffff::9")
    assert crowd_key("2001:db8:1:2::4") != crowd_key("2001:db8:1:3::4")
    assert crowd_key("::ffff:192.0.2.1") == crowd_key("192.0.2.1") != crowd_key("192.0.2.2")
    assert crowd_key("") == ""


def test_crowd_counts_and_forgets() -> None:
    crowd = Crowd()
    assert [crowd.enter("a"), crowd.enter("a"), crowd.enter("b")] == [1, 2, 1]
    crowd.leave("a")
    crowd.leave("b")
    assert (crowd.held("a"), crowd.held("b")) == (1, 0)
    assert crowd._held == {"a": 1}
    with pytest.raises(KeyError):
        crowd.leave("b")


@pytest.mark.parametrize("position", [0, 1])
def test_positions_that_a_client_could_forge_are_refused(position: int) -> None:
    with pytest.raises(ConfigError, match="use -1"):
        check_position(position)
    check_position(-2)
    check_position(None)
