"""Compaction: takes snapshots of a replica, keeps them in its store, gives them to others and begins from them.

`replica_snapshots.py`: `ReplicaSnapshots`, everything that one replica does with snapshots.
`class_state.py`: `ClassState`, remembers the attributes of a machine's class, none of which may change.
`machine_freeing.py`: `freed`, frees a machine that was tried in steps.
`machine_guard.py`: `MachineGuard`, runs a machine's own code for a snapshot, which must not change the machine in use.
`snapshot_check.py`: `SnapshotCheck`, tries a snapshot on a new machine before the log behind it is dropped.
`snapshot_content.py`: encodes and decodes what is in a snapshot.
`group_snapshots.py`: `SnapshotFiles`, the snapshots of one group in a store: reads, keeps and receives them.
`snapshot_policy.py`: `SnapshotPolicy`, says when a snapshot is taken and how much log is kept.
`snapshot_restoring.py`: `SnapshotRestoring`, lets a replica begin from a snapshot, in slices.
`snapshot_room.py`: `SnapshotRoom`, what a snapshot waits for whose disk has no room.
`snapshot_taking.py`: `SnapshotTaking`, decides when to take a snapshot, and writes it in slices.
"""
