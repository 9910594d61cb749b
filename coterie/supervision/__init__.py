"""Process supervision: restarts the node processes of `coterie up`, and kills (fences) those that hang.

`answer_record.py`: `AnswerRecord`, counts for how long a node has not answered, and when to ask it again
`cluster_supervisor.py`: `ClusterSupervisor`, runs all nodes of a cluster as supervised processes
`fencing.py`: decides which node is killed because it hangs; pure
`hang_watch.py`: `HangWatch`, asks the nodes periodically, and fences one that hangs
`node_supervisor.py`: `NodeSupervisor`, runs one node's process, restarts it, and gives up when that does not help
`node_watch.py`: `NodeWatch`, asks one node whether it works, and whom its failure detector accuses
`output_pipe.py`: `OutputPipe`, carries the output of a node's process to its supervisor
"""
