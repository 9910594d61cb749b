"""SWIM with Lifeguard: members probe one another in turn, and gossip what they have found out.

Sources: Das, Gupta, Motivala, "SWIM: Scalable Weakly-consistent Infection-style Process Group Membership Protocol",
DSN 2002; Dadgar, Phillips, Currey, "Lifeguard: Local Health Awareness for More Accurate Failure Detection", DSN-W 2018.

`gossip_queue.py`: `GossipQueue`, the records still to be sent on, least sent first, within the size of a packet
`member_table.py`: `MemberTable`, the newest record of each member, and which record supersedes which
`opinions.py`: `Opinions`, merges what is said about members, and reports each change
`probe_order.py`: whom to probe next: round robin over a shuffled list, or at random
`probing.py`: `Probing`, the pending probe of this member, and the probes that it makes for others
`suspicion_timer.py`: `SuspicionTimer`, how long a suspicion lasts; independent confirmations shorten it
`swim.py`: `Swim`, the algorithm: messages and time in, messages and opinions out
`swim_config.py`: `SwimConfig`, its settings, and the presets for one machine, a local and a wide network
`swim_messages.py`: the messages, and the record of a member that they carry

| in the papers | here |
| --- | --- |
| protocol period T′ (SWIM §3.1) | `SwimConfig.period_s` |
| ping, ack, ping-req (SWIM §3.1) | `Ping`, `Ack`, `IndirectPing` |
| nack (Lifeguard §IV.A) | `Nack` |
| failure detection subgroup size k (SWIM §3.1) | `SwimConfig.indirect_probes` |
| Alive, Suspect, Confirm messages and incarnations (SWIM §4.2) | `MemberRecord`, `MemberTable.supersedes` |
| round-robin probe target selection (SWIM §4.3) | `RoundRobinOrder` |
| infection-style dissemination, λ log n (SWIM §4.1) | `GossipQueue`, `SwimConfig.retransmit_multiplier` |
| Local Health Multiplier S (Lifeguard §IV.A) | `LocalHealth` |
| suspicion time-out, α, β, K (Lifeguard §IV.B) | `SuspicionTimer` |
| Buddy System (Lifeguard §IV.C) | the first record of a `Ping` to a suspected member |
"""
