"""Fault plans: faults as data, decided before a run, for all three levels at which a plan can be carried out.

`kinds/`: every kind of fault, and the levels at which it can be carried out.
`profiles/`: named mixtures of faults, from which a plan is drawn at random.
`fault_budget.py`: the fault budget, which refuses plans that the algorithms do not promise to survive.
`fault_counts.py`: `FaultCounts`, how often each kind of fault took effect.
`fault_plan.py`: `FaultPlan`, the nodes, the faults by time, and the time at which everything heals.
`nearest_name.py`: "did you mean" hints for error messages.
`plan_format.py`: the JSON format of fault plans.
`shrinking.py`: shrinks a failing case to fewer faults, operations and nodes.

Nothing in this package draws random numbers by itself or carries faults out: a plan is decided before a run, so that it
can be shrunk and replayed. Three injectors carry plans out:

    Level.PROTOCOL   coterie.protocols.simulation   pure algorithms on an event heap
    Level.SYSTEM     coterie.actors.simulation      the whole runtime in virtual time
    Level.PROCESS    coterie.nemesis                real processes, real sockets

A kind of fault that was planned and never took effect makes a run void.
"""
