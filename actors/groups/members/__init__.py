"""Members: what operators change about the members of a group and its leader, at the level of actors.

`group_members.py`: `GroupMembers`, the members of a group as a client was told them
`group_operations.py`: `GroupOperations`, what operators ask of a group through a client
`invitations.py`: `Invitations`, how a leader reaches a node that is to join its group
`joining.py`: `Joining`, lets a store join a group that exists already
`learned_addresses.py`: `LearnedAddresses`, the addresses that the groups of one node have learned
`member_messages.py`: what operators ask of a leader about the members, and how a leader invites a store
`operator_requests.py`: `OperatorRequests`, hands what operators ask for to the protocol, and answers them.
`peer_refs.py`: `PeerRefs`, the actors of a group on other nodes, and the links to them
`recovered_stores.py`: remembers for which incarnation of a group a store counts again that has lost promises.
`store_watch.py`: `StoreWatch`, lets a leader say which node runs with another store than the member on it
"""
