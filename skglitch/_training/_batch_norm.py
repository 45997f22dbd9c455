"""Statistics of batch norms, measured on spectrograms."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from ._module import GlitchNet


def measure_batch_norm(net: GlitchNet, batches: Iterable[torch.Tensor]) -> None:
    """Measure the statistics of the trainable batch norms on ``batches`` of training images."""
    # Averages over a few dozen training steps lag behind the layers before them. Measured when
    # training is over, the statistics fit (Li et al., arXiv:1603.04779).
    norms = [
        module
        for module in net.modules()
        if isinstance(module, _BatchNorm)
        and module.track_running_stats
        and any(parameter.requires_grad for parameter in module.parameters())
    ]
    if not norms:
        return
    before = [(norm.momentum, copy.deepcopy(dict(norm.named_buffers()))) for norm in norms]
    was_training = net.training
    net.eval()  # no dropout in the backbone; only the norms themselves train
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over all batches
        norm.train()
    try:
        with torch.no_grad():
            for images in batches:
                net.encoder.features(images)
    finally:
        for norm, (momentum, buffers) in zip(norms, before, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked == 0:
                # A layer after the last one that is read: nothing has been measured.
                norm.load_state_dict(buffers, strict=False)
        net.train(was_training)
