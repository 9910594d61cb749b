"""Models: sequential specifications of objects, which state what each operation returns after the ones before it.

`append_list.py`: `AppendList`, a list that only grows.
`consensus.py`: `Consensus` and `LogPositions`, a value that is chosen once, and positions in one log.
`counter.py`: `Counter`, a number that is incremented and read.
`model.py`: `Model`, the interface of all models.
`registers.py`: `Register` and `KeyValue`, one place that holds one value.
"""
