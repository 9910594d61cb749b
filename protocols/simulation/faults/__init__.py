"""Faults at protocol level: the injector, and the code that carries each kind of fault out.

`active_faults.py`: `ActiveFaults`, ends each fault after its duration, or when everything heals.
`clogged_links.py`: `CloggedLinks`, links that queue their messages until they open.
`fault_targeting.py`: `FaultTargeting`, chooses the node that a fault hits.
`link_faults.py`: `LinkFaults`, carries out the faults of the network by rules on links.
`link_rules.py`: link rules, one function for each kind of network fault.
`protocol_injector.py`: `ProtocolInjector`, carries out a fault plan.
`scheduling_faults.py`: `SchedulingFaults`, carries out the faults that delay the turns of nodes.
"""
