"""Failure detection: decides from messages and silence which peers have crashed; pure, one interface for all.

`failure_detector.py`: the interface `FailureDetector`, and its events: `Suspected`, `Trusted`, `Failed`.
`swim/`: SWIM with Lifeguard, for clusters of any size
"""
