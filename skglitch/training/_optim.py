"""Which parameter learns how fast, and when."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from ._module import GlitchNet


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


def one_cycle(optimizer: Optimizer, total_steps: int, last_epoch: int = -1) -> OneCycleLR:
    """Warm up to the rate of each group over a quarter of the steps, then decay to nothing.

    References
    ----------
    .. [1] L. N. Smith, N. Topin, "Super-Convergence: Very Fast Training of Neural Networks
       Using Large Learning Rates", 2017, arXiv:1708.07120.
    """
    peaks = [group["lr"] for group in optimizer.param_groups]
    # skorch steps once after the last batch too, one more than there are rates.
    return OneCycleLR(
        optimizer,
        max_lr=peaks,
        total_steps=total_steps + 1,
        pct_start=0.25,
        last_epoch=last_epoch,
    )
