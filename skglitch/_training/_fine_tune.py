"""Which layers are trained, from when on, and how fast."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import nn

from .._backbones import Backbone, Readout
from ._module import GlitchNet

ALL, HEAD, GRADUAL = "all", "head", "gradual"
# With "gradual", the whole net is being trained after this part of the epochs.
_UNFREEZING = 0.5
_TRUNK = "encoder.trunk."


def stages_read(trunk: Backbone, readout: Readout) -> list[tuple[str, ...]]:
    """Stages of the net up to the last layer that is read: those after it are not computed.

    Parameters
    ----------
    trunk : Backbone
    readout : Readout

    Returns
    -------
    stages : list of tuple of str
        As :meth:`Backbone.stages` has them.
    """
    stages = trunk.stages()
    last = max(_stage_of(layer, stages) for layer in readout.layers)
    return stages[: last + 1]


def frozen_parts(
    trunk: Backbone, fine_tune: str, progress: float = 0.0, readout: Readout | None = None
) -> tuple[str, ...]:
    """Parts of the net that are not trained.

    Parameters
    ----------
    trunk : Backbone
    fine_tune : str
        ``"all"``, ``"head"``, ``"gradual"``, or the name of the first layer to train.
    progress : float, default=0.0
        Part of the training that is over, from 0 to 1.
    readout : Readout, default=None
        What is read of the net, where gradual unfreezing begins; None for its end.

    Returns
    -------
    frozen : tuple of str
        Names for :meth:`GlitchNet.freeze`.

    Raises
    ------
    ValueError
        If there is no such layer.

    Examples
    --------
    >>> from skglitch._backbones import make_backbone
    >>> from skglitch._training import frozen_parts
    >>> trunk = make_backbone("resnet18", weights=None)
    >>> frozen_parts(trunk, "layer3")
    ('conv1', 'bn1', 'relu', 'maxpool', 'layer1', 'layer2')
    >>> frozen_parts(trunk, "head")  # the whole net
    ('',)
    """
    if fine_tune == ALL:
        return ()
    if fine_tune == HEAD:
        return ("",)
    if fine_tune == GRADUAL:
        stages = stages_read(trunk, readout or Readout())
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

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch import CNNClassifier
    >>> X = np.repeat([0, 255], 4 * 32 * 32).astype(np.uint8).reshape(8, 1, 32, 32)
    >>> y = ["Blip"] * 4 + ["Tomte"] * 4
    >>> net = CNNClassifier("test_efficientnet", weights=None, fine_tune="gradual", max_epochs=2)
    >>> [name for name, _ in net.fit(X, y).net_.callbacks if name == "unfreeze"]
    ['unfreeze']
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
        encoder = module.encoder
        module.freeze(frozen_parts(encoder.trunk, self.fine_tune, progress, encoder.readout))


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

    The new last layer learns at ``learning_rate``, the last stage of the pre-trained net that is
    read at ``trunk_factor`` times that, and its first at ``layer_decay`` times that again; in
    between the factor is ``layer_decay`` to the power of the distance from the end, as a part of
    the depth [1]_. Auxiliary branches learn as the last stage does. Vectors (biases, batch-norm
    scales) are not decayed: pulling them to zero changes what a layer computes without making it
    simpler.

    References
    ----------
    .. [1] J. Howard, S. Ruder, "Universal Language Model Fine-tuning for Text Classification",
       ACL 2018, arXiv:1801.06146.
    """
    encoder = net.encoder
    stages = stages_read(encoder.trunk, encoder.readout)
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in named_parameters:
        factor = 1.0
        if name.startswith(_TRUNK):
            distance = _distance_from_end(name.removeprefix(_TRUNK), stages)
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


def _distance_from_end(name: str, stages: list[tuple[str, ...]]) -> float:
    """0 for a parameter of the last stage and of what comes after it, 1 for one of the first."""
    last = len(stages) - 1
    if not name.startswith("net.") or last < 1:
        return 0.0
    return 1.0 - _stage_of(name.removeprefix("net."), stages) / last


def _stage_of(name: str, stages: list[tuple[str, ...]]) -> int:
    """Position of the last stage that has a part in ``name``, or of the last one of all."""
    inside = [
        index
        for index, stage in enumerate(stages)
        if any(name == part or _is_within(name, part) or _is_within(part, name) for part in stage)
    ]
    return inside[-1] if inside else len(stages) - 1


def _is_within(name: str, module: str) -> bool:
    return name.startswith(f"{module}.")


def _modules_before(net: nn.Module, start: str) -> list[str]:
    """Outermost modules that are complete before ``start`` in the order of definition."""
    before: list[str] = []
    for name, _ in net.named_modules():
        if name and name == start:
            return before
        is_parent = _is_within(start, name)
        is_inside = any(_is_within(name, done) for done in before)
        if name and not is_parent and not is_inside:
            before.append(name)
    return before
