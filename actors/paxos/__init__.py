"""Single-decree Paxos (synods) as actors, with their clients.

`synod_actor.py`: `SynodActor`, one node of a synod
`synod_client.py`: `SynodClient`, proposes and reads the one chosen value
`synod_records.py`: encoding of Synod's durable state in a log store
"""
