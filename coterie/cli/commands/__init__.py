"""Commands: defines the options and the output of each command of `coterie`, one module per command.

`actors_command.py`: `coterie actors` lists the actors of a running cluster
`demo_command.py`: `coterie demo` runs a cluster, kills a process during work, and verifies that no data is lost
`kv_command.py`: `coterie kv` reads and writes a replicated key-value store
`members_command.py`: `coterie members` shows which nodes are alive, suspected or failed
`mutants_command.py`: `coterie sim mutants` simulates clusters with deliberate bugs, which the checkers must find
`nemesis_command.py`: `coterie nemesis` injects faults into real node processes
`pools_command.py`: `coterie pools` shows how requests to pools are shared by their targets
`run_command.py`: `coterie run` runs one node of a topology
`security_command.py`: `coterie security` checks how a node is deployed
`sim_command.py`: `coterie sim` runs a scenario under simulated faults
`status_command.py`: `coterie status` shows nodes, groups and leaders of a running cluster
`top_command.py`: `coterie top` shows the load of a running cluster, and refreshes it periodically
`topology_command.py`: `coterie topology` checks and draws a topology
`up_command.py`: `coterie up` runs all nodes of a topology on this machine
`waits_command.py`: `coterie waits` draws the wait-for graph of the actors of a running cluster
`membership/`: `coterie leave`, `coterie down` and `coterie services`, for clusters whose nodes come and go
`completing/`: `coterie completion` prints the scripts with which shells complete its words
`evolving/`: `coterie schema` and `coterie raft`, for state machines whose code changes
`recovering/`: `coterie backup` and `coterie restore`, which let a group begin anew from a file
`offline/`: `coterie log`, which reads a data directory without its node
`simulating/`: what `coterie sim` runs beside scenarios
"""
