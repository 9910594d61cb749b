"""Membership: records the members of a group in its log, and determines which stores count in its quorums.

`electorate.py`: `Electorate`, knows which stores count, and on which nodes they are.
`group_facts.py`: `GroupFacts`, holds incarnation, log base, members and schemas of a group.
`membership.py`: `Membership`, lists the members, and encodes the list durably.
`quorum_records.py`: encodes and decodes the quorum of a group.
"""
