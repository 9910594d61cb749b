"""The simulator of protocols: an event heap drives the pure algorithms under faults; everything follows from one seed.

    seed ──▶ coterie.protocols.faults   the plan: which faults come when, as data, before anything happens
      │        │
      │        ▼
      │      injector.py       carries the plan out, each fault at its time and (aiming.py) its target, until it hits
      │        │  link_faults.py, rules.py ──▶ network.py   lost, late, doubled, kept, overtaken; links break and clog
      │        │  turn_faults.py ────────────▶ node.py      lives, pauses, clocks, batches, the Gate, overdue ticks
      │        └─────────────────────────────▶ disk.py      durable later, in order; a crash keeps a prefix
      ▼                                              │
    timeline.py, trace.py, world.py                  ▼
    time, record, the whole    raft_run.py (with clients.py), synod_run.py
                               algorithm + askers + judges (coterie.protocols.checking) ──▶ verdict.py

A run is the `Resident` of a `World`: it knows the algorithm, the world knows the circumstances. A scenario
(`scenarios.py`) makes runs from seeds and plans. `mutants` breaks the algorithms on purpose, to see that the judges
notice. One seed is one trace, in every process.

`Verdict.events` counts deliveries (also to and from clients), timers that fire and completed syncs, and nothing else.
"""
