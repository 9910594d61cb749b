"""Wire fuzzing: feeds damaged and hostile bytes to a node, and measures what they cost.

`decoding_cost.py`: measures the memory and the time that hostile frames take to decode
`fuzz_target.py`: feeds bytes to the accepting side of a node, without sockets; records the messages the node delivers
`wire_attacks.py`: sends damaged streams, hostile payloads, forged handshakes to a node, and checks the node's reaction
"""
