"""Membership: records and changes the members of a group in its log, and determines which stores count in its quorums.

`catch_up.py`: `CatchUp`, decides when a learner has caught up with its leader.
`electorate.py`: `Electorate`, knows which stores count, and on which nodes they are.
`farewells.py`: `Farewells`, lets a leader send to removed members until they know that they are none.
`group_facts.py`: `GroupFacts`, holds incarnation, log base, members and schemas of a group.
`member_changes.py`: the changes of members, such as `AddVoter`; says which membership comes next.
`membership.py`: `Membership`, lists the members, and encodes the list durably.
`quorum_records.py`: encodes and decodes the quorum of a group.
`reconfiguration.py`: `Reconfiguration`, changes the members by joint consensus, and lets removed nodes leave.
`removal_notices.py`: `RemovalNotices`, tells a removed node that it is none, if no leader reaches it.
`strangers.py`: which messages are taken from stores that are no members, as far as a node knows.
"""
