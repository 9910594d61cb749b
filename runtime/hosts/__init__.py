"""Hosts: one interface to clocks, network, disk and threads; on this machine, in virtual time, or simulated.

`host.py`: the interface `Host`, with `Clock`, `Network`, `Disk` and `Executor`
`real_disk.py`: `RealDisk`, this machine's file system
`real_host.py`: `RealHost`, this machine: clocks, entropy, network, disk and threads
`real_network.py`: `RealNetwork`, TCP, plain or in mutual TLS 1.3
`simulation/`: simulated processes that crash, on clocks that drift, with every choice drawn from one seed
`tls_config.py`: `TlsConfig`, the certificate files for mutual TLS
`virtual/`: a host in virtual time, with network and disks in memory
"""
