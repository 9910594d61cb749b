"""Metering: follows the requests of one actor from arrival to answer, for reports about its load.

`metered_cell.py`: runs an actor whose requests are metered
`metered_envelope.py`: wraps one ask, and tells the meter of its arrival, its handling and its end
`request_meter.py`: defines the interface of meters
`timed_coroutine.py`: measures the time that the event loop spends in a coroutine
"""
