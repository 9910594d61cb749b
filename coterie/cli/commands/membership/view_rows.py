"""`ViewRow`: one member of the view with what the nodes think of it; makes tables, and says what is not well. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from coterie.actors.membership.membership_requests import ViewReport
from coterie.cli.commands.membership.view_reports import ClusterView
from coterie.protocols.membership.members import Member, MembershipState, short_incarnation

__all__ = ["ViewRow", "view_facts", "view_head", "view_rows", "view_table", "view_troubles"]


@dataclass(frozen=True, slots=True)
class ViewRow:
    """One member.

    Attributes:
        member: its name.
        state: joining, up, leaving or down: what the cluster has decided.
        since: the number of the view since which it has this state.
        incarnation: this life of it: a number of up to 64 bits, as text.
        address: where the other nodes reach it.
        roles, labels: what it is for, and what else is known about it.
        unheard_by: the members that do not hear it now: their opinion, no decision.
        holds: the singletons that it holds, with their epochs.
        stand: what it says that it does: act, serve, stop, end; None: it has not answered.
        knows: the number of the view that it knows; None: it has not answered.
    """

    member: str
    state: str
    since: int
    incarnation: str
    address: str
    roles: tuple[str, ...]
    labels: Mapping[str, str]
    unheard_by: tuple[str, ...]
    holds: Mapping[str, int]
    stand: str | None
    knows: int | None


def view_rows(found: ClusterView) -> list[ViewRow]:
    """Return a row for each member, by name."""
    return [_row(member, found) for member in found.report.view]


def _row(member: Member, found: ClusterView) -> ViewRow:
    own = found.reports.get(member.name)
    answer = own if own is not None and own.incarnation == member.incarnation else None
    holders = found.report.registry.holders
    return ViewRow(
        member=member.name,
        state=member.state.value,
        since=member.since,
        incarnation=str(member.incarnation),
        address=member.address,
        roles=tuple(sorted(member.roles)),
        labels=dict(member.labels),
        unheard_by=tuple(sorted(node for node, each in found.reports.items() if member.identity in each.unheard)),
        holds={name: holder.epoch for name, holder in sorted(holders.items()) if holder.member == member.identity},
        stand=None if answer is None else answer.stand,
        knows=None if answer is None else answer.view.number,
    )


def view_head(found: ClusterView) -> str:
    """Return one line about the view: its number, how many members have which state, and which node leads its group."""
    view, leader = found.report.view, found.report.leader
    counts = {state.value: sum(member.state is state for member in view) for state in MembershipState}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "no members"
    led = f"group membership is led by {leader}" if leader is not None else "no leader of group membership is known"
    return f"view {view.number}: {told}; {led}"


def view_table(found: ClusterView) -> list[str]:
    """Return the view as lines: a head, and a table of the members."""
    head = f"{'member':<12} {'state':<8} {'since':>6} {'incarn.':<9} {'stand':<6} {'address':<22}"
    return [view_head(found), f"{head} {'roles':<16} {'unheard by':<12} holds", *map(_line, view_rows(found))]


def _line(row: ViewRow) -> str:
    named = [*row.roles, *(f"{key}={value}" for key, value in row.labels.items())]
    holds = ", ".join(f"{name} (epoch {epoch})" for name, epoch in row.holds.items())
    life = short_incarnation(int(row.incarnation))
    start = f"{row.member:<12} {row.state:<8} {row.since:>6} {life:<9} {row.stand or '?':<6}"
    who = f"{', '.join(named) or '-':<16} {', '.join(row.unheard_by) or '-':<12}"
    return f"{start} {row.address:<22} {who} {holds or '-'}"


def view_facts(found: ClusterView | None) -> dict[str, object] | None:
    """Return the view as JSON shows it; None without one."""
    if found is None:
        return None
    return {
        "number": found.report.view.number,
        "leader": found.report.leader,
        "confirmed": found.is_confirmed,
        "members": {row.member: row for row in view_rows(found)},
    }


def view_troubles(found: ClusterView, *, silent: Sequence[str] = (), is_alone: bool = False) -> Iterator[str]:
    """Yield a sentence for each thing that is not well.

    `silent`: the nodes whose silence is told elsewhere. `is_alone`: one node alone was asked.
    """
    if not found.is_confirmed:
        number = found.report.view.number
        yield f"no node that answers may act: view {number} is the newest that they know, and may be outdated"
    for row in view_rows(found):
        if row.state == "down":
            yield f"member {row.member} is down since view {row.since}: it is removed once its lease has ended"
        elif row.unheard_by:
            yield f"member {row.member} is not heard by {', '.join(row.unheard_by)}"
        elif row.stand is None and not is_alone and row.member not in silent:
            yield f"member {row.member} does not answer"
        elif row.stand not in ("act", None) and row.state != "joining":
            yield f"member {row.member} does not act: its stand is {row.stand}"
    yield from _unheld(found.report)
    yield from _strangers(found)


def _unheld(report: ViewReport) -> Iterator[str]:
    """Yield the singletons that no member holds: for a moment while one moves, or for as long as none can start it."""
    for name in report.singletons:
        holder = report.registry.holders.get(name)
        if holder is None or holder.member is None or report.view.find(holder.member) is None:
            yield f"singleton {name} is held by nobody: see singleton.start_failed in the logs if that lasts"


def _strangers(found: ClusterView) -> Iterator[str]:
    """Yield the nodes that answer, and are not in the view."""
    identities = {(member.name, member.incarnation) for member in found.report.view}
    for node, report in found.reports.items():
        if (report.node, report.incarnation) not in identities:
            yield f"node {node} is not in view {found.report.view.number}{_why(report)}"


def _why(report: ViewReport) -> str:
    return f": {report.refusal}" if report.refusal else ""
