"""The learning rate over the steps of a training."""

from __future__ import annotations

import functools
import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

_WARM_UP = 0.25


def warm_up_and_decay(optimizer: Optimizer, total_steps: int, last_epoch: int = -1) -> LambdaLR:
    """Raise the rate of each group over a quarter of the steps, then let it fall to nothing.

    The rise is linear and the fall half a cosine [1]_.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts",
       ICLR 2017, arXiv:1608.03983.

    Examples
    --------
    >>> import torch
    >>> from skglitch._training import warm_up_and_decay
    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = warm_up_and_decay(optimizer, total_steps=8)
    >>> rates = []
    >>> for _ in range(8):
    ...     rates.append(round(schedule.get_last_lr()[0], 2))
    ...     optimizer.step()
    ...     schedule.step()
    >>> rates
    [0.5, 1.0, 1.0, 0.93, 0.75, 0.5, 0.25, 0.07]
    """
    factor = functools.partial(_rate_factor, total_steps=total_steps)
    return LambdaLR(optimizer, factor, last_epoch=last_epoch)


def _rate_factor(step: int, total_steps: int) -> float:
    n_rising = max(1, round(_WARM_UP * total_steps))
    if step < n_rising:
        return (step + 1) / n_rising
    # skorch asks once more after the last step, hence the bound.
    progress = min(1.0, (step - n_rising) / max(1, total_steps - n_rising))
    return 0.5 * (1 + math.cos(math.pi * progress))
