"""The sequence chart: a row for each of the last records, arrows between the right lines, nothing unescaped."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from coterie.exploring.sequence_chart import sequence_chart
from coterie.protocols.simulation.run_trace import TraceLine

SVG = "{http://www.w3.org/2000/svg}"

VOTE = TraceLine(1.25, "n2", "from n1", "RequestVote(term=3, candidate='n1', last_log_index=12, last_log_term=2)")
GRANT = TraceLine(1.26, "n1", "from n2", "Grant(3)")
CRASH = TraceLine(1.27, "n2", "node.crashed", "1")
START = TraceLine(1.28, "n2", "node.started", "2")
HEALED = TraceLine(1.29, None, "plan_ended")


def drawn(*trace: TraceLine, last: int = 60, ending: str = "raft.log_matching broken at n1") -> ET.Element:
    return ET.fromstring(sequence_chart(trace, ("n1", "n2"), title="raft, seed 7", ending=ending, last=last))


def texts(svg: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in svg.iter(f"{SVG}text")]


def arrows(svg: ET.Element) -> list[str]:
    return [path.get("d", "") for path in svg.iter(f"{SVG}path") if path.get("class") == "arrow"]


def lives(svg: ET.Element, kind: str) -> list[tuple[str, float, float]]:
    return [
        (line.get("x1", ""), float(line.get("y1", "")), float(line.get("y2", "")))
        for line in svg.iter(f"{SVG}line")
        if line.get("class") == kind
    ]


def test_chart_says_what_it_is_and_what_it_came_to() -> None:
    shown = texts(drawn(VOTE))

    assert shown[0] == "raft, seed 7"
    assert {"n1", "n2", "1.2500 s"} <= set(shown)
    assert "raft.log_matching broken at n1" in shown[-1]


def test_arrow_goes_from_the_line_of_its_sender_to_that_of_its_receiver() -> None:
    svg = drawn(VOTE, GRANT)

    [(n1, *_), (n2, *_)] = lives(svg, "life")
    there, back = arrows(svg)
    assert there.startswith(f"M{n1},")
    assert abs(int(there.split("H")[1]) - int(n2)) <= 2
    assert back.startswith(f"M{n2},")
    assert abs(int(back.split("H")[1]) - int(n1)) <= 2


def test_long_message_is_cut_and_whole_in_its_tooltip() -> None:
    svg = drawn(VOTE)

    assert any(text.startswith("RequestVote(term=3") and text.endswith("…") for text in texts(svg))
    assert any("last_log_term=2)" in (title.text or "") for title in svg.iter(f"{SVG}title"))


def test_line_is_broken_while_its_node_is_down() -> None:
    svg = drawn(VOTE, CRASH, HEALED, START, GRANT)

    [(down, since, until)] = lives(svg, "down")
    pieces = [piece for piece in lives(svg, "life") if piece[0] == down]
    assert pieces[0][2] == since < until == pieces[1][1]


def test_node_that_was_down_before_the_window_begins_down() -> None:
    svg = drawn(CRASH, VOTE, GRANT, last=2)

    assert len(lives(svg, "down")) == 1
    assert len(arrows(svg)) == 2


def test_only_the_last_records_are_shown() -> None:
    assert len(arrows(drawn(*[VOTE, GRANT] * 50, last=7))) == 7


def test_whatever_stands_in_a_message_is_escaped() -> None:
    svg = drawn(TraceLine(1.0, "n1", "<b>", "&\"'</text>"), ending="<script>")

    assert any("<b>" in text for text in texts(svg))
    assert "<script>" in texts(svg)[-1]


def test_any_character_can_stand_in_a_chart_and_those_that_are_not_visible_are_escaped() -> None:
    every = "".join(chr(code) for code in (*range(0x2100), *range(0xD7F0, 0xE010), 0xFEFF, 0xFFFE, 0xFFFF, 0x1F701))
    hostile = TraceLine(1.0, every, f"from n1{every}", every)
    svg = sequence_chart((hostile, TraceLine(1.0, every, every, every)), (every,), title=every, ending=every)

    svg.encode("utf-8")
    assert texts(ET.fromstring(svg))[0].startswith(r"\x00\x01")
    assert not {"\x00", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\u200b", "\ufeff"} & {*svg}


def test_node_of_the_trace_that_was_not_named_gets_a_line_too() -> None:
    assert "client/3" in texts(drawn(TraceLine(1.0, "n1", "from client/3", "Put(k)")))


def test_chart_of_nothing_is_a_chart() -> None:
    assert texts(drawn())[0] == "raft, seed 7"


def test_facts_of_an_observation_are_told_without_what_the_chart_shows() -> None:
    observed = TraceLine(1.0, "n1", "raft.vote_granted", "{'node': 'n1', 'term': 3, 'to': 2}")

    assert "raft.vote_granted term 3, to 2" in [text.strip() for text in texts(drawn(observed))]
