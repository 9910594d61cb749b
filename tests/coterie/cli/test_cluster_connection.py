from __future__ import annotations

import argparse

from coterie.cli.cluster_connection import add_connect, connection_of


def test_addresses_may_be_listed_and_repeated() -> None:
    parser = argparse.ArgumentParser()
    add_connect(parser)

    args = parser.parse_args(["--connect", "127.0.0.1:1,127.0.0.1:2", "--connect", "127.0.0.1:3"])

    assert connection_of(args).addresses == ("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")
