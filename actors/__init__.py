"""The consensus protocols as actors: their driver, replicated groups, synods, pools, topologies and clients.

`client.py`: `Client`, a program outside the cluster that is linked to its nodes
`cluster_api.py`: `ClusterApi`, the actors, groups, stores, synods and pools of a cluster by name
`driver.py`: `Driver`, runs one pure protocol inside an actor and carries out its effects
`inspection.py`: reports of a node's actors, their mailboxes and their pending asks
`network_addresses.py`: parsing and formatting of `host:port`
`node.py`: `Node`, one running node of a topology
`node_report.py`: the actor on every node that reports what the node runs
`peer_stores.py`: `PeerStores`, the store id of each voter, remembered durably
`pending_voter.py`: `PendingVoter`, stands in for the driver until the voter is registered
`voter_registration.py`: `VoterRegistration`, keeps a voter with a new store inactive until the others remember it
`wire_names.py`: the wire names of the protocols' messages
`groups/`: replicated groups: the Raft actor, its clients, sessions and state machines
`paxos/`: single-decree Paxos: the Synod actor, its client and its durable state
`pools/`: pools of workers behind a load-balancing policy
`simulation/`: whole clusters under deterministic simulation with faults
`topology/`: clusters declared in code: validation, diagrams and the start of a node
"""
