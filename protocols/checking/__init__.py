"""The judges: they watch disks, wires and state machines from outside, and believe nothing an algorithm says.

A judge is told what became durable (`wrote`), what left a node (`sent`) and what was done (`applied`, `answered`),
and raises `Violation` with a stable name at the first step that breaks an invariant. Judges are pure and know no
simulator: whoever can tell them these things can be judged.
"""
