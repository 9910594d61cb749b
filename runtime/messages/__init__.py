"""Message classes, their codecs and their delivery options."""
