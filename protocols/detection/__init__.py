"""Failure detection: decides from messages and silence which peers have crashed; pure, one interface for all.

`failure_detector.py`: the interface `FailureDetector`, and its events: `Suspected`, `Trusted`, `Failed`.
`detection_messages.py`: the messages of heartbeat and probe detectors
`detection_observations.py`: names the events that detectors report to operators
`opinion.py`: `Opinion`, a detector's opinion of one peer and its changes
`own_pauses.py`: `OwnPauses`, measures for how long this process did not run
`peer_timers.py`: `PeerTimers`, one timer for each peer, cheap to postpone
`sample_window.py`: `SampleWindow`, mean and deviation of the last samples, without rounding drift
`suspicion_level.py`: keeps a suspicion and the time at which it reaches 1 consistent
`heartbeats/`: detectors that wait for heartbeats: fixed time-out, phi accrual, Chen's NFD-E
`swim/`: SWIM with Lifeguard, for clusters of any size

A detector in three steps: `config.make(node, peers, seed=…)`; pass received messages to `handle` and call `tick` at
`deadline`; carry out `Send`, and act on `Suspected`, `Trusted` and `Failed`.
"""
