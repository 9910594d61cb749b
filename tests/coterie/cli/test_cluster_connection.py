from __future__ import annotations

import argparse

import pytest

from coterie.cli import main
from coterie.cli.cluster_connection import add_connect, connection_of


def test_addresses_may_be_listed_and_repeated() -> None:
    parser = argparse.ArgumentParser()
    parser.set_defaults(out=None)
    add_connect(parser)

    args = parser.parse_args(["--connect", "127.0.0.1:1,127.0.0.1:2", "--connect", "127.0.0.1:3"])

    assert connection_of(args).addresses == ("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")


def test_the_environment_says_where_the_cluster_is_unless_the_option_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_CONNECT", "127.0.0.1:1,127.0.0.1:2")
    parser = argparse.ArgumentParser()
    parser.set_defaults(out=None)
    add_connect(parser)

    assert connection_of(parser.parse_args([])).addresses == ("127.0.0.1:1", "127.0.0.1:2")
    assert connection_of(parser.parse_args(["--connect", "127.0.0.1:3"])).addresses == ("127.0.0.1:3",)


def test_without_either_the_option_is_missed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COTERIE_CONNECT", "")
    parser = argparse.ArgumentParser()
    parser.set_defaults(out=None)
    add_connect(parser)

    with pytest.raises(SystemExit) as ended:
        parser.parse_args([])

    assert ended.value.code == 2
    assert "--connect" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (",", "',' has no address: write HOST:PORT, and a comma between two"),
        ("nowhere", "'nowhere' is no address: write host:port, such as 127.0.0.1:7401"),
        ("127.0.0.1:1,127.0.0.1", "'127.0.0.1' is no address: write host:port, such as 127.0.0.1:7401"),
    ],
)
def test_what_is_no_address_is_named_with_where_it_is_from(
    address: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COTERIE_CONNECT", address)

    assert [main(["status"]), main(["status", "--connect", address])] == [2, 2]

    by_variable, by_option = capsys.readouterr().err.splitlines()
    assert by_variable.removeprefix("coterie: COTERIE_CONNECT").lstrip(": ") == told
    assert by_option.removeprefix("coterie: --connect").lstrip(": ") == told
