"""Probe detectors: ask their peers for signs of life, and learn from the round trips how long to wait for an answer.

`rtt_phi.py`: `RttPhi`, learns the time-out of one peer's probes, and counts those missed
`rtt_phi_config.py`: `RttPhiConfig`, the settings
`rtt_phi_detector.py`: `RttPhiDetector`, probes all peers, directly and through others
"""
