"""Members: what operators change about the members of a group and its leader, at the level of actors.

`operator_requests.py`: `OperatorRequests`, hands what operators ask for to the protocol, and answers them.
`recovered_stores.py`: remembers for which incarnation of a group a store counts again that has lost promises.
"""
