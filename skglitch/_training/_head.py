"""Last layers by logistic regression: where fine-tuning starts, and how a class is added."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import nn

# A probe has to separate the few images there are, not to shrink: weak regularisation.
_C = 10.0
_MAX_ITER = 1000


def probe(
    features: np.ndarray,
    targets: np.ndarray,
    sample_weight: np.ndarray | None = None,
    *,
    balanced: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Last layer that logistic regression on the features of the net as it is gives.

    Fine-tuning that starts from it changes the net less than from a random last layer, whose
    first steps would distort what the net knows [1]_.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
    targets : ndarray of shape (n_samples,), dtype int64
        Each class from 0 to the last at least once.
    sample_weight : ndarray of shape (n_samples,), default=None
    balanced : bool, default=False
        Whether all classes have the same weight together.

    Returns
    -------
    weight : Tensor of shape (n_classes, n_features)
    bias : Tensor of shape (n_classes,)

    References
    ----------
    .. [1] A. Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform
       Out-of-Distribution", ICLR 2022, arXiv:2202.10054.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch._training import probe
    >>> weight, bias = probe(np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1]))
    >>> weight.shape, bool(weight[1] > weight[0])
    (torch.Size([2, 1]), True)
    """
    regression = LogisticRegression(
        C=_C, class_weight="balanced" if balanced else None, max_iter=_MAX_ITER
    )
    with warnings.catch_warnings():
        # Training goes on from it, wherever it has got to.
        warnings.simplefilter("ignore", ConvergenceWarning)
        regression.fit(features, targets, sample_weight=sample_weight)
    weight, bias = regression.coef_, regression.intercept_
    if len(weight) == 1:
        # One row tells the second class from the first: half of it for each.
        weight, bias = np.vstack([-weight / 2, weight / 2]), np.hstack([-bias / 2, bias / 2])
    return torch.tensor(weight, dtype=torch.float32), torch.tensor(bias, dtype=torch.float32)


def add_rows(
    head: nn.Linear,
    features: np.ndarray,
    targets: np.ndarray,
    n_new: int,
    *,
    max_iter: int = 200,
) -> nn.Linear:
    """Last layer with further classes; the rows of the old ones stay as they are.

    What the old classes say of each other therefore does not change: a glitch can only change
    over to a new class. The new rows minimize the cross-entropy, each class with the same
    weight, and a penalty on their size, as in logistic regression; the problem is convex.

    Parameters
    ----------
    head : torch.nn.Linear
        Last layer for the old classes.
    features : ndarray of shape (n_samples, n_features)
        Of glitches of old and new classes.
    targets : ndarray of shape (n_samples,), dtype int64
        New classes have the numbers after the old ones.
    n_new : int
    max_iter : int, default=200

    Returns
    -------
    head : torch.nn.Linear

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skglitch._training import add_rows
    >>> head = torch.nn.Linear(2, 2)
    >>> features = np.array([[1.0, 0.0], [0.0, 1.0], [-3.0, -3.0]])
    >>> grown = add_rows(head, features, np.array([0, 1, 2]), n_new=1)
    >>> grown.out_features, torch.equal(grown.weight[:2], head.weight)
    (3, True)
    """
    n_old = head.out_features
    x = torch.as_tensor(features, dtype=torch.float64)
    y = torch.as_tensor(targets)
    share = 1.0 / torch.bincount(y, minlength=n_old + n_new).clamp(min=1)[y].double()
    old = x @ head.weight.detach().cpu().double().T + head.bias.detach().cpu().double()
    rows = torch.zeros(n_new, x.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([rows], max_iter=max_iter, line_search_fn="strong_wolfe")

    def objective() -> torch.Tensor:
        optimizer.zero_grad()
        new = x @ rows[:, :-1].T + rows[:, -1]
        losses = nn.functional.cross_entropy(torch.cat([old, new], 1), y, reduction="none")
        penalty = 0.5 * rows[:, :-1].square().sum() / _C
        loss = (losses * share).sum() + penalty
        loss.backward()
        return loss

    optimizer.step(objective)
    grown = nn.Linear(head.in_features, n_old + n_new).to(head.weight)
    with torch.no_grad():
        grown.weight[:n_old], grown.bias[:n_old] = head.weight, head.bias
        grown.weight[n_old:], grown.bias[n_old:] = rows[:, :-1].to(head.weight), rows[:, -1]
    return grown
