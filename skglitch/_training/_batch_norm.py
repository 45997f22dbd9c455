"""Statistics of batch norms: from photographs to spectrograms."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from contextlib import contextmanager

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from ._module import GlitchNet

# Enough images for means and variances that another draw would hardly change.
MEASURED_IMAGES = 512


def measure_batch_norm(net: GlitchNet, batches: Iterable[torch.Tensor]) -> None:
    """Measure the statistics of the trainable batch norms anew.

    Statistics of photographs do not fit spectrograms, and those that are averaged over a few
    dozen training steps lag behind the layers before them, so that a net trained on few
    images would predict with other statistics than it was trained with. Measured before
    training and kept, or measured when it is over, they fit [1]_.

    Parameters
    ----------
    net : GlitchNet
    batches : iterable of Tensor
        Training images ``(n, n_views, height, width)`` on the device of the net.

    References
    ----------
    .. [1] Y. Li et al., "Revisiting Batch Normalization For Practical Domain Adaptation",
       2016, arXiv:1603.04779.

    Examples
    --------
    >>> import torch
    >>> from skglitch._backbones import make_backbone
    >>> from skglitch.spectrograms import ViewLayout
    >>> from skglitch._training import GlitchNet, ViewEncoder, measure_batch_norm
    >>> layout = ViewLayout.from_parameter("mosaic", (4.0,), n_views=1)
    >>> net = GlitchNet(ViewEncoder(make_backbone("resnet18", weights=None), layout), n_classes=2)
    >>> before = net.encoder.trunk.net.bn1.running_var.clone()
    >>> measure_batch_norm(net, [torch.rand(8, 1, 64, 64)])
    >>> torch.equal(before, net.encoder.trunk.net.bn1.running_var)
    False
    """
    norms = [
        module
        for module in net.modules()
        if isinstance(module, _BatchNorm) and _is_trainable(module)
    ]
    if not norms:
        return
    was_training = net.training
    net.eval()  # no dropout; only the norms themselves see batches
    try:
        with _cumulative(norms), torch.no_grad():
            for images in batches:
                net.encoder.features(images)
    finally:
        net.train(was_training)


def _is_trainable(norm: _BatchNorm) -> bool:
    return norm.track_running_stats and any(p.requires_grad for p in norm.parameters())


@contextmanager
def _cumulative(norms: list[_BatchNorm]):
    """Let ``norms`` average over all batches evenly, starting from nothing."""
    before = [(norm.momentum, copy.deepcopy(dict(norm.named_buffers()))) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    try:
        yield
    finally:
        for norm, (momentum, buffers) in zip(norms, before, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked == 0:
                # A layer after the last one that is read: nothing has been measured.
                norm.load_state_dict(buffers, strict=False)
