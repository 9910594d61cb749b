"""Files of schemas: what a repository keeps of what is deployed."""

from __future__ import annotations

import json

import pytest

from coterie.protocols.evolution.revisions import Revision
from coterie.protocols.evolution.schema import CommandSchema, MessageSchema, Schema
from coterie.protocols.evolution.schema_comparison import Verdict
from coterie.protocols.evolution.schema_file import compare_groups, read_schema_file, schema_file_text
from coterie.protocols.evolution.schema_types import ScalarType


def schema(*names: str, version: int = 1) -> Schema:
    commands = {name: CommandSchema(False, ScalarType("int")) for name in names}
    return Schema(commands, {name: MessageSchema(()) for name in names}, version=version)


def test_a_file_survives_its_text_however_it_is_laid_out() -> None:
    schemas = {"orders": schema("a.Put"), "stock": schema("a.Put", "a.Get", version=2)}
    text = schema_file_text(schemas)

    assert read_schema_file(text) == schemas
    assert read_schema_file(json.dumps(json.loads(text))) == schemas
    assert text.endswith("}\n")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[]", "this is no file of schemas"),
        ("{}", "this is no file of schemas"),
        ('{"format":1,"groups":[]}', "this is no file of schemas"),
        ('{"format":2,"groups":{}}', "has format 2; this release reads format 1"),
        ('{"format":1,"groups":{"orders":{}}}', "group 'orders' of the file of schemas: a schema must be an object"),
    ],
)
def test_another_text_is_refused_by_name(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        read_schema_file(text)


def test_each_group_is_compared() -> None:
    first = schema("a.Put")
    recorded = {
        "gone": [first],
        "kept": [first],
        "old": [schema("a.Put", version=2)],
        "passed": [first, schema("a.Put", "a.Get")],
    }
    code = {"kept": schema("a.Put", "a.Get"), "new": first, "old": first, "passed": first}

    revisions = {group: [Revision(at, one) for at, one in enumerate(each, 1)] for group, each in recorded.items()}
    found = {one.group: one for one in compare_groups(revisions, code)}

    verdicts = {group: one.comparison and one.comparison.verdict for group, one in found.items()}
    assert verdicts == {"gone": None, "kept": Verdict.NEWER, "new": None, "old": Verdict.OLDER, "passed": Verdict.OLDER}
    assert {group: one.may_start for group, one in found.items()} == {
        "gone": False,
        "kept": True,
        "new": True,
        "old": False,
        "passed": False,
    }
