"""How a schema may change: every kind of change, and the relation of two schemas that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from coterie.protocols.evolution.revisions import Revision
from coterie.protocols.evolution.schema import CommandSchema, MessageSchema, Schema, SchemaField
from coterie.protocols.evolution.schema_changes import CHANGE_RULES, ChangeKind
from coterie.protocols.evolution.schema_comparison import Verdict, compare, schema_changes
from coterie.protocols.evolution.schema_text import one_of
from coterie.protocols.evolution.schema_types import (
    ChoiceType,
    CodecType,
    FlagsType,
    ListType,
    MapType,
    NamedType,
    RowType,
    ScalarType,
    SchemaType,
    UniqueType,
)

INT, STR, FLOAT, BOOL, NONE = (ScalarType(name) for name in ("int", "str", "float", "bool", "none"))
COLOUR = ChoiceType((("BLUE", "2"), ("RED", "1")))
DAY = CodecType("date", STR)

SKU = SchemaField("sku", STR)
AMOUNT = SchemaField("amount", INT, "1")
LINES = SchemaField("lines", ListType(NamedType("shop.Line")), "[]")


def shop(
    *fields: SchemaField,
    line: tuple[SchemaField, ...] = (SchemaField("note", STR),),
    reply: SchemaType = INT,
    is_query: bool = False,
    more: Mapping[str, MessageSchema] | None = None,
    state: SchemaType | None = None,
    version: int = 1,
    level: int = 1,
) -> Schema:
    """A machine with the command shop.Order(*fields), and commands without fields named in `more`."""
    messages = {"shop.Order": MessageSchema(fields or (SKU, AMOUNT)), **(more or {})}
    if any(one == LINES for one in fields):
        messages["shop.Line"] = MessageSchema(line)
    commands = {"shop.Order": CommandSchema(is_query, reply)} | {
        name: CommandSchema(False, NONE) for name in more or {}
    }
    return Schema(commands, messages, state, version, level)


RECEIPT = NamedType("shop.Receipt")


def with_receipt(
    *fields: SchemaField,
    command: tuple[SchemaField, ...] = (),
    reply: SchemaType = INT,
    state: SchemaType | None = None,
) -> Schema:
    """The same with the message shop.Receipt(*fields), in the command, its reply or the state."""
    messages = {"shop.Order": MessageSchema((SKU, *command)), "shop.Receipt": MessageSchema(fields)}
    return Schema({"shop.Order": CommandSchema(False, reply)}, messages, state)


def kinds(old: Schema, new: Schema) -> list[ChangeKind]:
    return [change.kind for change in schema_changes(old, new)]


CASES: list[tuple[Schema, Schema, list[ChangeKind]]] = [
    (shop(), shop(more={"shop.Bonus": MessageSchema(())}), [ChangeKind.COMMAND_ADDED]),
    (shop(more={"shop.Bonus": MessageSchema(())}), shop(), [ChangeKind.COMMAND_REMOVED]),
    (shop(), shop(is_query=True), [ChangeKind.QUERY_CHANGED]),
    (shop(SKU), shop(SKU, AMOUNT), [ChangeKind.FIELD_APPENDED]),
    (
        with_receipt(reply=ListType(RECEIPT)),
        with_receipt(AMOUNT, reply=ListType(RECEIPT)),
        [ChangeKind.REPLY_FIELD_APPENDED],
    ),
    (with_receipt(state=RECEIPT), with_receipt(AMOUNT, state=RECEIPT), [ChangeKind.STATE_FIELD_APPENDED]),
    (shop(SKU), shop(SKU, SchemaField("lot", STR)), [ChangeKind.FIELD_REQUIRED]),
    (shop(SKU, AMOUNT), shop(SKU), [ChangeKind.FIELD_REMOVED]),
    (shop(SKU, SchemaField("lot", STR)), shop(SchemaField("lot", STR)), [ChangeKind.FIELD_REMOVED]),
    (shop(SKU), shop(SchemaField("name", STR)), [ChangeKind.FIELD_RENAMED]),
    (shop(SKU, SchemaField("lot", STR)), shop(SchemaField("lot", STR), SKU), [ChangeKind.FIELD_MOVED]),
    (shop(SKU), shop(SchemaField("tenant", STR), SKU), [ChangeKind.FIELD_INSERTED]),
    (shop(SKU, AMOUNT), shop(SKU, SchemaField("lot", STR, '""'), AMOUNT), [ChangeKind.FIELD_INSERTED]),
    (shop(SKU), shop(SchemaField("sku", INT)), [ChangeKind.FIELD_RETYPED]),
    (shop(SKU, SchemaField("amount", INT)), shop(SKU, AMOUNT), [ChangeKind.DEFAULT_GIVEN]),
    (shop(SKU, AMOUNT), shop(SKU, SchemaField("amount", INT)), [ChangeKind.DEFAULT_CHANGED]),
    (shop(SKU, AMOUNT), shop(SKU, SchemaField("amount", INT, "2")), [ChangeKind.DEFAULT_CHANGED]),
    (shop(), shop(reply=STR), [ChangeKind.REPLY_RETYPED]),
    (shop(), shop(reply=one_of([INT, NONE])), [ChangeKind.UNION_MEMBER_ADDED]),
    (shop(reply=one_of([INT, NONE])), shop(), [ChangeKind.UNION_MEMBER_REMOVED]),
    (shop(reply=COLOUR), shop(reply=ChoiceType((*COLOUR.members, ("WHITE", "3")))), [ChangeKind.ENUM_MEMBER_ADDED]),
    (shop(reply=COLOUR), shop(reply=ChoiceType((("RED", "1"),))), [ChangeKind.ENUM_MEMBER_REMOVED]),
    (shop(), shop(state=INT), [ChangeKind.STATE_DECLARED]),
    (shop(state=INT), shop(), [ChangeKind.STATE_RETYPED]),
    (shop(state=INT), shop(state=STR), [ChangeKind.STATE_RETYPED]),
    (shop(), shop(version=2), [ChangeKind.VERSION_RAISED]),
    (shop(version=2), shop(), [ChangeKind.VERSION_LOWERED]),
    (shop(), shop(level=2), [ChangeKind.LEVEL_RAISED]),
    (shop(level=2), shop(), [ChangeKind.LEVEL_LOWERED]),
    (shop(), shop(), []),
]


@pytest.mark.parametrize(
    ("old", "new", "expected"), CASES, ids=lambda value: str(value) if isinstance(value, list) else ""
)
def test_each_change_is_found_and_named(old: Schema, new: Schema, expected: list[ChangeKind]) -> None:
    assert kinds(old, new) == expected


def test_every_kind_of_change_is_tested_and_has_a_rule() -> None:
    assert {kind for *_, found in CASES for kind in found} == set(ChangeKind)
    assert list(CHANGE_RULES) == list(ChangeKind)


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        (SchemaField("note", STR), SchemaField("note", INT)),
        (SchemaField("note", STR, '"a"'), SchemaField("note", STR, '"b"')),
        (SchemaField("note", STR), SchemaField("remark", STR)),
    ],
)
def test_a_change_of_a_nested_message_is_a_change_of_the_machine(field: SchemaField, changed: SchemaField) -> None:
    old, new = shop(SKU, LINES, line=(field,)), shop(SKU, LINES, line=(changed,))

    found = compare(old, new)

    assert found.verdict is Verdict.CONTRADICTS
    assert [change.where for change in found.changes] == ["message 'shop.Line' in command 'shop.Order', field 'note'"]


def test_a_field_appended_to_a_nested_message_needs_a_default() -> None:
    old = shop(SKU, LINES)
    assert kinds(old, shop(SKU, LINES, line=(SchemaField("note", STR), AMOUNT))) == [ChangeKind.FIELD_APPENDED]
    lacking = shop(SKU, LINES, line=(SchemaField("note", STR), SchemaField("lot", STR)))
    assert kinds(old, lacking) == [ChangeKind.FIELD_REQUIRED]


def test_the_kind_of_an_appended_field_follows_from_all_places_of_its_message() -> None:
    def found(*places: SchemaField, state: SchemaType | None = None) -> list[ChangeKind]:
        old, new = (with_receipt(*fields, command=places, reply=RECEIPT, state=state) for fields in ((), (AMOUNT,)))
        return kinds(old, new)

    assert found(state=RECEIPT) == [ChangeKind.REPLY_FIELD_APPENDED]
    assert found(SchemaField("last", RECEIPT)) == [ChangeKind.FIELD_APPENDED]


def test_the_text_names_the_command_the_field_both_types_and_what_to_do() -> None:
    (change,) = compare(shop(SKU, AMOUNT), shop(SKU, SchemaField("amount", STR, '"1"'))).contradictions[:1]

    assert str(change) == (
        "command 'shop.Order', field 'amount': int became str; "
        "keep the type, and append a field of the new type with a default"
    )


def test_the_text_of_a_change_deep_inside_names_the_whole_types_too() -> None:
    old, new = (shop(SchemaField("by", MapType(STR, item))) for item in (INT, STR))
    (change,) = compare(old, new).changes
    assert change.detail == "int became str (Mapping[str, int] became Mapping[str, str])"


WIDENED = [
    (INT, one_of([INT, NONE])),
    (ListType(INT), ListType(one_of([INT, STR]))),
    (RowType((INT, STR)), RowType((INT, one_of([STR, NONE])))),
    (MapType(STR, COLOUR), MapType(STR, ChoiceType((*COLOUR.members, ("WHITE", "3"))))),
    (FlagsType((("READ", 1),)), FlagsType((("READ", 1), ("WRITE", 2)))),
    (UniqueType(COLOUR), UniqueType(ChoiceType((*COLOUR.members, ("WHITE", "3"))))),
    (DAY, one_of([DAY, NONE])),
    (one_of([DAY, NONE]), one_of([DAY, NONE, INT])),
    (one_of([NamedType("shop.Order"), NONE]), one_of([NamedType("shop.Order"), NONE, INT])),
    (one_of([COLOUR, NONE]), one_of([ChoiceType((*COLOUR.members, ("WHITE", "3"))), NONE])),
    (COLOUR, ChoiceType((("BLUE", "2"), ("CRIMSON", "1"), ("RED", "1")))),  # RED is an alias of the new name
]


@pytest.mark.parametrize(("old", "new"), WIDENED)
def test_a_type_may_become_wider(old: SchemaType, new: SchemaType) -> None:
    assert compare(shop(reply=old), shop(reply=new)).verdict is Verdict.NEWER
    assert compare(shop(reply=new), shop(reply=old)).verdict is Verdict.CONTRADICTS


RETYPED = [
    (INT, FLOAT),  # an int becomes a float where it is decoded
    (INT, BOOL),
    (ListType(INT), RowType((INT, INT))),
    (RowType((INT,)), RowType((INT, INT))),
    (NamedType("shop.Order"), one_of([NamedType("shop.Order"), NONE])),  # a union names its messages: other bytes
    (FLOAT, one_of([FLOAT, INT])),  # 1 was read as 1.0
    (one_of([FLOAT, NONE]), one_of([FLOAT, NONE, FlagsType((("READ", 1),))])),
    (ChoiceType((("BLUE", "2"), ("RED", "1"))), ChoiceType((("BLUE", "1"), ("RED", "2")))),
    (ChoiceType((("RED", "1"),)), ChoiceType((("RED", "true"),))),
    (COLOUR, INT),
    (INT, COLOUR),
    (DAY, STR),
    (STR, DAY),
    (STR, one_of([DAY, NONE])),
    (DAY, CodecType("datetime", STR)),
    (one_of([DAY, NONE]), one_of([CodecType("datetime", STR), NONE])),
    (CodecType("shop.Money", STR), CodecType("shop.Money", RowType((STR, STR)))),
    (ListType(INT), UniqueType(INT)),  # a row that is in no order would no longer be read
    (UniqueType(INT), ListType(INT)),  # and a set of two orders would be one of two
    (UniqueType(INT), UniqueType(STR)),
]


@pytest.mark.parametrize(("old", "new"), RETYPED)
def test_whatever_gives_old_bytes_another_meaning_contradicts(old: SchemaType, new: SchemaType) -> None:
    assert compare(shop(reply=old), shop(reply=new)).verdict is Verdict.CONTRADICTS


def test_code_is_older_if_its_version_says_so() -> None:
    newer = shop(version=2, more={"shop.Bonus": MessageSchema(())})
    assert compare(newer, shop()).verdict is Verdict.OLDER
    assert compare(shop(version=2), shop()).verdict is Verdict.OLDER
    assert compare(shop(level=2), shop()).verdict is Verdict.OLDER


def test_code_is_older_if_the_group_has_passed_it() -> None:
    first, middle, last = shop(SKU), shop(SKU, AMOUNT), shop(SKU, AMOUNT, SchemaField("gift", BOOL, "false"))

    assert compare(last, first, earlier=[Revision(1, first)]).verdict is Verdict.OLDER
    assert compare(last, middle, earlier=[Revision(1, first)]).verdict is Verdict.OLDER
    assert compare(last, middle, earlier=[]).verdict is Verdict.CONTRADICTS
    assert compare(last, first, earlier=[Revision(1, middle)]).verdict is Verdict.CONTRADICTS


def with_commands(*names: str, version: int = 1) -> Schema:
    return shop(more={f"shop.{name}": MessageSchema(()) for name in names}, version=version)


def test_code_that_lacks_what_a_revision_has_and_has_what_came_later_contradicts() -> None:
    revisions = [Revision(1, with_commands()), Revision(2, with_commands("B"))]
    last = with_commands("B", "C", "D", version=2)

    found = compare(last, with_commands("C", "D"), earlier=revisions)

    assert found.verdict is Verdict.CONTRADICTS
    assert str(found.contradictions[0]) == (
        "command 'shop.B': the code does not have it (revision 2 has it already, but this code is not older than that: "
        "command 'shop.C' is newer than revision 2); keep the command and its name; `apply` may refuse it"
    )
    assert [change.where for change in found.contradictions] == ["command 'shop.B'", "the version"]
    assert compare(last, with_commands(version=2), earlier=revisions).verdict is Verdict.CONTRADICTS
    for older in (with_commands(), with_commands("B"), with_commands("B", "C"), with_commands("B", "D")):
        assert compare(last, older, earlier=revisions).verdict is Verdict.OLDER


def test_a_lower_version_excuses_no_other_change() -> None:
    found = compare(shop(version=2), shop(reply=STR, version=1))
    assert found.verdict is Verdict.CONTRADICTS
    assert [change.kind for change in found.contradictions] == [ChangeKind.REPLY_RETYPED, ChangeKind.VERSION_LOWERED]


def test_two_schemas_that_each_add_something_contradict_each_other() -> None:
    one, other = shop(more={"shop.Bonus": MessageSchema(())}), shop(more={"shop.Gift": MessageSchema(())})
    assert compare(one, other).verdict is Verdict.CONTRADICTS
    assert compare(replace(one, version=2), other).verdict is Verdict.CONTRADICTS


def test_a_default_that_is_a_message_is_the_same_when_its_class_grows() -> None:
    whole = SchemaField("line", NamedType("shop.Line"), '["red"]')
    old = Schema(
        {"shop.Order": CommandSchema(False, INT)},
        {"shop.Order": MessageSchema((whole,)), "shop.Line": MessageSchema((SchemaField("note", STR),))},
    )
    grown = MessageSchema((SchemaField("note", STR, '"red"'), AMOUNT))
    new = replace(old, messages={"shop.Line": grown, "shop.Order": MessageSchema((replace(whole, default="[]"),))})
    other = replace(new, messages={**new.messages, "shop.Order": MessageSchema((replace(whole, default='["blue"]'),))})

    assert compare(old, new).verdict is Verdict.NEWER
    assert compare(old, other).verdict is Verdict.CONTRADICTS
