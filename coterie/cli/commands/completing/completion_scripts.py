"""Completion scripts: writes the scripts with which bash, zsh and fish complete the words of a command line. Pure.

Each script first finds the command in the words before the cursor, then completes the value of an option that takes one
of several, or else the words that may follow. Where anything may follow, the shell completes names of files.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from coterie.cli.commands.completing.completion_words import CommandWords, OptionWords

__all__ = ["SCRIPT_BY_SHELL", "bash", "fish", "zsh"]

_PATH: Final = """\
    local chain="coterie" at
    for ((at = {first}; at < {cursor}; at++)); do
        case "$chain ${{{words}[at]}}" in
{paths}
        esac
    done
"""
"""Finds the command: `chain` grows by each word that is a command after those before it."""


def bash(commands: Sequence[CommandWords]) -> str:
    """Return the script for bash."""
    path = _PATH.format(first=1, cursor="COMP_CWORD", words="COMP_WORDS", paths=_path_cases(commands, "COMP_WORDS"))
    values = "\n".join(f"        {pattern}) words={_quoted(words)} ;;" for pattern, words in _values(commands))
    free = "|".join(_free_values(commands))
    following = "\n".join(f'        "{one.path}") words={_quoted(_following(one))} ;;' for one in commands)
    return f"""\
# bash completion of coterie: source this file, or put it into /etc/bash_completion.d
_coterie() {{
    local words="" current="${{COMP_WORDS[COMP_CWORD]}}"
{path}
    COMPREPLY=()
    case "$chain ${{COMP_WORDS[COMP_CWORD - 1]}}" in
{values}
        {free}) return ;;
        *) case "$chain" in
{following}
        esac ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o bashdefault -o default -F _coterie coterie
"""


def zsh(commands: Sequence[CommandWords]) -> str:
    """Return the script for zsh."""
    path = _PATH.format(first=2, cursor="CURRENT", words="words", paths=_path_cases(commands, "words"))
    values = "\n".join(f"        {key}) compadd -- {' '.join(words)}; return ;;" for key, words in _values(commands))
    free = "|".join(_free_values(commands))
    following = "\n".join(map(_zsh_case, commands))
    return f"""\
#compdef coterie
# zsh completion of coterie: source this file, or put it as _coterie into a folder of $fpath
_coterie() {{
{path}
    case "$chain ${{words[CURRENT - 1]}}" in
{values}
        {free}) _files; return ;;
    esac
    case "$chain" in
{following}
    esac
    [[ "$PREFIX" == -* ]] || _files
}}
if [[ "${{funcstack[1]}}" == _coterie ]]; then
    _coterie "$@"
else
    compdef _coterie coterie
fi
"""


def _zsh_case(one: CommandWords) -> str:
    ends = " return" if one.children or one.choices else ""  # no names of files
    return f'        "{one.path}") compadd -- {" ".join(_following(one))};{ends} ;;'


def fish(commands: Sequence[CommandWords]) -> str:
    """Return the script for fish."""
    paths = " ".join(shlex.quote(one.path) for one in commands)
    lines = [line for one in commands for line in _fish_lines(one)]
    return "\n".join(
        [
            "# fish completion of coterie: put this file as coterie.fish into ~/.config/fish/completions",
            "function __coterie_at",
            "    set -l path coterie",
            "    for word in (commandline -opc)[2..-1]",
            f'        if contains -- "$path $word" {paths}',
            '            set path "$path $word"',
            "        end",
            "    end",
            '    test "$path" = "$argv[1]"',
            "end",
            *lines,
            "",
        ]
    )


def _fish_lines(one: CommandWords) -> Iterator[str]:
    here = f"complete -c coterie -n \"__coterie_at '{one.path}'\""
    for name, text in one.children:
        yield f"{here} -f -a {name} -d {_fish_quoted(text)}"
    if one.choices:
        yield f"{here} -f -a {_fish_quoted(' '.join(one.choices))}"
    if one.suggestions:
        yield f"{here} -a {_fish_quoted(' '.join(one.suggestions))}"
    for option in one.options:
        names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
        values = f" -x -a {_fish_quoted(' '.join(option.choices))}" if option.choices else " -r" * option.takes_value
        yield f"{here} {names}{values} -d {_fish_quoted(option.help)}"


def _path_cases(commands: Sequence[CommandWords], words: str) -> str:
    patterns = "|".join(f'"{one.path}"' for one in commands[1:])
    return f'            {patterns}) chain="$chain ${{{words}[at]}}" ;;'


def _values(commands: Sequence[CommandWords]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the pattern of each option that takes one of several values, after its command, and these values."""
    for one in commands:
        for option in one.options:
            if option.choices:
                yield _pattern(one, option), option.choices


def _free_values(commands: Sequence[CommandWords]) -> Iterator[str]:
    for one in commands:
        for option in one.options:
            if option.takes_value and not option.choices:
                yield _pattern(one, option)


def _pattern(one: CommandWords, option: OptionWords) -> str:
    return "|".join(f'"{one.path} {name}"' for name in option.names)


def _following(one: CommandWords) -> list[str]:
    names = [name for option in one.options for name in option.names]
    return [*(name for name, _ in one.children), *one.choices, *one.suggestions, *names]


def _quoted(words: Sequence[str]) -> str:
    return f'"{" ".join(words)}"'


def _fish_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


SCRIPT_BY_SHELL: Final = {"bash": bash, "zsh": zsh, "fish": fish}
"""The function that returns the script of a shell, by its name."""
