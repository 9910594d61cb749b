"""Module names and docstrings: unique basenames, small folders, plain first lines, complete package maps."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PRODUCT = ("coterie", "protocols", "runtime", "actors", "benchmarks")
MAX_FILES_IN_A_FOLDER = 16
FIRST_LINE_CHARS_MAX = 120 - len('"""')
QUESTION_WORDS = ("What", "Who", "Whom", "Whose", "How", "Where", "Whether", "When", "Why", "Which", "There")

# The field's own word, although a module of the standard library has it, too.
SHARED_WITH_THE_STANDARD_LIBRARY = {"mailbox.py"}


def folders() -> list[Path]:
    """Return every folder of the product that holds Python files; the three links are not followed."""
    found = {path.parent for top in PRODUCT for path in (ROOT / top).rglob("*.py")}
    return sorted(folder for folder in found if not any(part.is_symlink() for part in (folder, *folder.parents)))


def modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")


MODULES = [path for folder in folders() for path in modules(folder)]
PACKAGES = [folder for folder in folders() if (folder / "__init__.py").exists()]
FILES = [*MODULES, *(folder / "__init__.py" for folder in PACKAGES)]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def missing_from_map(folder: Path) -> list[str]:
    """Return the modules and subpackages that the package's docstring does not name in backticks."""
    text = docstring(folder / "__init__.py")
    subpackages = [path for path in sorted(folder.iterdir()) if (path / "__init__.py").exists()]
    names = [f"`{path.name}`" for path in modules(folder)] + [f"`{path.name}/`" for path in subpackages]
    return [name for name in names if name not in text]


def unknown_in_map(folder: Path) -> list[str]:
    """Return the files and subpackages that the package's map lists and that do not exist."""
    listed = re.findall(r"^(?:\* )?`(\w+\.py|\w+/)`", docstring(folder / "__init__.py"), re.MULTILINE)
    return [name for name in listed if not (folder / name).exists()]


def complaint(first_line: str) -> str | None:
    """Return what is wrong with the first line of a module's docstring."""
    if not first_line:
        return "no docstring"
    word = first_line.partition(" ")[0]
    if word in QUESTION_WORDS:
        return f"begins with {word!r}"
    if len(first_line) > FIRST_LINE_CHARS_MAX:
        return f"has {len(first_line)} characters ({FIRST_LINE_CHARS_MAX} is the end)"
    return None


def test_no_two_modules_have_the_same_basename() -> None:
    count = Counter(path.name for path in MODULES if path.name != "__main__.py")
    assert [name for name, number in count.items() if number > 1] == []


def test_no_module_is_named_like_one_of_the_standard_library() -> None:
    names = {path.name for path in MODULES if path.stem in sys.stdlib_module_names}
    assert names - {"__main__.py"} == SHARED_WITH_THE_STANDARD_LIBRARY


@pytest.mark.parametrize("folder", folders(), ids=name_of)
def test_a_folder_holds_few_files(folder: Path) -> None:
    assert len(list(folder.glob("*.py"))) <= MAX_FILES_IN_A_FOLDER


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_first_line_of_a_module_begins_with_the_thing(path: Path) -> None:
    assert complaint(docstring(path).partition("\n")[0]) is None


@pytest.mark.parametrize("folder", PACKAGES, ids=name_of)
def test_a_packages_docstring_is_a_complete_map_of_it(folder: Path) -> None:
    assert (missing_from_map(folder), unknown_in_map(folder)) == ([], [])


def test_a_first_line_that_begins_with_a_question_word_is_seen() -> None:
    assert complaint("What a leader does while it leads.") == "begins with 'What'"
    assert complaint("") == "no docstring"
    assert complaint("x" * 118) is not None
    assert complaint("`Leadership`: one leader in one term.") is None


def test_a_map_that_lacks_a_module_or_names_one_too_many_is_seen(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text('"""A package.\n\n* `cell.py`: cells.\n* `gone.py`: nothing.\n"""\n')
    for name in ("cell.py", "mail.py", "hosts/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    assert missing_from_map(tmp_path) == ["`mail.py`", "`hosts/`"]
    assert unknown_in_map(tmp_path) == ["gone.py"]


def test_the_modules_are_found() -> None:
    assert {"runtime/cells/cell.py", "protocols/raft/raft.py", "coterie/errors/root_error.py"} <= {
        name_of(p) for p in MODULES
    }
