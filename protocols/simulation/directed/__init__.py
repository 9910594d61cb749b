"""Directed schedules: algorithms whose every message, write and second is moved by hand."""
