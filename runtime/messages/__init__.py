"""Messages: makes message types from classes, sets how they are queued, and encodes and decodes messages for the wire.

`codec_generation.py`: compiles functions that encode, decode and send the messages of one class
`codings.py`: `Coding`, says how the values of a class that is no message cross the wire: datetimes, decimals, UUIDs
`declared_errors.py`: encodes the errors that a message class lists in `raises`
`delivery_options.py`: sets when a waiting message expires, and by which key a newer one replaces it
`field_types.py`: `FieldType`, describes the type of a field or a reply as data, read from its annotation
`lanes.py`: names the three priorities of messages: control, consensus and bulk
`message.py`: the decorator `message` and the base class `Ask`
`message_codecs.py`: encodes and decodes the messages of each class, field by field
`receive_signatures.py`: checks the type annotations of an actor's `receive`
`short_values.py`: returns a short text of a value that a peer has sent, at a bounded cost
`speakers.py`: `Speaker`, says from whom outside its node a message is heard
`trimmed_rows.py`: `TrimmedRecord`, encodes messages without the trailing fields that have their default
`unpacking.py`: `unpack_value`, decodes MessagePack, and bounds what that costs by its size
`user_codecs.py`: `codec`, registers how the values of a user's class cross the wire
`value_codecs.py`: `Codec`, encodes and decodes the values of one field type
"""
