"""The simulator: an event heap drives the pure algorithms under faults; everything follows from one seed.

    seed ──▶ plan.py       which faults come when, as data, before anything happens
      │        │
      │        ▼
      │      faults.py     carries the plan out ──▶ network.py   lost, late, doubled, overtaken; links break
      │                                         ──▶ node.py      lives, pauses, batches, the Gate, overdue ticks
      │                                         ──▶ disk.py      durable later, in order; a crash keeps a prefix
      │        ▲                                      │
      ▼        │                                      ▼
    timeline.py, trace.py, world.py          raft_scenario.py (with clients.py), synod_scenario.py
    time, record, the whole                  algorithm + askers + judges (coterie.protocols.checking) ──▶ verdict.py

A scenario is the `Resident` of a `World`: it knows the algorithm, the world knows the circumstances. `mutants.py`
breaks the algorithms on purpose, to see that the judges notice. One seed is one trace, in every process.
"""
