"""Failure-detection benchmarks: detectors in simulated time, with seeds; and on real processes.

`detection_quality.py`: the detection time of each detector against its mistakes, on three kinds of links
`detector_topologies.py`: one cluster of five nodes for each kind of detector
`real_detection.py`: time to suspicion on real processes, and false suspicions under stress
`real_restart.py`: time until `coterie up` has a killed or stopped node up again
`slow_and_fast_link.py`: probes with fixed time-outs against learned ones, if one peer is near and one far
`swim_accuracy.py`: false failures at 1 % loss, over a thousand node-hours
`swim_chitchat.py`: chitchat's bars: half of all datagrams lost, bytes per node
`swim_detection_time.py`: from a crash to the first and to the last observer's suspicion
`swim_first_detection.py`: SWIM's first probe of a crashed member, against the formula
`swim_lifeguard.py`: Lifeguard's set-up: false failures while members are stalled, part by part
`swim_load.py`: messages and bytes per member; speed and memory of thousands of members
`view_stability.py`: how many views healthy members see under Rapid's faults: SWIM, Lifeguard, the agreed view
`watching.py`: runs a group of detectors, counts their mistakes, and lets nodes crash in copies of it
"""
