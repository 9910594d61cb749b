"""The peers: other actor systems that do the same work in the same run, one adapter a file."""
