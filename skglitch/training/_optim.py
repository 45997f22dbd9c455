"""Which parameter learns how fast, and when."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from ._module import GlitchNet

_WARM_UP = 0.25


def parameter_groups(
    named_parameters: Iterable[tuple[str, nn.Parameter]],
    *,
    learning_rate: float,
    trunk_factor: float,
    weight_decay: float,
) -> list[dict[str, Any]]:
    """Sort trainable parameters by learning rate and decay.

    The new last layer learns at ``learning_rate``, the pre-trained layers at ``trunk_factor``
    times that. Vectors (biases, batch-norm scales) are not decayed: pulling them to zero
    changes what a layer computes without making it simpler.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in named_parameters:
        if parameter.requires_grad:
            key = (name.startswith("encoder."), parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": learning_rate * (trunk_factor if in_trunk else 1.0),
            "weight_decay": weight_decay if is_matrix else 0.0,
        }
        for (in_trunk, is_matrix), parameters in groups.items()
    ]


def apply_fine_tune(net: GlitchNet, fine_tune: str) -> None:
    """Freeze what the ``fine_tune`` parameter of an estimator says.

    Parameters
    ----------
    net : GlitchNet
    fine_tune : str
        ``"all"``, ``"head"``, or the name of the first layer to train.

    Raises
    ------
    ValueError
        If there is no such layer.
    """
    if fine_tune == "all":
        return
    if fine_tune != "head":
        net.encoder.trunk.check_layer(fine_tune, "fine_tune")
    net.freeze_before(fine_tune)


def warm_up_and_decay(optimizer: Optimizer, total_steps: int, last_epoch: int = -1) -> LambdaLR:
    """Raise the rate of each group over a quarter of the steps, then let it fall to nothing.

    The rise is linear and the fall half a cosine [1]_.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts",
       ICLR 2017, arXiv:1608.03983.
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
