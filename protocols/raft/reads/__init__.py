"""Reads: lets a node answer reads that are linearizable and are no entries of the log (dissertation §6.4).

    node:    Read(ref) ─▶ PendingReads ── ReadIndex(number) ──▶ leader: ReadRounds: a new round, which a quorum answers
                             │         ◀── ReadIndexReply(number, index) ──┘        (the leader itself is asked alike)
                             └─ once `index` is applied ─▶ ReadReady(refs)

`pending_reads.py`: `PendingReads`, keeps the reads of one node, until its state machine may answer them
`read_rounds.py`: `ReadRounds`, gives a leader the index that a read must see, once a quorum has answered a new round
"""
