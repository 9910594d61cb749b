"""Completion words: reads from the parsers which words and options each command takes. Pure."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from coterie.cli.output.list_option import ListOption, NameOption

__all__ = ["CommandWords", "OptionWords", "command_words"]


@dataclass(frozen=True, slots=True)
class OptionWords:
    """One option: its spellings, its values if only some are taken, whether it takes a value, and its help."""

    names: tuple[str, ...]
    choices: tuple[str, ...]
    takes_value: bool
    help: str


@dataclass(frozen=True, slots=True)
class CommandWords:
    """One command: its words (`coterie kv get`), what may follow them, and its help.

    `children`: the next words with their help. `choices`: the values of its first argument, if only some are taken.
    `suggestions`: some values of its first argument, if others are taken, too.
    """

    path: str
    help: str
    children: tuple[tuple[str, str], ...]
    choices: tuple[str, ...]
    suggestions: tuple[str, ...]
    options: tuple[OptionWords, ...]


def command_words(parser: argparse.ArgumentParser, help_text: str = "") -> Iterator[CommandWords]:
    """Yield the words of a parser's command, and of all commands below it."""
    actions = parser._actions  # noqa: SLF001 (argparse has no public name for them, nor for the others below)
    nested = [action for action in actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001
    helps = {choice.dest: _one_line(choice) for action in nested for choice in action._choices_actions}  # noqa: SLF001
    positional = [action for action in actions if not action.option_strings and action not in nested]
    yield CommandWords(
        path=parser.prog,
        help=help_text,
        children=tuple(helps.items()),
        choices=_choices(positional[0]) if positional else (),
        suggestions=tuple(name for action in actions if isinstance(action, ListOption) for name in action.names()),
        options=tuple(_option(action) for action in actions if action.option_strings),
    )
    for action in nested:
        for name, child in action.choices.items():
            yield from command_words(child, helps[name])


def _option(action: argparse.Action) -> OptionWords:
    return OptionWords(tuple(action.option_strings), _choices(action), action.nargs != 0, _one_line(action))


def _choices(action: argparse.Action) -> tuple[str, ...]:
    names = action.names() if isinstance(action, NameOption) else action.choices or ()
    return tuple(map(str, names))


def _one_line(action: argparse.Action) -> str:
    """Return the help of an action up to its first parenthesis or semicolon: a shell has one line for it."""
    text = " ".join((action.help or "").replace("%%", "%").split())
    return text.partition(" (")[0].partition(";")[0]
