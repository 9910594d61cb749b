"""The handshake between two systems: versions, identities, credentials. Pure."""
