"""Raft letters: says from which group and store a peer's letter comes, and decides whether it counts.

`letter_admission.py`: `LetterAdmission`, decides which letters of peers count.
`letter_identity.py`: `LetterIdentity`, says for which group and from which store a letter comes.
`peer_letters.py`: `PeerLetters`, sends and receives the letters of one replica.
"""
