"""Rows that a peer sent: dispatched, and answered."""
