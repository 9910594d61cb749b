"""Hardening: checks how a cluster is deployed: its keys, certificates, files, address, and what clients reach.

Nothing is started, and nothing is changed. `coterie security check` prints the findings.

`certificate_checks.py`: checks certificates: by a TLS handshake in memory, and by their names, dates and roles
`checked_deployment.py`: `Deployment`, holds what is checked, as `coterie run` is given it; `Finding`, holds one result
`exposure_checks.py`: checks where a node listens, and what clients reach there
`file_checks.py`: checks who can read keys and data, and who can change the code
"""

from __future__ import annotations

__all__: list[str] = []
