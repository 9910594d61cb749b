"""Datagrams: sends messages to actors of other nodes in single UDP datagrams: quickly, at most once, in no order.

`authentication.py`: `DatagramAuthentication`, makes and checks the authentication codes of datagrams
`datagram_config.py`: `DatagramConfig`, the settings of datagrams
`datagram_format.py`: encodes and decodes datagrams
`datagrams.py`: `Datagrams`, opens a system's socket and sends messages through it
`dropped_datagrams.py`: `DroppedDatagrams`, counts the datagrams that are not believed, by reason, and reports them
`incoming_datagrams.py`: `IncomingDatagrams`, checks the datagrams that arrive, and delivers their messages
`replay_window.py`: `ReplayWindow`, detects datagrams that have arrived before
"""

__all__: list[str] = []
