"""Consensus actors: runs the protocols Raft and Paxos as actors; adds worker pools, topologies, clients and simulation.

`client.py`: `Client`, connects a program outside a cluster to the nodes
`client_links.py`: `ClientLinks`, dials the addresses that a client was given; knows whether they refuse it for good
`cluster_api.py`: `ClusterApi`, finds the actors, groups, stores, synods and pools of a cluster by name
`cluster_handles.py`: `ClusterHandles`, keeps what a node or client has opened: groups and pools; closes them
`driver.py`: `Driver`, runs one pure protocol inside an actor and carries out its effects
`inspection.py`: reports the mailboxes, load and pending asks of a node's actors
`network_addresses.py`: parses text of the form `host:port`, and writes such text
`node.py`: `Node`, holds one running node's actor system and store
`node_finder.py`: `NodeFinder`, learns the addresses of a cluster's nodes from its nodes, and dials them
`node_report.py`: `NodeReportActor`, reports the groups, pools and actors that its node runs
`part_names.py`: checks the name of a group, synod, pool or actor before it is used, sent or stored
`peer_stores.py`: `PeerStores`, saves the store id of each voter, and refuses a voter with another store
`pending_voter.py`: `PendingVoter`, replaces the driver of an unregistered voter
`voter_registration.py`: `VoterRegistration`, lets a voter vote only after enough others saved its store's id
`wire_names.py`: defines the names that identify Raft and Paxos messages between nodes
`detection/`: runs failure detectors as actors, and acts on what they suspect
`groups/`: runs state machines replicated with Raft, and executes clients' commands exactly once
`membership/`: lets a group of nodes hold the view of a cluster, its singletons and its services
`paxos/`: runs synods (a synod is one instance of single-decree Paxos), and provides their client
`pools/`: sends each request to one worker, chosen by a load-balancing policy
`recovery/`: lets a group begin anew in one store, from a backup or after a lost quorum; offline
`simulation/`: runs whole clusters in a deterministic simulation with faults
`topology/`: declares clusters in code, checks and draws the declarations, and starts nodes
"""
