"""Evolution of state machines: describes the code of a machine as a schema, and decodes commands under a recorded one.

`machine_schema.py`: `machine_schema`, describes the class of a state machine
`recorded_commands.py`: `RecordedCommands`, decodes the commands of a group under the schema that its log recorded
`recorded_records.py`: `RecordedRecord`, encodes and decodes one message as a recorded schema describes it
`schema_typing.py`: `schema_type`, describes the type of a field, which names classes, as a schema does, without them
"""
