"""Texts of peers, made printable: nothing that moves a cursor, starts a line or turns the reading direction is left."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from coterie.runtime.observing.printable_text import is_printable, printable

ALL = [chr(code) for code in range(sys.maxunicode + 1)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("n1\n2026 CRITICAL", r"n1\n2026 CRITICAL"),
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("\r\t\x00\x7f\x85\x9b", r"\r\t\x00\x7f\x85\x9b"),
        ("a\u202eb\u2066c\u200fd", r"a\u202eb\u2066c\u200fd"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("line\u2028paragraph\u2029", r"line\u2028paragraph\u2029"),
        ("lone \ud800 half", r"lone \ud800 half"),
        ("tag \U000e0041", r"tag \U000e0041"),
    ],
)
def test_what_is_not_visible_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert not is_printable(text)


@pytest.mark.parametrize("text", ["", "n1", r"C:\new\x1b", "Zürich 東京 – „é“", "a\u00a0b\u3000c", "🜁 'x'"])
def test_all_else_stays_backslashes_too(text: str) -> None:
    assert printable(text) == text
    assert printable(printable(f"{text}\n")) == f"{text}\\n"
    assert is_printable(text)


def test_the_result_holds_no_control_of_any_kind_and_can_be_encoded() -> None:
    shown = printable("".join(ALL))

    shown.encode("utf-8")
    assert {unicodedata.category(sign) for sign in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"} == set()
    assert len(shown.splitlines()) == 1
    assert all(is_printable(sign) == (printable(sign) == sign) for sign in ALL)


def test_a_text_is_cut_where_the_caller_says_escapes_included() -> None:
    assert printable("abc", 3) == "abc"
    assert printable("abcd", 3) == "abc…"
    assert printable("a\nb", 3) == r"a\n" + "…"
    assert len(printable("\x1b" * 1_000_000, 100)) == 101


def test_kept_characters_stay() -> None:
    assert printable("a\tb\nc", keep="\t") == "a\tb\\nc"
