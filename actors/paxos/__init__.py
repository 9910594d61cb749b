"""Paxos: runs synods (a synod is one instance of single-decree Paxos) as actors, and provides their client.

`synod_actor.py`: `SynodActor`, runs one node of a synod
`synod_client.py`: `SynodClient`, proposes and reads the one chosen value
`synod_records.py`: encodes and decodes the durable state of a Paxos node for the log store
"""
