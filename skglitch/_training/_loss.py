"""What is minimized."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

LOSSES = ("cross_entropy", "focal", "logit_adjusted")


class GlitchLoss(nn.Module):
    """Cross-entropy of each sample, with what helps rare classes.

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Share of each label that is spread evenly over all classes.
    focal_gamma : float, default=0.0
        Exponent of ``(1 - p)``, p being the probability of the true class, that the loss of a
        sample is multiplied by: samples that are right already count less [1]_.
    prior : ndarray of shape (n_classes,), default=None
        Share of each class in training. Its logarithm is added to the logits, so that the net
        itself learns what the logits would be if all classes were equally common [2]_.

    References
    ----------
    .. [1] T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017,
       arXiv:1708.02002.
    .. [2] A. K. Menon et al., "Long-tail learning via logit adjustment", ICLR 2021,
       arXiv:2007.07314.

    Examples
    --------
    >>> import torch
    >>> from skglitch._training import GlitchLoss
    >>> logits, targets = torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 0])
    >>> round(GlitchLoss()(logits, targets).item(), 4)
    0.41
    >>> round(GlitchLoss(focal_gamma=2.0)(logits, targets).item(), 4)
    0.0875
    """

    log_prior: torch.Tensor | None

    def __init__(
        self,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        prior: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.focal_gamma = focal_gamma
        log_prior = None if prior is None else torch.tensor(np.log(prior), dtype=torch.float32)
        self.register_buffer("log_prior", log_prior)

    def forward(
        self,
        logits: torch.Tensor,
        targets: torch.Tensor,
        sample_weight: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Mean loss; weights have a mean of 1 over the training set, so they scale no rate."""
        if self.log_prior is not None:
            logits = logits + self.log_prior
        losses = nn.functional.cross_entropy(
            logits, targets, label_smoothing=self.label_smoothing, reduction="none"
        )
        if self.focal_gamma:
            probability = logits.softmax(dim=1).gather(1, targets[:, None])[:, 0]
            losses = losses * (1.0 - probability) ** self.focal_gamma
        return losses.mean() if sample_weight is None else (losses * sample_weight).mean()
