"""Benchmarks: measures coterie against a floor, the same work in bare Python, in the same run; compare only the ratios.

The floor is the cheapest implementation of the same work in Python, without actors or Raft.

`__main__.py`: entry point: reads options, runs the chosen benchmarks, prints and saves the results
`ask.py`: measures asks (request and reply) per second, one at a time and 64 at a time, with time-outs
`bare_queues.py`: delivers local messages through a plain deque, without actors, as the floor (least possible cost)
`bare_wire.py`: sends MessagePack arrays over a raw socket, as the floor (least possible cost) of the remote benchmarks
`catalogue.py`: lists the name, the description and the function of each benchmark
`closed_loop.py`: runs clients that each send a command when the last is acknowledged, and measures latencies
`comparison.py`: measures the same work alternately in bare Python and in coterie, then in the other actor systems
`compiled.py`: compares the speed of the simulated protocols in pure Python and compiled with mypyc
`fan_in.py`: measures the messages per second that one actor handles from 100 sending actors
`fuzz_target.py`: feeds bytes to the accepting side of a node, without sockets; records the messages the node delivers
`heartbeat_delay.py`: measures how late heartbeats arrive among 10,000 busy actors, and beside saturating bulk traffic
`linearizability.py`: measures the time to check a history of 10,000 operations by ten clients on ten keys
`measured_system.py`: runs an actor system with default settings, and fails the benchmark if a message is dropped
`message_circle.py`: passes a message around actors in a circle: two for ping-pong, a thousand for the ring
`pairs.py`: links the benchmark process with a receiver process, each on a CPU core of its own
`ping_pong.py`: measures the messages per second that two actors pass to each other
`pinning.py`: keeps each process on one CPU core, so that the scheduler does not influence the result
`plot.py`: draws benchmark results as bar charts: one chart per benchmark variant, one bar per actor system
`processes.py`: starts a child process of a benchmark, measures its processor time, and ends it by its process id
`progress.py`: prints the current step of a benchmark on stderr; on a terminal each step overwrites the last
`raft_cluster.py`: runs three or five node processes with a replicated key-value store, durable logs and fsync
`raft_failover.py`: measures the time from a signal that kills or stops the leader to the next acknowledged write
`raft_floor.py`: does the work of `raft_put` in bare Python, without Raft, actors or checks: the least possible cost
`raft_put.py`: measures durable, replicated writes per second, and the latency of a write
`raft_steady.py`: counts leader changes during 60 s of writes by 256 clients, with default time-outs
`receivers.py`: runs the process that receives the messages of the remote benchmarks, for coterie and for the floor
`remote_ask.py`: measures asks per second between two processes, 64 at a time, and the processor time per ask
`remote_tell.py`: measures messages per second from one process to another, small messages and messages of 1 KiB
`results.py`: holds the measurements of one benchmark variant on one actor system, and writes them as text and JSON
`ring.py`: measures how many times per second one message is passed on in a ring of 1,000 actors
`rounds.py`: sends messages in rounds, each after the last one is handled, so that no mailbox overflows
`separate_process.py`: runs one measurement in a new process, for work that leaves a large heap behind
`settings.py`: holds the number of runs, the amount of work, and the names of the other actor systems to measure
`skynet.py`: measures how fast a tree of actors with a million leaves is spawned and the leaves' numbers are summed up
`spawn.py`: measures actors started per second, and the memory of an idle actor, with up to a million in one process
`tell.py`: measures the messages per second that one actor handles from one sender
`timers.py`: measures timers per second, once with timers that fire, and once with timers that are cancelled
`wire_attacks.py`: sends damaged streams, hostile payloads, forged handshakes to a node, and checks the node's reaction
`wire_fuzz.py`: sends millions of mutated frames to a node, and checks for crashes, wrong deliveries and memory growth
`peers/`: runs the same benchmarks on other actor systems, in the same run
"""
