from __future__ import annotations

import pytest

from coterie.actors.network_addresses import format_address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:7401", ("127.0.0.1", 7401)),
        ("localhost:0", ("localhost", 0)),
        ("node-1.example:65535", ("node-1.example", 65535)),
        ("[::1]:7401", ("::1", 7401)),
    ],
)
def test_an_address_reads_as_it_was_written(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address
    assert format_address(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "7401",
        "127.0.0.1",
        "127.0.0.1:",
        ":7401",
        "h:65536",
        "h:-1",
        "h:+1",
        "h: 1",
        "h:١",
        "h:0x1",
        "[]:1",
        "::1:7401",
    ],
)
def test_what_is_no_address_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is no address: write host:port") as caught:
        parse_address(text)

    assert repr(text) in str(caught.value)
