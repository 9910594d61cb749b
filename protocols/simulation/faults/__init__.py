"""Fault injection: carries out the faults of a plan while the protocol simulator runs an algorithm.

`active_faults.py`: `ActiveFaults`, ends each fault after its duration, or when the plan ends.
`clogged_links.py`: `CloggedLinks`, holds back all messages on clogged links until the links open again.
`fault_targeting.py`: `FaultTargeting`, chooses the node that a fault hits.
`link_faults.py`: `LinkFaults`, carries out network faults: gives each affected link a rule.
`link_rules.py`: link rules: lose, delay, copy or reorder the messages of a link.
`protocol_injector.py`: `ProtocolInjector`, carries out each fault of a plan at its time.
`scheduling_faults.py`: `SchedulingFaults`, carries out the faults that delay a node's handling of messages and timers.
`sender_roles.py`: `sender_role`, tells from a message which role its sender has.
"""
