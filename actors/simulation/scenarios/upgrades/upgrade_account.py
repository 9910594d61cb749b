"""`UpgradeAccount`: keeps what clients were told of each command, and compares it with the rows of the machine."""

from __future__ import annotations

from collections.abc import Sequence

from coterie.errors import CoterieError, Outcome

__all__ = ["UpgradeAccount"]


class UpgradeAccount:
    """The numbers of all commands, with the effects that each may have had."""

    def __init__(self) -> None:
        self._effects_by_number: dict[int, Sequence[int]] = {}
        self._total_by_number: dict[int, int] = {}
        self._refused: dict[int, None] = {}

    def sent(self, number: int, effects: Sequence[int]) -> None:
        """Note that a command is sent, which may have one of `effects`."""
        self._effects_by_number[number] = effects

    def answered(self, number: int, total: int) -> None:
        """Note the reply: the total after the command."""
        self._total_by_number[number] = total

    def failed(self, number: int, error: CoterieError) -> None:
        """Note the error: after a definite one the command has no effect, ever."""
        if error.outcome is Outcome.DEFINITE:
            self._refused[number] = None

    @property
    def answers(self) -> int:
        """How many commands were answered."""
        return len(self._total_by_number)

    def mistakes(self, rows: Sequence[tuple[int, int]]) -> list[str]:
        """Return what contradicts the rows that the machine has at the end."""
        effect_by_number, found, total = dict(rows), [], 0
        if len(effect_by_number) != len(rows):
            found.append("a command was executed twice")
        for number, effect in rows:
            total += effect
            if effect not in self._effects_by_number[number]:
                found.append(f"command {number} had the effect {effect}, not {self._effects_by_number[number]}")
            if self._total_by_number.get(number, total) != total:
                found.append(f"command {number} was answered {self._total_by_number[number]}, the total was {total}")
        found += [
            f"command {number} was answered, and is lost"
            for number in self._total_by_number
            if number not in effect_by_number
        ]
        found += [
            f"command {number} was refused, and executed"
            for number in sorted(self._refused)
            if number in effect_by_number
        ]
        return found
