"""Messaging benchmarks: measure local and remote messages, timers and the start of actors.

`ask.py`: measures asks (request and reply) per second, one at a time and 64 at a time, with time-outs
`executed_opcodes.py`: counts the Python instructions per tell and ask, local and remote
`fan_in.py`: measures the messages per second that one actor handles from 100 sending actors
`heartbeat_delay.py`: measures how late heartbeats arrive among 10,000 busy actors, and beside saturating bulk traffic
`message_circle.py`: passes a message around actors in a circle: two for ping-pong, a thousand for the ring
`pairs.py`: links the benchmark process with a receiver process, each on a CPU core of its own
`ping_pong.py`: measures the messages per second that two actors pass to each other
`receivers.py`: runs the process that receives the messages of the remote benchmarks, for coterie and for the floor
`remote_ask.py`: measures asks per second between two processes, 64 at a time, and the processor time per ask
`remote_tell.py`: measures messages per second from one process to another, small messages and messages of 1 KiB
`ring.py`: measures how many times per second one message is passed on in a ring of 1,000 actors
`skynet.py`: measures how fast a tree of actors with a million leaves is spawned and the leaves' numbers are summed up
`spawn.py`: measures actors started per second, and the memory of an idle actor, with up to a million in one process
`tell.py`: measures the messages per second that one actor handles from one sender
`timers.py`: measures timers per second, once with timers that fire, and once with timers that are cancelled
"""
