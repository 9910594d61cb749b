"""Snapshots of state machines: save the attributes of a machine as pieces, and restore those of a new one from them.

This is what a `StateMachine` does that has no `snapshot` and `restore` of its own, and what `KeyValue` does.

`frozen_difference.py`: finds where a machine differs from what another one was when its state was frozen
`frozen_state.py`: `FrozenState`, remembers the state of a machine, to compare another one with it
`key_value_snapshot.py`: encodes the items and the open scans of a `KeyValue`, and restores them
`known_types.py`: `KnownTypes`, the classes whose values a machine's state may hold, and their names in a snapshot
`machine_snapshot.py`: saves the attributes of a machine, and restores them
`standard_values.py`: encodes datetime, date, timedelta, Decimal and UUID, and decodes them
`state_decoding.py`: `StateReader`, decodes values from pieces of tokens
`state_encoding.py`: `StateWriter`, encodes values as pieces of tokens
`state_paths.py`: says where in the state of a machine a value is, in a bounded text
`state_tokens.py`: the tokens of which an encoded state consists
`store_views.py`: shows a key-value store as it was at one moment, for scans and snapshots
`unsavable_state.py`: finds where in a state a value is that cannot be saved, and says what to do
"""
