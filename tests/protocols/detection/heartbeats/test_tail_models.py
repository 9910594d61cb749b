"""Tail models: phi by hand-computed tables, its growth from 0 to 1e9 s, and the inverse."""

from __future__ import annotations

import math

import pytest

from coterie.protocols.detection.heartbeats.tail_models import ExponentialTail, LogisticTail, NormalTail, TailModel

MODELS: list[TailModel] = [NormalTail(), LogisticTail(), ExponentialTail()]


each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)


@pytest.mark.parametrize(
    ("y", "phi"),
    [
        (0.0, math.log10(2)),  # half of all intervals are longer than the mean
        (1.2815515655446004, 1.0),  # the 0.9 quantile of every table of the normal distribution
        (2.3263478740408408, 2.0),  # the 0.99 quantile
        (3.090232306167813, 3.0),  # the 0.999 quantile
        (5.612001244174789, 8.0),  # the quantile of 1 - 1e-8
        (6.361340902404056, 10.0),  # the quantile of 1 - 1e-10
        (10.0, -math.log10(7.619853024160e-24)),  # P(y > 10), as tabulated
        (30.0, -math.log10(4.906713927148e-198)),  # P(y > 30)
        # y = 40: y²/(2 ln 10) = 347.435585522, log10(40 √(2π)) = 2.001149937, -log10(1 - 1/1600 + …) = 0.000271267
        (40.0, 349.437006726),
    ],
)
def test_normal_tail_is_minus_log10_of_the_probability(y: float, phi: float) -> None:
    assert NormalTail().phi(1.0 + 0.25 * y, 1.0, 0.25) == pytest.approx(phi, rel=1e-9)


def test_normal_tail_has_no_seam_where_the_series_takes_over() -> None:
    below, above = math.nextafter(20.0, 0.0), 20.0

    assert NormalTail().phi(above, 0.0, 1.0) == pytest.approx(NormalTail().phi(below, 0.0, 1.0), abs=1e-12)


@pytest.mark.parametrize(
    ("y", "phi"),
    [
        (0.0, math.log10(2)),  # e = 1: P = ½
        (1.0, math.log10(1 + math.exp(1.5976 + 0.070566))),
        (-1.0, math.log10(1 + math.exp(-1.5976 - 0.070566))),
        (5.225986644093563, 8.0),  # what Orleans and Akka trip at
        # y = 100: (159.76 + 70566) / ln 10; the 1 vanishes beside e^70725
        (100.0, 70725.76 / math.log(10)),
    ],
)
def test_logistic_tail_is_the_formula_of_akka(y: float, phi: float) -> None:
    assert LogisticTail().phi(2.0 + 0.5 * y, 2.0, 0.5) == pytest.approx(phi, rel=1e-12)


@pytest.mark.parametrize("y", [-3.0, -0.5, 0.5, 2.0, 5.0, 8.0])
def test_logistic_tail_equals_the_two_branches_that_akka_computes(y: float) -> None:
    e = math.exp(-y * (1.5976 + 0.070566 * y * y))
    probability = e / (1.0 + e) if y > 0 else 1.0 - 1.0 / (1.0 + e)

    assert LogisticTail().phi(y, 0.0, 1.0) == pytest.approx(-math.log10(probability), rel=1e-9)


def test_exponential_tail_is_the_silence_in_means_by_ln_10() -> None:
    """Cassandra's threshold 8 trips at 8 ln 10 = 18.42 means, whatever the deviation."""
    assert ExponentialTail().phi(18.420680743952367, 1.0, 0.001) == pytest.approx(8.0, rel=1e-15)
    assert ExponentialTail().silence_s(8.0, 0.5, 100.0) == pytest.approx(9.2103403719761836, rel=1e-15)


@each_model
def test_phi_grows_with_silence_from_0_to_1e9_seconds_and_stays_finite(model: TailModel) -> None:
    silences_s = [0.0] + [10 ** (exponent / 50) for exponent in range(-150, 451)]
    for mean_s, deviation_s in ((1.0, 0.1), (0.1, 0.05), (10.0, 20.0), (0.001, 1e-6)):
        phis = [model.phi(silence_s, mean_s, deviation_s) for silence_s in silences_s]
        assert all(math.isfinite(phi) and phi >= 0 for phi in phis)
        assert phis == sorted(phis)
        beyond_mean = [phi for phi, silence_s in zip(phis, silences_s, strict=True) if silence_s > mean_s]
        assert len(set(beyond_mean)) == len(beyond_mean)  # no plateau, where phi would be saturated


@each_model
@pytest.mark.parametrize("phi", [1.0, 3.0, 8.0, 12.0, 16.0, 100.0, 1e4])
def test_silence_is_the_inverse_of_phi(model: TailModel, phi: float) -> None:
    silence_s = model.silence_s(phi, 0.7, 0.2)

    assert model.phi(silence_s, 0.7, 0.2) == pytest.approx(phi, rel=1e-9)


@pytest.mark.parametrize("phi", [1.0, 2.0, 8.0])
def test_the_models_are_three_different_ones(phi: float) -> None:
    assert len({model.silence_s(phi, 1.0, 0.25) for model in MODELS}) == 3
