"""Heartbeat detectors: suspect a peer whose heartbeats stay away for too long; they differ in how long that is.

`heartbeat_detector.py`: `HeartbeatDetector`, sends heartbeats to all peers, and asks a per-peer detector about each
`heartbeat_config.py`: `HeartbeatConfig`, the settings that all heartbeat detectors share
`deadline.py`: `Deadline`, suspects after a fixed time-out
`phi_accrual.py`: `PhiAccrual`, suspects when so long a silence is improbable, given the intervals so far
`tail_models.py`: the probability of a long silence: `NormalTail`, `LogisticTail`, `ExponentialTail`
`chen_nfde.py`: `ChenNFDE`, suspects a fixed margin after the expected arrival of the next heartbeat
`chen_quality.py`: computes interval and margin of `ChenNFDE` from the wanted quality
"""
