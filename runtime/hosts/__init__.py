"""Hosts: provide clocks, network, disk and threads to a system: those of this machine, virtual or simulated ones.

`disk_with_spares.py`: `DiskWithSpares`, keeps file descriptors back for when the process has none left
`host.py`: the interface `Host`, with `Clock`, `Network`, `Disk` and `Executor`
`places_by_address.py`: `PlacesByAddress`, counts the places that each network address takes
`real_datagrams.py`: `RealDatagramSocket`, sends and receives UDP datagrams
`real_disk.py`: `RealDisk`, reads, writes and syncs files in this machine's file system
`real_host.py`: `RealHost`, provides this machine's clocks, random numbers, network, disk and threads
`real_listener.py`: `RealListener`, accepts TCP connections, a bounded number per turn of the loop
`real_network.py`: `RealNetwork`, opens and accepts TCP connections, plain or with mutual TLS 1.3; UDP
`real_resources.py`: `RealResources`, reads this machine's processor time, memory and file descriptors
`resource_reading.py`: the interface `Resources`, by which processor time, memory and descriptors are read
`simulation/`: runs nodes that crash, on clocks that drift, with every choice drawn from one seed
`tls_config.py`: `TlsConfig`, names the certificate and key files for mutual TLS
`virtual/`: runs nodes in virtual time, with network and disks in memory
"""
