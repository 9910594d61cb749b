"""`ServiceBoard`: which actor provides what, by its ref and not by its path."""

from __future__ import annotations

from typing import Any

from coterie.actors.membership.receptionist.service_board import ServiceBoard
from coterie.runtime.refs import Ref
from tests.protocols.membership.test_view_decisions import life


def actor(uid: int, path: str = "carts") -> Ref[Any]:
    delivery: Any = None
    return Ref("n1", 1, path, uid, delivery)


def test_the_end_of_an_actor_is_not_that_of_the_next_one_at_its_path() -> None:
    board = ServiceBoard(life(1))
    board.want("cart", actor(1), unique=False)
    board.want("cart", actor(2), unique=False)

    assert list(board.keys_of(actor(1))) == []
    assert list(board.keys_of(actor(2))) == [("cart", "carts")]
    assert board.actors == (actor(2),)


def test_an_actor_is_returned_once_it_provides_nothing_more() -> None:
    board = ServiceBoard(life(1))
    board.want("cart", actor(1), unique=False)
    board.want("mail", actor(1), unique=False)

    assert board.unwant(("cart", "carts")) is None
    assert board.unwant(("cart", "carts")) is None
    assert board.unwant(("mail", "carts")) == actor(1)
    assert board.own.wanted == ()
