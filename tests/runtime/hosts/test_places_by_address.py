from __future__ import annotations

import pytest

from coterie.runtime.hosts.places_by_address import PlacesByAddress, is_loopback, network_of


def test_the_oldest_of_the_address_with_most_is_found() -> None:
    places: PlacesByAddress[int] = PlacesByAddress()
    for holder, network in enumerate(["a", "b", "b", "c", "b"]):
        places.enter(holder, network)

    assert (len(places), places.count("b"), places.count("d")) == (5, 3, 0)
    assert places.most_crowded() == 1
    for holder in (1, 2, 1, 99):
        places.leave(holder)
    assert (len(places), places.count("b"), places.most_crowded()) == (3, 1, 0)


def test_an_address_without_places_is_forgotten() -> None:
    places: PlacesByAddress[int] = PlacesByAddress()
    for holder in range(1000):
        places.enter(holder, str(holder))
        places.leave(holder)

    assert places._by_network == {}
    with pytest.raises(ValueError, match="empty"):
        places.most_crowded()


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("n1", "n1"),
        ("", ""),
    ],
)
def test_an_address_counts_as_its_network(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::2", True),
        ("10.0.0.1", False),
        ("fe80::1", False),
        ("n1", False),
    ],
)
def test_loopback_is_this_machine(address: str, expected: bool) -> None:
    assert is_loopback(network_of(address)) is expected
