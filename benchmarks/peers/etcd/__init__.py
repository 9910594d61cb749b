"""etcd: runs three etcd members on this machine, and loads them through etcd's own Go client, in the same run.

`etcd_client.py`: builds and runs the Go program with etcd's client: a closed loop, or steady writes through a failover
`etcd_cluster.py`: runs three etcd members with their data in a temporary directory, default settings and fsync
`etcd_packages.py`: checks whether etcd, Go and etcd's Go client are installed, and names their Debian packages

`load.go` is the Go program; it is built with the sources of Debian's packages, without any download.
"""
