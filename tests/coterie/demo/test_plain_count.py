"""The plain count is a program of its own."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

from coterie.demo import plain_count
from coterie.demo.source_files import find_sources


def count(directory: Path) -> dict[str, object]:
    process = subprocess.Popen(
        [sys.executable, "-I", plain_count.__file__, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    answer = process.stdout.read()
    assert process.wait(60) == 0
    assert process.stdin is not None
    process.stdin.close()
    process.stdout.close()
    facts: dict[str, object] = json.loads(answer)
    return facts


def test_plain_count_sums_over_files_and_names_what_it_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = y")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.py").write_text("x = x")
    (tmp_path / "bad.py").write_text("(")

    facts = count(tmp_path)

    assert facts == {
        "files": ["a.py", "bad.py", "sub/b.py"],
        "skipped": ["bad.py"],
        "totals": {"x": 3, "y": 1},
    }


def test_plain_count_and_coordinator_see_the_same_files(tmp_path: Path) -> None:
    for folder in ("", "pkg", "pkg/site-packages", "dist-packages", "pkg/__pycache__", "pkg/deep.py"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "m.py").write_text("")
        (tmp_path / folder / "m.txt").write_text("")
    (tmp_path / "broken.py").symlink_to("nowhere")
    (tmp_path / "link.py").symlink_to("m.py")
    (tmp_path / "linked").symlink_to("pkg")

    files = find_sources(str(tmp_path))

    assert files == ["link.py", "m.py", "pkg/deep.py/m.py", "pkg/m.py"]
    assert sorted(count(tmp_path)["files"]) == files  # type: ignore[call-overload]


def test_plain_count_imports_only_the_standard_library() -> None:
    tree = ast.parse(Path(plain_count.__file__).read_text())

    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    imported += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]

    assert imported
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


def test_plain_count_ends_when_its_parent_is_gone(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text("x = 1\n" * 80_000)  # just below the limit of one file: a third of a second
    for number in range(300):
        (tmp_path / f"{number}.py").hardlink_to(tmp_path / "long.py")
    process = subprocess.Popen(
        [sys.executable, "-I", plain_count.__file__, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )

    output, _ = process.communicate(timeout=60)  # closes its standard input, as the end of a parent does

    assert process.returncode == 1
    assert output == b""
