"""Statistics for measures over queries: confidence intervals of means, and p-values of differences.

Random numbers have a fixed seed, so that equal inputs give equal results.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

ROUNDS = 10_000
CONFIDENCE = 0.95
_SEED = 20_070_608
_BLOCK = 1 << 21  # random numbers at a time

Values = NDArray[np.float64]


def confidence_interval(values: Values) -> tuple[Values, Values]:
    """Return the lower and the upper ends of the 95 % confidence intervals of m means, each (m,).

    `values` (queries, m) has m measures for each query. The method is the percentile bootstrap over queries (Efron,
    Annals of Statistics 1979).
    """
    tail = (1 - CONFIDENCE) / 2
    lower, upper = np.quantile(np.concatenate(list(_resampled_means(values))), (tail, 1 - tail), axis=0)
    return lower, upper


def p_value(differences: Values) -> float:
    """Return the p-value of the mean of `differences`, (queries,).

    It is the probability that chance alone gives a mean at least as far from 0.

    The method is the two-sided paired randomisation test (Smucker, Allan and Carterette, CIKM 2007): if two settings
    are equally good, each difference could as well have the other sign. The observed signs count as one of the random
    rounds, so the result is never 0.
    """
    observed = abs(differences.sum())
    if not observed:
        return 1.0
    random = np.random.default_rng(_SEED)
    step = max(1, _BLOCK // len(differences))
    extreme = 0
    for start in range(0, ROUNDS, step):
        shape = (min(step, ROUNDS - start), len(differences))
        signs = random.integers(0, 2, shape, np.int8) * 2 - 1
        # Sums in another order differ in their last bits, so equality is up to rounding.
        extreme += int((np.abs(signs @ differences) >= observed * (1 - 1e-9)).sum())
    return (extreme + 1) / (ROUNDS + 1)


def _resampled_means(values: Values) -> Iterator[Values]:
    random = np.random.default_rng(_SEED)
    n = len(values)
    step = max(1, _BLOCK // n)
    for start in range(0, ROUNDS, step):
        counts = random.multinomial(n, np.full(n, 1 / n), min(step, ROUNDS - start))
        yield counts @ values / n
