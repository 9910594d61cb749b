"""The worker's count and the plain count, which share no code, agree on the files that are hard to read."""

from __future__ import annotations

import codecs
from collections import Counter
from pathlib import Path

import pytest

from coterie.demo import identifier_counts, plain_count
from coterie.demo.identifier_counts import IdentifierCounts, SkippedFile, count_identifiers

AWKWARD = {
    "empty": b"",
    "blank": b"\n\n",
    "no final newline": b"a = b",
    "keywords and soft keywords": b"match = case = type = _ = None\nif match: pass\nasync def f(): await g\n",
    "form feed": b"a = 1\n\x0c\nb = a\n",
    "carriage returns": b"a = 1\rb = a\rc = b\r",
    "carriage return in a string": b"a = 'x\rb = 1'\n",
    "windows newlines": b"if a:\r\n    b = a\r\n",
    "bom": codecs.BOM_UTF8 + b"a = b\n",
    "bom and a latin-1 cookie": codecs.BOM_UTF8 + b"# coding: latin-1\na = b\n",
    "latin-1": b"# -*- coding: latin-1 -*-\n\xe9t\xe9 = 1\n",
    "latin-1 without a cookie": b"\xe9t\xe9 = 1\n",
    "cookie in the second line": b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx\xe9 = 1\n",
    "unknown encoding": b"# coding: uft-8\na = 1\n",
    "codec that is no text encoding": b"# coding: rot13\na = 1\n",
    "codec that raises": b"# coding: idna\na..b = 1\n",
    "utf-16": "a = 1\n".encode("utf-16"),
    "utf-7": b"# coding: utf-7\na+AOk- = 1\n",
    "unicode identifiers": "größe = ﬁ = 名前 = 𝔵\n".encode(),
    "null byte": b"a = 1\n\0b = 2\n",
    "unclosed bracket": b"f(a, b\n",
    "unclosed string": b"a = '''b\n",
    "bad dedent": b"if a:\n        b\n    c\n",
    "stray character": b"a ? b $ c\n",
    "fstring": b"a = f'{b} {c!r:>{d}}'\n",
    "nested fstring": b"a = f'{f\"{b}\"}'\n",
    "continued line": b"a = \\\n    b\n",
    "numbers beside names": b"a = 1if b else 0x1for x in y\n",
    "names in strings and comments": b"'a' # b\n",
    "only whitespace at the end": b"a\n    ",
    "private use": "a\ue000 = 1\n".encode(),
}


def both(content: bytes, folder: Path) -> tuple[IdentifierCounts | SkippedFile, Counter[str] | None]:
    path = folder / "file.py"
    path.write_bytes(content)
    return count_identifiers(content), plain_count.count_file(str(path))


@pytest.mark.parametrize("content", AWKWARD.values(), ids=AWKWARD.keys())
@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_both_counts_agree_on_awkward_files(content: bytes, tmp_path: Path) -> None:
    worker, plain = both(content, tmp_path)

    assert (worker.counts if isinstance(worker, IdentifierCounts) else None) == (None if plain is None else dict(plain))


def test_keywords_are_left_out_and_soft_keywords_count() -> None:
    counted = count_identifiers(b"match = None\nfor match in _: pass\n")

    assert counted == IdentifierCounts({"match": 2, "_": 1})


@pytest.mark.parametrize("name", ["unknown encoding", "latin-1 without a cookie", "unclosed bracket", "bad dedent"])
def test_file_that_does_not_read_counts_nothing_and_says_why(name: str) -> None:
    counted = count_identifiers(AWKWARD[name])

    assert isinstance(counted, SkippedFile)
    assert ":" in counted.reason


def test_file_beyond_the_size_limit_counts_nothing_on_both_sides(tmp_path: Path) -> None:
    largest = b"#" * (identifier_counts.FILE_BYTES_MAX - 2) + b"\na"

    assert both(largest, tmp_path) == (IdentifierCounts({"a": 1}), Counter(a=1))
    worker, plain = both(largest + b"b", tmp_path)
    assert isinstance(worker, SkippedFile)
    assert plain is None


def test_file_with_too_many_identifiers_counts_nothing_on_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert identifier_counts.DISTINCT_MAX == plain_count.DISTINCT_LIMIT
    monkeypatch.setattr(identifier_counts, "DISTINCT_MAX", 500)
    monkeypatch.setattr(plain_count, "DISTINCT_LIMIT", 500)
    most = b"\n".join(b"a%d" % number for number in range(identifier_counts.DISTINCT_MAX))

    worker, plain = both(most, tmp_path)
    assert isinstance(worker, IdentifierCounts)
    assert plain == worker.counts
    worker, plain = both(most + b"\none_more", tmp_path)
    assert isinstance(worker, SkippedFile)
    assert plain is None


def test_file_with_too_long_an_identifier_counts_nothing_on_both_sides(tmp_path: Path) -> None:
    longest = b"a" * identifier_counts.NAME_CHARACTERS_MAX

    worker, plain = both(longest, tmp_path)
    assert isinstance(worker, IdentifierCounts)
    assert plain == worker.counts
    worker, plain = both(longest + b"a", tmp_path)
    assert isinstance(worker, SkippedFile)
    assert plain is None
