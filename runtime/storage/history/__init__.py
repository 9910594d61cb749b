"""Store history: finds stores that went back in time, which have lost what they had promised.

`generation.py`: `Generation`, numbers the openings of a store; a peer's memory of it finds a copy that was restored
`high_water.py`: `HighWaterFile`, remembers beside the log how far it was durable; finds a log that was cut
"""
