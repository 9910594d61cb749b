"""Wire fuzzing: feeds damaged and hostile bytes to a node, and measures what they cost.

`attacked_node.py`: runs one node of a cluster with keys, and reports what an attack has done to it
`decoding_cost.py`: measures the memory and the time that hostile frames take to decode
`fuzz_keys.py`: holds the keys of the nodes and clients of an attacked cluster
`fuzz_target.py`: feeds bytes to the accepting side of a node, without sockets; records the messages the node delivers
`hostile_source.py`: sends the rows of a hostile client, or of a node that is no member, to a cluster
`wire_attacks.py`: sends damaged streams, hostile payloads, forged handshakes to a node, and checks the node's reaction
"""
