"""PySyncObj: runs three nodes of it on this machine, and loads them from within one of the nodes.

`pysyncobj_cluster.py`: runs three PySyncObj processes with a replicated dictionary and their journals on disk
`pysyncobj_load.py`: writes in a closed loop, or steadily, through the callbacks of PySyncObj's replicated methods
`pysyncobj_node.py`: runs one PySyncObj node, which writes when it is told to (the main module of a process)
"""
