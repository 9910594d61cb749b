"""Choices: policies that pick by turn, by chance, by weight or by measured load.

`random_choice.py`: `RandomChoice`, picks at random, in proportion to the weights
`round_robin.py`: `RoundRobin`, picks each target in turn
`smooth_weighted.py`: `SmoothWeighted`, picks by weight, as evenly spread as possible
`credit_groups.py`: `CreditGroups`, the credits of `SmoothWeighted`, grouped by equal weight
`static_stride.py`: `StaticStride`, picks by weight, in a walk around all targets that skips light ones
`stride_sequence.py`: `StrideSequence`, the walk of `StaticStride` and `ReportedWeights`
`reported_weights.py`: `ReportedWeights`, picks by weights that follow the targets' reports
`reported_weight.py`: `ReportedWeight`, the weight that the reports of one target give, and when it counts
`least_loaded.py`: `LeastLoaded`, picks the least loaded of all targets by a measure
`drawn_candidates.py`: `draw_candidates`, the picker of both of the next two
`least_request.py`: `LeastRequest`, a few choices by requests in flight
`power_of_two_choices.py`: `PowerOfTwoChoices`, two choices by any measure
"""
