"""Benchmarks: one question per module, with a floor measured in the same run; only ratios are comparable.

The floor is the cheapest implementation of the same work in Python, without actors or Raft.

`__main__.py`: entry point of `python -m benchmarks`: options, runs the chosen benchmarks, prints and saves the results
`ask.py`: ask throughput: asks per second, one after the other and 64 at a time, each with its time-out
`bare_queues.py`: bare queues: the local floor, the least that message passing costs in Python, without actors
`bare_wire.py`: the remote floor, a raw socket that carries MessagePack arrays of up to 256 items with a length prefix
`catalogue.py`: catalogue of benchmarks: name, description and function of each
`closed_loop.py`: closed-loop load: each client sends its next command when the last one is acknowledged
`comparison.py`: runs the same work alternately on the floor and on coterie, then on the peers, after a warm-up
`compiled.py`: compiled core: speed of the simulated protocols in pure Python and compiled with mypyc
`fan_in.py`: fan-in: messages per second that one actor handles from 100 sending actors
`fuzz_target.py`: the accepting half of a node without sockets, fed with bytes by hand; it records what is delivered
`heartbeat_delay.py`: heartbeat delay: among 10,000 busy actors, and across a link with a saturated bulk lane
`linearizability.py`: linearizability check: time for 10,000 operations of ten clients on ten keys
`measured_system.py`: measured system: a system with default settings, which fails the run if it drops a message
`message_circle.py`: message circle: actors that pass a message around: two play ping-pong, a thousand form a ring
`pairs.py`: the benchmark process and a receiver process, on one core each
`ping_pong.py`: ping-pong: messages per second that two actors pass to each other
`pinning.py`: CPU pinning: keeps processes on one core each, so that the scheduler does not decide the result
`plot.py`: plot: draws the results as bar charts, one panel per benchmark variant, one bar per system
`processes.py`: a child process of a benchmark: start, measure, end by its own id
`progress.py`: a line on stderr with the current step; on a terminal it replaces itself
`raft_cluster.py`: three or five node processes with a replicated key-value store, durable logs and fsync on
`raft_failover.py`: Raft failover: time from a signal to the leader until the first acknowledged write, under load
`raft_floor.py`: Raft floor: the work of `raft_put` without Raft, actors or checks, as bare as Python allows
`raft_put.py`: Raft writes: durable, replicated writes per second, and their latency
`raft_steady.py`: Raft stability: leader changes in 60 s of writes by 256 clients, with default time-outs
`receivers.py`: receivers: the second process of the remote benchmarks
`remote_ask.py`: remote asks: asks per second between two processes, 64 at a time, and their processor time
`remote_tell.py`: remote tells: messages per second from one process to another, small ones and ones of 1 KiB
`results.py`: the measurements of one benchmark variant by one system; as text and JSON
`ring.py`: ring: messages per second around a ring of 1,000 actors, one message at a time
`rounds.py`: rounds of messages: each round starts when the last one is handled, so that no mailbox overflows
`separate_process.py`: separate process: runs one measurement
`settings.py`: number of runs, amount of work, and the peers to measure
`skynet.py`: skynet: growing, summing up and stopping a tree of a million leaves
`spawn.py`: spawn: actors started per second, and the memory of an idle one, up to a million in one process
`tell.py`: tell throughput: messages per second that one actor handles from one program
`timers.py`: timers: timers per second that are set and fire, or are set and cancelled
`wire_attacks.py`: wire attacks: random damaged streams, hostile payloads and forged handshakes against a node
`wire_fuzz.py`: wire fuzzing: millions of mutated frames and hostile handshakes
`peers/`: the other actor systems, measured in the same run
"""
