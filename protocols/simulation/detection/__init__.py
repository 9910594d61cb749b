"""Failure detectors in simulated time: thousands of members, with loss, delay, crashes, pauses and partitions.

`detection_world.py`: `DetectionWorld`, runs the detectors of all members on one event heap
`member_network.py`: `MemberNetwork`, decides when and how often each message arrives
`message_counts.py`: `MessageCounts`, counts messages and bytes by kind
"""
