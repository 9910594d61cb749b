"""Evolution of state machines: describes the code of a machine as a schema, and decodes commands under a recorded one.

`group_schemas.py`: `GroupSchemas`, the schemas of one replica: of its code, of the log, and the active one
`machine_schema.py`: `machine_schema`, describes the class of a state machine
`proposal_check.py`: `ProposalCheck`, keeps commands out of the log that are not active
`recorded_commands.py`: `RecordedCommands`, decodes the commands of a group under the schema that its log recorded
`recorded_records.py`: `RecordedRecord`, encodes and decodes one message as a recorded schema describes it
`schema_keeper.py`: `SchemaKeeper`, records, follows, checks and activates schemas, on one replica
`schema_leadership.py`: `SchemaLeadership`, decides on the leader when the schema of newer code becomes active
`schema_typing.py`: `schema_type`, describes the type of a field, which names classes, as a schema does, without them
"""
