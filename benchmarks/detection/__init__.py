"""Failure-detection benchmarks: detectors in simulated time, with seeds; and on real processes.

`detector_topologies.py`: one cluster of five nodes for each kind of detector
`real_detection.py`: time to suspicion on real processes, and false suspicions under stress
`swim_accuracy.py`: false failures at 1 % loss, over a thousand node-hours
`swim_chitchat.py`: chitchat's bars: half of all datagrams lost, bytes per node
`swim_detection_time.py`: from a crash to the first and to the last observer's suspicion
`swim_first_detection.py`: SWIM's first probe of a crashed member, against the formula
`swim_lifeguard.py`: Lifeguard's set-up: false failures while members are stalled, part by part
`swim_load.py`: messages and bytes per member; speed and memory of thousands of members
"""
