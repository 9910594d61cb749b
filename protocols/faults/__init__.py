"""Faults as data: which, when and at whom, for all three levels at which a plan can be carried out.

    profiles.py  (name, generator) ──▶ plan.py   Plan: nodes, faults by time, the end at which everything heals
                                        │  ▲
    budget.py    beyond the model? ◀────┤  └──── codec.py   JSON in and out
                                        ▼
         Level.PROTOCOL   coterie.protocols.simulation   pure algorithms on an event heap
         Level.SYSTEM     coterie.actors.simulation      the whole runtime in virtual time
         Level.PROCESS    coterie.nemesis                real processes, real sockets
                                        │
                                        ▼
    firings.py   what took effect: a kind that was planned and never fired makes a run void

`kinds.py` lists every kind of fault, and says at which levels it can be carried out. Nothing here draws a number by
itself, and nothing here happens: a plan is decided before anything runs, so that it can be cut down and replayed.
"""
