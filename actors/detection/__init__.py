"""Failure detection as actors: runs a failure detector on each node, and acts on its opinions of the other nodes.

`detection_wire.py`: defines the wire names of the detectors' messages, and the envelope in which they travel
`detector_actor.py`: `DetectorActor`, runs one failure detector as an actor at `#detector`
`detector_kinds.py`: the actor of each kind of detector: heartbeats, phi accrual, Chen, round trips, SWIM
`detector_messages.py`: defines the messages about members: reports on request, and changes of opinion for other actors
`node_health.py`: `NodeHealth`, knows which nodes are suspected or failed, calls hooks, ends watches on failed nodes
`peer_listeners.py`: `PeerListeners`, calls functions and tells actors each change of a detector's opinion
"""
