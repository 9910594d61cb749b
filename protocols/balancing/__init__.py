"""Whom to pick: policies of load balancing, pure."""
