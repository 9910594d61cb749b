"""`docs/command-line.md` is made from the parsers: with COTERIE_REWRITE=1 in the environment this test writes it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from coterie.cli import EXIT_CODES, make_parser

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "command-line.md"
INTRODUCTION = """\
# Command line

This page is made from the parsers of the commands, and a test holds it against them. `coterie COMMAND --help` prints
the same. No option can be abbreviated. Where `--connect` is required, the environment variable `COTERIE_CONNECT` may
say it instead.
"""

JSON_SECTION = """\
## JSON output

Every command that prints data has `-o table` (the default: lines for people, which may change at any time) and
`-o json` (for programs). As JSON, standard output has envelopes and nothing else, one on each line: one for a command,
one for each round with `--watch` and in `coterie top`. Progress, events and the log go to standard error.

```json
{"command": "status", "coterie": "0.1.0", "cluster": "shop", "verdict": "degraded", "data": {"nodes": {}, "groups": {}},
 "errors": [{"code": "degraded", "message": "node n3 does not answer"}]}
```

| field | meaning |
| --- | --- |
| `command` | the words of the command, without options: `status`, `kv get`; null if no command is recognised |
| `coterie` | the release that printed it |
| `cluster` | the id of the cluster, the name of its topology; null while it is not known |
| `verdict` | the judgement of a command that has one (see below), else null |
| `data` | the result; null if an error ended the command |
| `errors` | why the exit code is not 0, one entry for each reason; else empty |

The `code` of an error goes with an exit code: `failed` and `unavailable` 1, `wrong_usage` and `void` 2, `not_found`
3, `unreachable` 4, `degraded` 5, `interrupted` 130. An error that ends a command, wrong usage included, is an
envelope with that one entry, and the exit code is that of the table. The exit code is that of the gravest entry: an
unavailable group comes before a node that does not answer. A command that a signal ends prints no envelope, except
for `sim`; nor does a defect of coterie itself, which leaves a traceback on standard error.

| command | `data` | `verdict` |
| --- | --- | --- |
| `status` | `nodes`: report by node; `groups`: status by group, node; `view` | `healthy`, `degraded`, `unavailable` |
| `members` | `members`: row by member; `troubles`; `view` | `healthy`, `degraded` |
| `services` | `services`: `service`, `node`, `path`, `state`, `unique` | |
| `leave`, `down` | `member`, `incarnation`, `changed`; with a change `view` | |
| `pools`, `actors`, `top` | `nodes`: report by node | |
| `waits` | `waits`: `asker`, `target`, `message`, `left_s` | |
| `kv get`, `kv incr` | `key`, `value`; with `--consistency stale` also `node`, `index`, `behind`, `heard_s` | |
| `kv put`, `kv delete`, `kv cas` | `key` | |
| `kv scan` | `pairs`: `key`, `value` | |
| `raft versions` | `group`; `nodes`: the versions by node | `healthy`, `degraded`, `failed` |
| `raft activate` | `group`, `version`, `revision` | |
| `backup take` | `group`, `file`, `node`, `index`, `bytes`, `digest` | |
| `backup verify` | `file`, `group`, `index`, `members`, `version`, `bytes`, `digest`, … | |
| `restore` | `group`, `data`, `node`, `store`, `index`, `incarnation` | |
| `raft recover` | `last_term`, `last_index`, `members`, `token`, …; `incarnation` | `degraded`, `done` |
| `log inspect` | `node`, `store`, `lost`, `damage`, `segments`; `groups` by name | `passed`, `degraded`, `failed` |
| `schema dump` | what the file has; with `--out` its name as `file` | |
| `schema check` | `against`; `groups`: `comparison`, `refusal`, `additions`, … | `passed`, `degraded`, `failed` |
| `security check` | `findings`: `level`, `text`, `advice`; `failures`, `warnings` | `passed`, `failed` |
| `topology` | `nodes`, `operators`; `parts`: `name`, `kind`, `nodes`, `summary` | |
| `sim`, `sim mutants`, `nemesis`, `demo` | the facts of the run | `passed`, `failed`, `void` |
| `sim --list`, `nemesis --list` | `names` | |

`view` is null in a cluster without one, else it has `number`, `leader`, `confirmed`, and `members`: row by member.

A node or member that has not answered is `{"error": "…"}` in place of its report. Bytes are text, or
`{"base64": "…"}` if they are no UTF-8. A number that is not finite is null.

Stable, and changed only with an entry in the changelog: the six fields of the envelope, the codes, the verdicts, and
the fields of `data` that this page names. What is inside reports may gain fields at any time; what a field means does
not change. Texts (`message`, `error`, `summary`, `reason`, …) are for people.
"""


def page() -> str:
    exit_codes = " ".join(EXIT_CODES.split())
    codes = f"{exit_codes[0].upper()}{exit_codes[1:]}."
    return "\n".join([INTRODUCTION, codes, "", JSON_SECTION.rstrip(), *_section(make_parser()), ""])


def _section(parser: argparse.ArgumentParser) -> Iterator[str]:
    subparsers = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    yield ""
    yield f"{'##' if parser.prog.count(' ') < 2 else '###'} {parser.prog}"
    if parser.description:
        yield ""
        yield from ["```text", parser.description.strip().replace("%%", "%"), "```"]
    shown = [action for action in parser._actions if action not in subparsers and action.dest != "help"]
    rows = list(map(_row, shown))
    if rows:
        yield ""
        yield from ["| argument | meaning |", "| --- | --- |", *rows]
    for action in subparsers:
        for child in action.choices.values():
            yield from _section(child)


def _row(action: argparse.Action) -> str:
    metavar = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    if action.choices is not None and action.metavar is None:
        metavar = "{" + ",".join(map(str, action.choices)) + "}"
    words = metavar if isinstance(metavar, str) else " ".join(metavar)
    takes = "" if action.nargs == 0 else f" [{words}]" if action.nargs == "?" else f" {words}"
    names = ", ".join(f"`{name}{takes}`" for name in action.option_strings) or f"`{takes.strip()}`"
    said = (action.help or "").replace("|", r"\|")
    if said and said != argparse.SUPPRESS:
        said = said % {**vars(action), "prog": "coterie"} if "%" in said else said
    need = " (required)" if action.option_strings and action.required else ""
    return f"| {names} | {said}{need} |"


def test_every_argument_has_a_meaning_and_what_may_be_left_out_is_in_brackets() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `") and "` | " in line]

    assert [row for row in rows if row.endswith("` |  |")] == []
    assert [row for row in rows if row.startswith(("| `[by]`", "| `[prefix]`", "| `--watch [SECONDS]`"))] != []


def test_the_page_is_what_the_parsers_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COTERIE_CONNECT", raising=False)
    if os.environ.get("COTERIE_REWRITE"):
        PAGE.write_text(page(), encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == page()
