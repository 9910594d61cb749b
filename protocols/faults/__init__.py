"""Fault plans: define the faults of a run as data, before the run, for simulations and for real processes.

`kinds/`: every kind of fault, and the levels at which it can be carried out.
`profiles/`: named mixtures of faults, from which a plan is drawn at random.
`fault_budget.py`: refuses plans that the algorithms do not promise to survive.
`fault_counts.py`: `FaultCounts`, counts how often each kind of fault took effect.
`fault_plan.py`: `FaultPlan`, lists the nodes, the faults by time, and the time at which all faults end.
`nearest_name.py`: suggests the nearest known name ("did you mean …") in errors.
`plan_format.py`: writes fault plans as JSON, and reads them back.
`shrinking.py`: reduces a failing run to fewer faults, operations and nodes.

Nothing in this package draws random numbers by itself or carries faults out: a plan is decided before a run, so that it
can be shrunk and replayed. Three injectors carry plans out:

    Level.PROTOCOL   coterie.protocols.simulation   pure algorithms on an event heap
    Level.SYSTEM     coterie.actors.simulation      the whole runtime in virtual time
    Level.PROCESS    coterie.nemesis                real processes, real sockets

A kind of fault that was planned and never took effect makes a run void.
"""
