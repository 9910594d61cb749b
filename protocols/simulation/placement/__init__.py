"""Placement simulation: nodes come, go and fail while plans are carried out in part, and every plan is checked.

`placement_rules.py`: checks one plan, or a placement at rest, against the rules
`placement_churn.py`: `PlacementChurn`, lets nodes join, leave, crash and return while plans are carried out
`placement_trials.py`: placements in which one broken rule would show
"""
