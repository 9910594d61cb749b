from __future__ import annotations

import pytest

from coterie.protocols.balancing import Candidate


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf"), float("nan")])
def test_a_weight_that_is_no_share_is_refused_and_names_the_candidate(weight: float) -> None:
    with pytest.raises(ValueError, match=f"candidate 'a' has weight {weight}"):
        Candidate("a", weight)
