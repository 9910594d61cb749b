"""Estimates: says in words how long something takes, and how much of it is left."""

from __future__ import annotations

__all__ = ["in_words", "left_s"]


def in_words(seconds: float) -> str:
    """Return a duration as a person would say it: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def left_s(elapsed_s: float, done: float, total: float) -> float | None:
    """Return how long the rest takes if it goes on as before, s; None before anything is done."""
    return None if done <= 0 else elapsed_s / done * max(0.0, total - done)
