"""Messages: message classes, the codecs of their fields and replies, and their delivery options.

`codec_generation.py`: generates one encoder, decoder and sender function per message class
`declared_errors.py`: errors that a message declares, and their form on the wire
`delivery_options.py`: time to live and conflation of a message class
`lanes.py`: the three lanes: control, consensus and bulk
`message.py`: the decorator `message` and the base class `Ask`
`message_codecs.py`: one codec per annotation, and the wire format of each message class
`receive_signatures.py`: checks the annotations of an actor's `receive`
"""
