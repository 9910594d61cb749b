"""Models: specify what each operation on an object (register, list, counter …) may return, in sequential use.

`append_list.py`: `AppendList`, a list that only grows.
`consensus.py`: `Consensus`, a value that is chosen once; `LogPositions`, a log that returns each entry's position.
`counter.py`: `Counter`, a number that is incremented and read.
`model.py`: `Model`, the interface of all models.
`registers.py`: `Register`, with compare-and-swap; `KeyValue`, one key of a key-value store.
"""
