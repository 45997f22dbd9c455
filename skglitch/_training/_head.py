"""Heads by logistic regression, to initialize fine-tuning and to add classes."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import nn

# Weak regularization, as the regression must separate few images.
_C = 10.0


def regress_head(
    head: nn.Linear,
    features: np.ndarray,
    targets: np.ndarray,
    sample_weight: np.ndarray | None = None,
) -> None:
    """Set ``head`` by logistic regression on features ``(n_samples, n_features)``."""
    # Random heads distort pretrained features (Kumar et al., arXiv:2202.10054).
    regression = LogisticRegression(C=_C, max_iter=1000)
    with warnings.catch_warnings():
        # Training continues from it, even if it did not converge.
        warnings.simplefilter("ignore", ConvergenceWarning)
        regression.fit(features, targets, sample_weight=sample_weight)
    weight, bias = regression.coef_, regression.intercept_
    if len(weight) == 1:
        # For two classes there is one row, of which each class gets half.
        weight, bias = np.vstack([-weight / 2, weight / 2]), np.hstack([-bias / 2, bias / 2])
    with torch.no_grad():
        head.weight.copy_(torch.tensor(weight, dtype=torch.float32))
        head.bias.copy_(torch.tensor(bias, dtype=torch.float32))


def add_rows(
    head: nn.Linear, features: np.ndarray, targets: np.ndarray, order: np.ndarray
) -> nn.Linear:
    """Return a head with rows for new classes; its row i is row ``order[i]`` of old and new rows.

    Rows of old classes do not change. New rows minimize the class-balanced cross-entropy with an L2
    penalty, which is a convex problem.
    """
    x = torch.as_tensor(features, dtype=torch.float64)
    y = torch.as_tensor(order[targets])
    share = 1.0 / torch.bincount(y, minlength=len(order)).clamp(min=1)[y].double()
    old = x @ head.weight.detach().cpu().double().T + head.bias.detach().cpu().double()
    n_new = len(order) - head.out_features
    rows = torch.zeros(n_new, x.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([rows], max_iter=200, line_search_fn="strong_wolfe")

    def objective() -> torch.Tensor:
        optimizer.zero_grad()
        new = x @ rows[:, :-1].T + rows[:, -1]
        losses = nn.functional.cross_entropy(torch.cat([old, new], 1), y, reduction="none")
        penalty = 0.5 * rows[:, :-1].square().sum() / _C
        loss = (losses * share).sum() + penalty
        loss.backward()
        return loss

    optimizer.step(objective)
    grown = nn.utils.skip_init(nn.Linear, head.in_features, len(order)).to(head.weight)
    with torch.no_grad():
        new = rows.to(head.weight)
        grown.weight.copy_(torch.cat([head.weight, new[:, :-1]])[order])
        grown.bias.copy_(torch.cat([head.bias, new[:, -1]])[order])
    return grown
