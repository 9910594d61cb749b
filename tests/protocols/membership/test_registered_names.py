"""Names of singletons and services: which are taken is the same on every Python, and no answer breaks a line."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from coterie.protocols.membership.registered_names import quoted, why_not_registrable


@pytest.mark.parametrize("length", [1, 5])
def test_a_name_within_the_bounds_can_be_registered(length: int) -> None:
    assert why_not_registrable("a name", "x" * length, 5) is None


@pytest.mark.parametrize("text", ["", "x" * 6])
def test_a_name_beyond_the_bounds_is_refused_with_both_numbers(text: str) -> None:
    assert why_not_registrable("a name", text, 5) == (
        f"a name has 1 to 5 characters, '{text}' has {len(text)}: choose another one"
    )


def test_no_control_or_format_character_is_taken_that_this_python_knows() -> None:
    signs = map(chr, range(sys.maxunicode + 1))
    hidden = [sign for sign in signs if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert len(hidden) > 2_000
    assert [ascii(sign) for sign in hidden if why_not_registrable("a name", f"a{sign}", 5) is None] == []


def test_letters_that_no_python_knows_yet_are_taken_by_all() -> None:
    """U+31350 was assigned by Unicode 15: `isprintable` differs between Python 3.11 and 3.12."""
    assert why_not_registrable("a name", "\U00031350\U0003fffd", 5) is None
    assert quoted("\U00031350") == "'\U00031350'"


def test_a_quoted_name_stays_on_one_line_and_is_cut() -> None:
    assert quoted("a\nb\u202e") == "'a\\u000ab\\u202e'"
    assert quoted("x" * 40) == f"'{'x' * 40}'"
    assert quoted("x" * 41) == f"'{'x' * 40}…'"
