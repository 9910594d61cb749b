"""`HostileRows`: draws rows of every kind (see `runtime/remote/rows.py`) for one link, each attack with its mixture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coterie.actors.simulation.hostile.forged_messages import ForgedMessages
from coterie.actors.simulation.hostile.known_messages import GROUP_MESSAGES, KNOWN_MESSAGES
from coterie.actors.simulation.hostile.odd_values import OddValues
from coterie.protocols.faults.kinds.fault_kinds import Attack
from coterie.runtime.messages.field_types import CustomType, FieldType, parts_of
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message_codecs import MessageType
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.remote import rows
from coterie.runtime.remote.rows import FIRST_ROUTE, Row

__all__ = ["HostileRows"]

ROUTES_USED: Final = 64
NUMBERS_USED: Final = 200
"""Numbers of requests: small ones are those that an honest link of the node would use, too."""

LEFT_MS: Final = (-1, 0, 1, 1000, 60_000, 2**63 - 1)
LARGE_CHARS: Final = 20_000


def _holds_ref(kind: FieldType) -> bool:
    return any(isinstance(part, CustomType) for part in parts_of(kind))


MESSAGES_WITH_REFS: Final = tuple(
    described for described in KNOWN_MESSAGES if any(_holds_ref(field.type) for field in described.fields)
)
HEARD_FROM_CLIENTS: Final = tuple(described for described in KNOWN_MESSAGES if described.speaker is Speaker.CLIENT)
HEARD_WITH_REFS: Final = tuple(described for described in HEARD_FROM_CLIENTS if described in MESSAGES_WITH_REFS)


class HostileRows:
    """Draws rows for one link.

    Args:
        values: draws their values; its random generator makes all choices.
        forged: draws letters and commands.
        paths: of the actors that the node has.
    """

    def __init__(self, values: OddValues, forged: ForgedMessages, paths: Sequence[str]) -> None:
        self._values = values
        self._rng = values.rng
        self._forged = forged
        self._paths = tuple(paths)

    def draw(self, attack: Attack) -> tuple[int, list[Row]]:
        """Draw the rows of one small step; return the lane class of their connection, and the rows."""
        match attack:
            case Attack.LETTERS:
                return self._sent(*self._forged.letter())
            case Attack.COMMANDS:
                return self._sent(*self._forged.command(), path=self._paths[0])
            case Attack.REFS:
                return self._with_refs()
            case Attack.MESSAGES:
                return self._message()
            case Attack.ROWS | Attack.FRAMES | Attack.NAMES:
                return self._any_row()

    def _message(self) -> tuple[int, list[Row]]:
        described = self._rng.choice(self._rng.choice((HEARD_FROM_CLIENTS, GROUP_MESSAGES, KNOWN_MESSAGES)))
        fields = self._values.row(described)
        if self._rng.random() < 0.2:
            fields = self._values.damaged(fields)
        return self._sent(described, fields)

    def _with_refs(self) -> tuple[int, list[Row]]:
        lane_class = self._rng.randrange(2)
        match self._rng.randrange(4):
            case 0:
                return lane_class, [(self._rng.choice((rows.WATCH, rows.UNWATCH)), self._path(), self._uid())]
            case 1:
                names = tuple(self._rng.choice(KNOWN_MESSAGES).name for _ in range(self._rng.randrange(3)))
                return lane_class, [(rows.LOOKUP, self._number(), self._path(), names)]
            case _:
                described = self._rng.choice(self._rng.choice((MESSAGES_WITH_REFS, HEARD_WITH_REFS)))
                return self._sent(described, self._values.row(described))

    def _sent(
        self, described: MessageType, fields: tuple[object, ...], path: str | None = None
    ) -> tuple[int, list[Row]]:
        """Return a route and a tell, an ask or an offer of the message, mostly on the lane of its class."""
        lane_class = int(described.lane is Lane.BULK) if self._rng.random() < 0.9 else self._rng.randrange(2)
        route = FIRST_ROUTE + self._rng.randrange(ROUTES_USED)
        definition = (rows.ROUTE, route, self._path() if path is None else path, self._uid(), described.name)
        match self._rng.randrange(4):
            case 0 if not described.is_ask:
                return lane_class, [definition, (rows.OFFER, self._number(), route, fields)]
            case 0 | 1 | 2 if described.is_ask:
                left_ms = self._rng.choice(LEFT_MS)
                return lane_class, [definition, (rows.ASK, self._number(), route, fields, left_ms, self._chain())]
            case _:
                return lane_class, [definition, (route, *fields)]

    def _any_row(self) -> tuple[int, list[Row]]:
        row = self._row_of(self._rng.randrange(rows.ROUTE_AS_CLIENT + 3))
        if self._rng.random() < 0.2:
            row = self._values.damaged(row)
        return self._rng.randrange(2), [row]

    def _row_of(self, kind: int) -> Row:
        """Draw a row of this kind, with odd values; beyond the last kind: a message on any route, or no row at all."""
        values, number = self._values, self._number()
        match kind:
            case rows.ROUTE | rows.ROUTE_AS_CLIENT:
                name = self._rng.choice((*(known.name for known in KNOWN_MESSAGES[:5]), values.text()))
                return (kind, self._route(), self._path(), self._uid(), name)
            case rows.ASK:
                return (kind, number, self._route(), self._fields(), self._rng.choice(LEFT_MS), self._chain())
            case rows.OFFER:
                return (kind, number, self._route(), self._fields())
            case rows.WITHDRAW:
                return (kind, number)
            case rows.REPLY:
                return (kind, number, values.anything())
            case rows.ERROR:
                return (kind, number, self._rng.choice(("not_found", "bad_message", values.text())), self._long_text())
            case rows.DECLARED:
                return (kind, number, values.text(), self._fields())
            case rows.WATCH | rows.UNWATCH:
                return (kind, self._path(), self._uid())
            case rows.ENDED:
                return (kind, self._path(), self._uid(), self._long_text())
            case _:
                return self._request_of(kind)

    def _request_of(self, kind: int) -> Row:
        number, values = self._number(), self._values
        match kind:
            case rows.LOOKUP:
                return (kind, number, self._path(), self._fields())
            case rows.SPAWN:
                return (kind, number, values.text(), self._fields(), values.anything())
            case rows.LOAD:
                return (kind, number, self._fields())
            case _:
                return (self._route(), *self._fields()) if self._rng.random() < 0.7 else (values.anything(),)

    def _fields(self) -> tuple[object, ...]:
        return tuple(self._values.anything() for _ in range(self._rng.randrange(5)))

    def _path(self) -> str:
        return self._rng.choice((*self._paths, *self._paths, self._values.text()))

    def _uid(self) -> int:
        return 0 if self._rng.random() < 0.8 else self._values.integer()

    def _route(self) -> int:
        return FIRST_ROUTE + self._rng.randrange(ROUTES_USED) if self._rng.random() < 0.8 else self._values.integer()

    def _number(self) -> int:
        return self._rng.randrange(NUMBERS_USED) if self._rng.random() < 0.8 else self._values.integer()

    def _chain(self) -> tuple[object, ...]:
        """Draw the chain of an ask: none, or hops that may name actors of the node itself."""
        hop = (self._rng.choice(self._values.names), self._path(), 0, abs(self._uid()), self._rng.randrange(4))
        return self._rng.choice(((), (), (hop,), (hop,) * 300))

    def _long_text(self) -> str:
        return self._values.text() if self._rng.random() < 0.9 else "x" * LARGE_CHARS
