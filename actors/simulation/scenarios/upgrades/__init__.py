"""Upgrades: rehearses the rollout of a new release of a state machine in a simulated cluster, with old and new clients.

`evolution_trials.py`: runs one node, or two releases, through a known change of code, and checks one rule each
`ledger_releases.py`: the releases of one state machine, and what clients of each send
`upgrade_account.py`: `UpgradeAccount`, what clients were told, and its comparison with what the machine did
`upgrade_scenario.py`: `UPGRADE`, the scenario
"""
