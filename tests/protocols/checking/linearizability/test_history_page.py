"""The page: well-formed, self-contained, escaped, and with the conflict marked."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from coterie.protocols.checking.linearizability import UNKNOWN, History, KeyValue, check, history_page
from tests.protocols.checking.linearizability.histories import Line, told

SVG = "{http://www.w3.org/2000/svg}"


def page(history: History, title: str = "a test") -> str:
    return history_page(history, check(history, KeyValue()), title=title)


def chart(html: str) -> ET.Element:
    return ET.fromstring(html[html.index("<svg") : html.index("</svg>") + len("</svg>")])


def bars(html: str) -> dict[str, str]:
    """The classes of the bars by the first line of their tooltips."""
    groups = chart(html).iter(f"{SVG}g")
    return {
        str(group.findtext(f"{SVG}title")).splitlines()[0]: group.find(f"{SVG}path").get("class", "")  # type: ignore[union-attr]
        for group in groups
    }


STALE: list[Line] = [
    ("c0", ("put", 0), None, 0.01, 0.02),
    ("c1", ("put", 1), None, 0.1, 0.2),
    ("c2", ("put", 2), UNKNOWN, 0.3, None),
    ("c3", ("get",), 2, 0.5, 0.6),
    ("c3", ("get",), 1, 0.7, 0.8),
    ("c4", ("put", 9), None, 0.9, 1.0),
]


def test_of_a_violation_the_conflict_is_marked_and_what_ran_elsewhere_is_left_out() -> None:
    assert bars(page(told(*STALE))) == {
        "put(1) -> None": "bar conflict",
        "put(2) -> ?": "bar unknown",
        "get() -> 2": "bar conflict",
        "get() -> 1": "bar conflict stuck",
    }


def test_of_a_good_history_everything_is_shown_and_nothing_is_marked() -> None:
    shown = bars(page(told(*STALE[:4])))
    assert len(shown) == 4
    assert {mark.replace(" unknown", "") for mark in shown.values()} == {"bar"}


def test_a_bar_of_unknown_outcome_is_open_and_others_are_closed() -> None:
    paths = list(chart(page(told(*STALE))).iter(f"{SVG}path"))
    assert {("unknown" in path.get("class", ""), path.get("d", "").endswith("Z")) for path in paths} == {
        (True, False),
        (False, True),
    }


def test_what_a_client_says_cannot_break_the_page() -> None:
    evil = "</text><script>alert('&')</script>"
    html = page(told((evil, ("put", evil), None, 0.0, 1.0), (evil, ("get",), "x", 2.0, 3.0)), title=evil)
    assert "<script" not in html
    assert evil in str(next(chart(html).iter(f"{SVG}text")).text)


def test_any_character_can_stand_in_a_page_and_those_that_are_not_visible_are_escaped() -> None:
    every = "".join(chr(code) for code in (*range(0x2100), *range(0xD7F0, 0xE010), 0xFEFF, 0xFFFE, 0xFFFF, 0x1F701))
    html = history_page(told((every, (every, 1), every, 0.0, 1.0)), None, title=every)

    html.encode("utf-8")
    assert str(next(chart(html).iter(f"{SVG}text")).text).startswith(r"\x00\x01")
    assert not {"\x00", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\u200b", "\ufeff"} & {*html}


def test_the_page_needs_nothing_else() -> None:
    html = page(told(*STALE))
    assert html.startswith("<!DOCTYPE html>")
    assert html.replace("http://www.w3.org/2000/svg", "").count("http") == 0
    assert not any(word in html for word in ("<link", "src=", "url(", "@import"))


def test_operations_of_one_client_that_overlap_have_rows_of_their_own() -> None:
    html = page(
        told(("c", ("put", 1), None, 0.0, 3.0), ("c", ("put", 2), None, 1.0, 2.0), ("c", ("get",), 1, 4.0, 5.0))
    )
    rows = [path.get("d", "").split(",")[1].split()[0] for path in chart(html).iter(f"{SVG}path")]
    assert len(dict.fromkeys(rows)) == 2


def test_an_empty_history_has_a_page() -> None:
    assert bars(page(History())) == {}


def labels(html: str) -> list[str]:
    return [str(group.findtext(f"{SVG}text")) for group in chart(html).iter(f"{SVG}g")]


def test_where_there_is_room_what_was_answered_can_be_read_in_the_bar() -> None:
    alone: list[Line] = [("c1", ("compare_and_swap", 1, 2), True, 0.1, 0.2)]
    assert labels(page(told(*alone))) == ["compare_and_swap(1, 2) -> True"]


def test_a_long_history_has_narrow_columns() -> None:
    long: list[Line] = [("c1", ("put", at), None, at + 0.1, at + 0.2) for at in range(500)]
    assert float(chart(page(told(*long))).get("width", "")) < 1100 * 34
