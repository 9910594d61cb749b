"""The main job: a cluster counts the identifiers of real source files while one of its nodes is killed.

Read it in this order: `topology` (the cluster, in code), `coordinator` (the client), `scenario` (the kill), `judge`
(what is claimed at the end, and against what).
"""
