"""Cells: one actor's mailbox, its turn on the run queue, its life cycle and its supervision."""
