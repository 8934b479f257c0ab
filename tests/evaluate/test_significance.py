"""The confidence interval and the paired test, compared with exact values."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsearch_core.evaluate.significance import ROUNDS, confidence_interval, p_value

DIFFERENCES = st.lists(st.integers(-8, 8).map(lambda value: value / 8), min_size=1, max_size=8)


@settings(max_examples=30, deadline=None)
@given(DIFFERENCES)
def test_p_is_near_the_share_of_all_sign_changes_that_are_as_extreme(differences: list[float]) -> None:
    observed = abs(sum(differences))
    signs = list(product((1, -1), repeat=len(differences)))
    extreme = sum(
        abs(sum(sign * value for sign, value in zip(row, differences, strict=True))) >= observed - 1e-9 for row in signs
    )
    exact = extreme / len(signs)
    error = 5 * (exact * (1 - exact) / ROUNDS) ** 0.5 + 2 / ROUNDS  # five standard deviations
    assert p_value(np.array(differences)) == pytest.approx(exact, abs=error)


def test_p_is_two_sided_and_repeatable() -> None:
    differences = np.random.default_rng(1).normal(0.1, 0.3, 80)
    assert p_value(differences) == p_value(-differences) == p_value(differences)
    assert p_value(np.zeros(5)) == 1.0
    assert p_value(np.full(50, 0.1)) == 1 / (ROUNDS + 1)  # never 0


def test_the_interval_has_the_quantiles_of_resampled_means() -> None:
    random = np.random.default_rng(2)
    values = np.stack([random.uniform(0, 1, 40), random.integers(0, 2, 40)], axis=1)
    lower, upper = confidence_interval(values)
    plain = np.random.default_rng(3)
    for column in range(2):
        means = sorted(values[plain.integers(0, 40, 40), column].mean() for _ in range(4000))
        assert lower[column] == pytest.approx(means[100], abs=0.015)
        assert upper[column] == pytest.approx(means[3900], abs=0.015)
    assert np.array_equal(confidence_interval(values), (lower, upper))


def test_the_interval_of_equal_values_is_a_point() -> None:
    lower, upper = confidence_interval(np.full((7, 1), 0.25))
    assert (lower.tolist(), upper.tolist()) == ([0.25], [0.25])
    assert confidence_interval(np.array([[0.5]]))[0].tolist() == [0.5]
