"""Evolution: decides what a machine's code may change, given what the log recorded of the code before it.

A replica's state follows from the log *and* from the code that applies it. So the log records the *schema* of that
code: its commands, the messages in them, their replies, and a version. Of two schemas one is newer (it only adds), or
they contradict each other: then the same bytes of the log would mean two different things.

    recorded ── compare ──▶ SAME         the code is what was recorded
                            NEWER        it runs in the recorded version, until the newer one is activated
                            OLDER        quarantine: it stores and votes, and applies nothing
                            CONTRADICTS  it must not start

Every entry is decoded under the revision that was active at its index, on every replica, whatever its code.

`default_comparison.py`: decides whether two recorded defaults mean the same value
`revisions.py`: `Revision`, a schema as an entry of the log; `Revisions`, those of one log in order
`schema.py`: `Schema`, describes the commands, messages, replies and state of a machine
`schema_file.py`: writes the schemas of several groups to a text, for a file, and compares them with one
`schema_changes.py`: names every way in which a schema can change, and whether it is allowed
`schema_comparison.py`: `compare`, finds how the code's schema differs from the recorded one
`schema_text.py`: encodes and decodes a schema as canonical JSON, and hashes it
`schema_types.py`: `SchemaType`, describes the type of a field, a reply or a state
`schema_values.py`: writes encoded values (defaults, members of enums) as JSON, and reads them
`type_comparison.py`: finds how the type of one field changed
"""
