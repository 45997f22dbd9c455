"""Which learning rate suits a net and its data: a test that takes one short training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import Interval, validate_parameter_constraints

from .._training import GlitchNetClassifier
from ._cnn_classifier import CNNClassifier

# Weight of the past in the running mean of the losses.
_SMOOTHING = 0.9
# The test is over once the loss is this many times its minimum.
_EXPLOSION = 4.0
# Rates are so low in this part of the steps that only the choice of batches moves the loss.
_SETTLING = 0.1
# The suggestion over the rate at which this part of the fall of the loss is done.
_CAUTION = 0.1
_FALLEN = 0.9

_CONSTRAINTS: dict = {
    "classifier": [CNNClassifier],
    "lowest": [Interval(Real, 0, None, closed="neither")],
    "highest": [Interval(Real, 0, None, closed="neither")],
    "n_steps": [Interval(Integral, 2, None, closed="left")],
}


@dataclass(frozen=True, eq=False)
class LearningRateRange:
    """Losses at rising learning rates, made by :func:`learning_rate_range`.

    Parameters
    ----------
    rates : ndarray of shape (n_steps,)
        Learning rate of each step that was made, rising.
    losses : ndarray of shape (n_steps,)
        Loss of the batch of each step.
    smoothed : ndarray of shape (n_steps,)
        Running mean of the losses.
    suggestion : float
        A ``learning_rate`` for :class:`CNNClassifier`.

    See Also
    --------
    learning_rate_range : Makes it.
    skglitch.display.LearningRateDisplay : Draws it.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.estimators import LearningRateRange
    >>> rates, losses = np.array([1e-3, 1e-2, 1e-1]), np.array([1.0, 0.5, 3.0])
    >>> LearningRateRange(rates, losses, losses, suggestion=1e-3).suggestion
    0.001
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float


def learning_rate_range(
    classifier: CNNClassifier,
    X: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    lowest: float = 1e-6,
    highest: float = 1.0,
    n_steps: int = 100,
) -> LearningRateRange:
    """Train a copy of a classifier at rising learning rates, and see which ones it bears.

    The learning rate rises by the same factor from step to step [1]_, one batch a step, that of
    all layers alike: ``trunk_factor`` and ``layer_decay`` keep their meaning. The test stops when
    the loss is four times its minimum, or no number. It costs about as much as ``n_steps`` steps
    of ``fit``.

    Parameters
    ----------
    classifier : CNNClassifier
        Is left as it is, fitted or not; its parameters are what counts. What ``head_epochs`` or
        ``fine_tune="gradual"`` would freeze at first is trained from the start.
    X : array-like
        Images as for :meth:`CNNClassifier.fit`.
    y : array-like of shape (n_samples,)
        Labels.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples' losses.
    lowest : float, default=1e-6
        Learning rate of the first step.
    highest : float, default=1.0
        Learning rate of the last step, if the loss bears it.
    n_steps : int, default=100
        Number of steps, 2 at least.

    Returns
    -------
    result : LearningRateRange

    Raises
    ------
    ValueError
        If a parameter, X or y is not what it should be, or if the first loss is no number.

    See Also
    --------
    CNNClassifier : Takes the suggestion as ``learning_rate``.
    skglitch.display.LearningRateDisplay : Draws rates and losses.

    Notes
    -----
    The suggestion is a tenth of the rate at which nine tenths of the fall of the smoothed loss
    are done. It is not the rate of the lowest loss that counts: on an easy set the loss is next
    to nothing over decades of rates. And it is a tenth of it because ``learning_rate`` is the
    highest rate of a training, which has to be borne for many steps and not for one, and as a
    mean over past losses tells late. The first tenth of the steps, in which little but the choice
    of the batches moves the loss, is not looked at. Where the loss only rises, as it may when the
    last layer starts from a regression that is right about all images, there is nothing to
    suggest: look at the curve, or set ``head_init="zeros"`` for the test.

    References
    ----------
    .. [1] L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017,
       arXiv:1506.01186.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch import CNNClassifier
    >>> from skglitch.estimators import learning_rate_range
    >>> X = np.random.default_rng(0).integers(0, 50, (8, 1, 64, 64), dtype=np.uint8)
    >>> X[:4, :, 50:], X[4:, :, :, 30:34] = 200, 200
    >>> y = np.repeat(["Low_Frequency_Lines", "Blip"], 4)
    >>> classifier = CNNClassifier(random_state=0)
    >>> result = learning_rate_range(classifier, X, y, n_steps=10)
    >>> bool(result.rates[0] <= result.suggestion < result.rates[-1])
    True
    """
    given = {"classifier": classifier, "lowest": lowest, "highest": highest, "n_steps": n_steps}
    validate_parameter_constraints(_CONSTRAINTS, given, caller_name="learning_rate_range")
    if lowest >= highest:
        raise ValueError(f"lowest={lowest:g} has to be below highest={highest:g}.")
    twin = clone(classifier)
    twin._validate_params()
    rates = np.geomspace(lowest, highest, n_steps)
    with twin._net_for(*twin._read_to_fit(X, y, sample_weight)) as (net, train):
        losses = _losses_until_explosion(net, train, rates)
    rates, smoothed = rates[: len(losses)], _smoothed(losses)
    return LearningRateRange(rates, losses, smoothed, _suggested(rates, smoothed, n_steps))


def _losses_until_explosion(net: GlitchNetClassifier, train: Any, rates: np.ndarray) -> np.ndarray:
    """Loss of one training step at each rate, up to the first that explodes."""
    net.initialize()
    factors = [group["lr"] / net.lr for group in net.optimizer_.param_groups]
    losses: list[float] = []
    for rate, batch in zip(rates, _endless(net, train), strict=False):
        for group, factor in zip(net.optimizer_.param_groups, factors, strict=True):
            group["lr"] = rate * factor
        loss = net.train_step(batch)["loss"].item()
        if not math.isfinite(loss):
            break
        losses.append(loss)
        settled = _smoothed(losses)[_n_settling(len(rates)) :]
        if len(settled) and settled[-1] > _EXPLOSION * settled.min():
            break
    if not losses:
        raise ValueError(
            f"The first loss is {loss}: try precision='float32', or look for extreme values in X."
        )
    return np.array(losses)


def _suggested(rates: np.ndarray, smoothed: np.ndarray, n_steps: int) -> float:
    settled = smoothed[min(_n_settling(n_steps), len(smoothed) - 1) :]
    to_reach = settled.min() + (1.0 - _FALLEN) * (settled[0] - settled.min())
    rate = rates[len(smoothed) - len(settled) + int(np.argmax(settled <= to_reach))]
    return max(float(rates[0]), _CAUTION * float(rate))


def _endless(net: GlitchNetClassifier, train: Any) -> Iterator[Any]:
    batches = net.get_iterator(train, training=True)
    return itertools.chain.from_iterable(itertools.repeat(batches))


def _n_settling(n_steps: int) -> int:
    return int(_SETTLING * n_steps)


def _smoothed(losses: Any) -> np.ndarray:
    """Average over the past, which fades exponentially, without a bias to its start."""
    weights = _SMOOTHING ** np.arange(len(losses))
    return np.convolve(losses, weights)[: len(losses)] / np.cumsum(weights)
