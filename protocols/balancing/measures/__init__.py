"""Measures: settings that say how loaded each target is, as its caller sees it or as it reports.

`in_flight.py`: `InFlight`, this caller's requests in flight, per weight
`reported_in_flight.py`: `ReportedInFlight`, the requests in flight of all callers: as reported, and those sent since
`peak_ewma.py`: `PeakEwma`, a latency that rises at once and decays slowly, times the requests in flight
`c3.py`: `C3`, the replica score of C3: service time times the cube of the expected queue
"""
