"""A topology as a person sees it: a tree, or a diagram in Mermaid's or Graphviz's language. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coterie.actors.topology.parts import ActorPart, Part, PoolPart

__all__ = ["dot", "mermaid", "tree"]


def tree(name: str, nodes: Sequence[str], parts: Sequence[Part]) -> str:
    """Return the parts as lines of text, each with the nodes it is on."""
    lines = [f"{name} ({', '.join(nodes)})"]
    width = max((len(part.name) for part in parts), default=0)
    for part in parts:
        branch = "└─" if part is parts[-1] else "├─"
        where = "every node" if tuple(part.nodes) == tuple(nodes) else ", ".join(part.nodes)
        lines.append(f"{branch} {part.name.ljust(width)}  {part.what}, on {where}{_weights(part)}")
    return "\n".join(lines)


def mermaid(name: str, nodes: Sequence[str], parts: Sequence[Part]) -> str:
    """Return a flowchart for Mermaid: a box for each node, and lines between the members of a group."""
    lines = ["flowchart LR", f"  %% {_text(name)}"]
    for at, node in enumerate(nodes):
        lines.append(f'  subgraph n{at}["{_text(node)}"]')
        lines += [f'    {key}["{_text(part.name)}<br/>{_text(part.what)}"]' for key, part in _on(node, at, parts)]
        lines.append("  end")
    lines += [f"  {one} --- {other}" for one, other in _lines(nodes, parts)]
    return "\n".join(lines)


def dot(name: str, nodes: Sequence[str], parts: Sequence[Part]) -> str:
    """Return a graph for Graphviz' `dot`: the same picture."""
    lines = [f"graph {_quoted(name)} {{", "  rankdir=LR; node [shape=box];"]
    for at, node in enumerate(nodes):
        lines.append(f"  subgraph cluster_n{at} {{ label={_quoted(node)};")
        lines += [f"    {key} [label={_quoted(part.name, part.what)}];" for key, part in _on(node, at, parts)]
        lines.append("  }")
    lines += [f"  {one} -- {other};" for one, other in _lines(nodes, parts)]
    return "\n".join([*lines, "}"])


def _on(node: str, at: int, parts: Sequence[Part]) -> Iterator[tuple[str, Part]]:
    for number, part in enumerate(parts):
        if node in part.nodes:
            yield f"n{at}p{number}", part


def _lines(nodes: Sequence[str], parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
    """Yield who talks to whom: every two members of a group. Workers and lone actors talk to anybody."""
    for number, part in enumerate(parts):
        if isinstance(part, ActorPart | PoolPart):
            continue
        members = [f"n{at}p{number}" for at, node in enumerate(nodes) if node in part.nodes]
        for at, one in enumerate(members):
            for other in members[at + 1 :]:
                yield one, other


def _weights(part: Part) -> str:
    if not isinstance(part, PoolPart) or not part.weights:
        return ""
    return " (" + ", ".join(f"{node} weighs {weight:g}" for node, weight in part.weights.items()) + ")"


def _text(text: str) -> str:
    """Escape what Mermaid would read as its own."""
    return "".join(sign if sign.isalnum() or sign in " _-.,:()" else f"#{ord(sign)};" for sign in text)


def _quoted(*lines: str) -> str:
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") for line in lines]
    return '"' + "\\n".join(escaped) + '"'
