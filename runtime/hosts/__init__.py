"""Hosts: the outside world behind one interface, as this machine, in virtual time, and simulated."""
