"""The actor system: messages, cells, mailboxes, supervision, transport, storage, and the virtual-time world."""
