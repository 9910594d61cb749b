"""`find_resources`: a resource that ends while it is being listed is no error."""

from __future__ import annotations

from pathlib import Path

import pytest

from coterie.testing import process_resources


def test_a_thread_that_ends_while_its_children_are_counted_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    living = tmp_path / "task" / "2"
    living.mkdir(parents=True)
    (living / "children").write_text("17 ")
    gone = tmp_path / "task" / "1"
    gone.mkdir()
    (gone / "children").symlink_to(tmp_path / "nowhere")
    monkeypatch.setattr(process_resources, "_PROC", tmp_path)

    assert [key for key, _ in process_resources._children()] == [("process", "17")]
