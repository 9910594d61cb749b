from __future__ import annotations

import os
from pathlib import Path

import pytest

from coterie.demo.source_files import find_sources, standard_library


def test_missing_input_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere' does not exist"):
        find_sources(str(tmp_path / "nowhere"))


def test_input_that_is_a_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("")

    with pytest.raises(NotADirectoryError, match=r"a\.py' is no directory"):
        find_sources(str(file))


def test_input_without_python_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no \.py file"):
        find_sources(str(tmp_path))


def test_standard_library_holds_its_modules_and_no_installed_packages() -> None:
    files = find_sources(standard_library())

    assert {"ast.py", os.path.join("asyncio", "base_events.py")} <= set(files)
    assert not [file for file in files if "site-packages" in file]
    assert files == sorted(files)
