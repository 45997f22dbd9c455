"""Which layers are trained, from when on, and how fast."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import nn

from ..backbones import Trunk
from ._module import GlitchNet

ALL, HEAD, GRADUAL = "all", "head", "gradual"
# With "gradual", the whole net is being trained after this part of the epochs.
_UNFREEZING = 0.5
_NET = "encoder.trunk.net."


def frozen_parts(trunk: Trunk, fine_tune: str, progress: float = 0.0) -> tuple[str, ...]:
    """Parts of the net that are not trained.

    Parameters
    ----------
    trunk : Trunk
    fine_tune : str
        ``"all"``, ``"head"``, ``"gradual"``, or the name of the first layer to train.
    progress : float, default=0.0
        Part of the training that is over, from 0 to 1.

    Returns
    -------
    frozen : tuple of str
        Names for :meth:`GlitchNet.freeze`.

    Raises
    ------
    ValueError
        If there is no such layer.
    """
    if fine_tune == ALL:
        return ()
    if fine_tune == HEAD:
        return ("",)
    if fine_tune == GRADUAL:
        stages = trunk.stages()
        n_trained = math.floor(len(stages) * min(1.0, progress / _UNFREEZING))
        if n_trained == 0:
            return ("",)
        return tuple(name for stage in stages[: len(stages) - n_trained] for name in stage)
    trunk.check_layer(fine_tune, "fine_tune")
    return tuple(_modules_before(trunk.net, fine_tune))


class Unfreeze(Callback):
    """Freeze and unfreeze layers as the training goes on.

    Parameters
    ----------
    fine_tune : str
        As in :func:`frozen_parts`.
    head_epochs : int, default=0
        Number of epochs at the beginning in which only the last layer is trained.
    """

    def __init__(self, fine_tune: str, head_epochs: int = 0) -> None:
        self.fine_tune = fine_tune
        self.head_epochs = head_epochs

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Freeze what has not had its turn."""
        epoch = len(net.history) - 1
        module = net.module_
        if epoch < self.head_epochs:
            module.freeze(("",))
            return
        n_epochs = max(1, net.max_epochs - self.head_epochs)
        progress = (epoch - self.head_epochs) / n_epochs
        module.freeze(frozen_parts(module.encoder.trunk, self.fine_tune, progress))


def depths(trunk: Trunk) -> dict[str, float]:
    """How deep each stage of the net lies, from 0 at the input to 1 at the last stage.

    Returns
    -------
    depths : dict
        Depth by name of a module or parameter of ``trunk.net``.
    """
    stages = trunk.stages()
    last = max(1, len(stages) - 1)
    return {name: index / last for index, stage in enumerate(stages) for name in stage}


def parameter_groups(
    net: GlitchNet,
    named_parameters: Iterable[tuple[str, nn.Parameter]],
    *,
    learning_rate: float,
    trunk_factor: float,
    layer_decay: float,
    weight_decay: float,
) -> list[dict[str, Any]]:
    """Sort parameters by learning rate and decay.

    The new last layer learns at ``learning_rate``, the end of the pre-trained net at
    ``trunk_factor`` times that, and its beginning at ``layer_decay`` times that again; in
    between the factor is ``layer_decay`` to the power of the distance from the end, as a part of
    the depth [1]_. Vectors (biases, batch-norm scales) are not decayed: pulling them to zero
    changes what a layer computes without making it simpler.

    References
    ----------
    .. [1] J. Howard, S. Ruder, "Universal Language Model Fine-tuning for Text Classification",
       ACL 2018, arXiv:1801.06146.
    """
    depth_of = depths(net.encoder.trunk) if layer_decay != 1.0 else {}
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in named_parameters:
        factor = 1.0
        if name.startswith(_NET):
            distance = 1.0 - _depth(name.removeprefix(_NET), depth_of) if depth_of else 0.0
            factor = trunk_factor * layer_decay**distance
        groups.setdefault((factor, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": learning_rate * factor,
            "weight_decay": weight_decay if is_matrix else 0.0,
        }
        for (factor, is_matrix), parameters in groups.items()
    ]


def _depth(name: str, depth_of: dict[str, float]) -> float:
    while name not in depth_of:
        name = name.rpartition(".")[0]
    return depth_of[name]


def _modules_before(net: nn.Module, start: str) -> list[str]:
    """Outermost modules that are complete before ``start`` in the order of definition."""
    before: list[str] = []
    for name, _ in net.named_modules():
        if name and name == start:
            return before
        is_parent = start.startswith(f"{name}.")
        is_inside = any(name.startswith(f"{done}.") for done in before)
        if name and not is_parent and not is_inside:
            before.append(name)
    return before
