"""Topology diagrams: draws a topology as a text tree, a Mermaid flowchart or a Graphviz graph. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coterie.actors.membership.cluster_nodes import Everywhere
from coterie.actors.topology.parts import ActorPart, BalancerPart, DetectorPart, Part, PoolPart, SingletonPart

__all__ = ["dot", "dot_text", "mermaid", "mermaid_text", "tree", "where_text"]


def tree(name: str, nodes: Sequence[str], parts: Sequence[Part], *, has_view: bool = False) -> str:
    """Return the parts as a text tree, each with where it runs. `has_view`: `nodes` are founders, others may join."""
    listed = ", ".join(nodes)
    lines = [f"{name} (founders {listed}; others may join)" if has_view else f"{name} ({listed})"]
    width = max((len(part.name) for part in parts), default=0)
    for part in parts:
        branch = "└─" if part is parts[-1] else "├─"
        where = where_text(part, nodes, has_view=has_view)
        lines.append(f"{branch} {part.name.ljust(width)}  {part.summary}, {where}{_weights_text(part)}")
    return "\n".join(lines)


def where_text(part: Part, nodes: Sequence[str], *, has_view: bool) -> str:
    """Return where a part runs, in words. `nodes`: all nodes; the founders, if `has_view`."""
    selector = getattr(part, "where", None)
    is_one = isinstance(part, SingletonPart)
    if selector is not None:
        where = "any member" if is_one and isinstance(selector, Everywhere) else str(selector)
    elif tuple(part.nodes) == tuple(nodes):
        where = "the founders" if has_view else "every node"
    else:
        where = ", ".join(part.nodes)
    return f"one, on {where}" if is_one else f"on {where}"


def mermaid(name: str, nodes: Sequence[str], parts: Sequence[Part]) -> str:
    """Return a flowchart for Mermaid: a box for each node, and lines between the members of a group."""
    lines = ["flowchart LR", f"  %% {mermaid_text(name)}"]
    for at, node in enumerate(nodes):
        lines.append(f'  subgraph n{at}["{mermaid_text(node)}"]')
        lines += [
            f'    {key}["{mermaid_text(part.name)}<br/>{mermaid_text(part.summary)}"]'
            for key, part in _parts_on(node, at, parts)
        ]
        lines.append("  end")
    lines += [f"  {one} --- {other}" for one, other in _edges(nodes, parts)]
    lines += [f"  {balancer} --> {target}" for balancer, target in _passed_on(nodes, parts)]
    return "\n".join(lines)


def dot(name: str, nodes: Sequence[str], parts: Sequence[Part]) -> str:
    """Return the same diagram as a graph for Graphviz' `dot`."""
    lines = [f"graph {dot_text(name)} {{", "  rankdir=LR; node [shape=box];"]
    for at, node in enumerate(nodes):
        lines.append(f"  subgraph cluster_n{at} {{ label={dot_text(node)};")
        lines += [f"    {key} [label={dot_text(part.name, part.summary)}];" for key, part in _parts_on(node, at, parts)]
        lines.append("  }")
    lines += [f"  {one} -- {other};" for one, other in _edges(nodes, parts)]
    lines += [f"  {balancer} -- {target} [dir=forward];" for balancer, target in _passed_on(nodes, parts)]
    return "\n".join([*lines, "}"])


def _parts_on(node: str, at: int, parts: Sequence[Part]) -> Iterator[tuple[str, Part]]:
    for number, part in enumerate(parts):
        if node in part.nodes:
            yield f"n{at}p{number}", part


def _edges(nodes: Sequence[str], parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
    """Yield the edges: one for every two members of a group. Workers, single actors and detectors have none."""
    for number, part in enumerate(parts):
        if isinstance(part, ActorPart | SingletonPart | PoolPart | BalancerPart | DetectorPart):
            continue
        members = [f"n{at}p{number}" for at, node in enumerate(nodes) if node in part.nodes]
        for at, one in enumerate(members):
            for other in members[at + 1 :]:
                yield one, other


def _passed_on(nodes: Sequence[str], parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
    """Yield the ways of messages: one from each balancer to each part that it is over, also on other nodes."""
    number_by_name = {part.name: number for number, part in enumerate(parts)}
    for number, part in enumerate(parts):
        if not isinstance(part, BalancerPart) or part.over not in number_by_name:
            continue
        over = number_by_name[part.over]
        for at, node in enumerate(nodes):
            if node in part.nodes:
                yield from (
                    (f"n{at}p{number}", f"n{place}p{over}")
                    for place, target in enumerate(nodes)
                    if target in parts[over].nodes
                )


def _weights_text(part: Part) -> str:
    if not isinstance(part, PoolPart) or not part.weights:
        return ""
    return " (" + ", ".join(f"{node} weighs {weight:g}" for node, weight in part.weights.items()) + ")"


def mermaid_text(text: str) -> str:
    """Return a text with the characters escaped that are Mermaid syntax."""
    return "".join(sign if sign.isalnum() or sign in " _-.,:()" else f"#{ord(sign)};" for sign in text)


def dot_text(*lines: str) -> str:
    """Return lines as one quoted string of Graphviz' language."""
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") for line in lines]
    return '"' + "\\n".join(escaped) + '"'
