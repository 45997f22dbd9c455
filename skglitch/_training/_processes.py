"""Distributed training, in which each process computes its part of every batch.

All processes draw and augment whole batches from the same seed, and get the loss of the whole
batch. So their gradients add up to the gradient in a single process, for any criterion and weights.
"""

from __future__ import annotations

import contextlib
import pickle
import zlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import distributed, nn


class _FailedError(Exception):
    """Error of one process, to be raised in all."""


@dataclass(frozen=True)
class Processes:
    """The processes of a fit, of which this is number ``rank``."""

    rank: int = 0
    size: int = 1
    host: Any = None  # group of torch.distributed for data on the host

    def part(self, n_samples: int) -> slice:
        """Rows of a batch that this process computes, at least one."""
        start, stop = self._bounds(n_samples)
        return slice(start, max(stop, start + 1))

    def join(self, part: torch.Tensor, n_samples: int) -> torch.Tensor:
        """Gather the rows of the whole batch; gradients flow to those of this process."""
        if self.size == 1:
            return part
        start, stop = self._bounds(n_samples)
        own = part[: stop - start]  # none if there are more processes than samples
        whole = own.new_zeros((n_samples, *own.shape[1:]))
        whole[start:stop] = own.detach()
        self._sum(whole)
        return torch.cat([whole[:start], own, whole[stop:]])

    def sum_gradients(self, module: nn.Module) -> None:
        """Replace the gradients by their sum over all processes."""
        if self.size == 1:
            return
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        total = torch.cat([gradient.flatten() for gradient in gradients])
        self._sum(total)
        parts = total.split([gradient.numel() for gradient in gradients])
        for gradient, values in zip(gradients, parts, strict=True):
            gradient.copy_(values.view_as(gradient))

    def share_weights(self, module: nn.Module) -> None:
        """Broadcast the parameters and buffers of the first process."""
        if self.size == 1:
            return
        self.agree()
        for tensor in (*module.parameters(), *module.buffers()):
            values = tensor.detach().contiguous()
            distributed.broadcast(values, 0)
            tensor.detach().copy_(values)

    def share_random_state(
        self, random_state: Any, images: np.ndarray, targets: np.ndarray
    ) -> np.random.RandomState:
        """Return the random state of the first process, if all have the same data."""
        random_state = check_random_state(random_state)
        if self.size == 1:
            return random_state
        data = images.shape, zlib.crc32(targets.tobytes())
        gathered = self._gather((data, random_state))
        if any(other != data for other, _ in gathered):
            shapes = [shape for (shape, _), _ in gathered]
            raise ValueError(
                f"X and y are not the same in all processes, where X has the shapes {shapes}: "
                "each process needs all the data, and computes with its part of every batch."
            )
        return random_state if self.rank == 0 else gathered[0][1]

    def _bounds(self, n_samples: int) -> tuple[int, int]:
        return self.rank * n_samples // self.size, (self.rank + 1) * n_samples // self.size

    def _sum(self, tensor: torch.Tensor) -> None:
        self.agree()
        distributed.all_reduce(tensor)

    def _gather(self, value: Any) -> list[Any]:
        self.agree()
        gathered: list[Any] = [None] * self.size
        distributed.all_gather_object(gathered, value, group=self.host)
        return gathered

    def agree(self, error: Exception | None = None) -> None:
        """Wait for the other processes; if there is an error in one, raise it in all.

        Call this before all communication, as a process that has failed does not take part.
        """
        n_failed = torch.tensor([int(error is not None)])
        distributed.all_reduce(n_failed, group=self.host)
        if not n_failed.item():
            return
        errors: list[Any] = [None] * self.size
        distributed.all_gather_object(errors, _as_message(error), group=self.host)
        raise _FailedError(next(other for other in errors if other is not None))


def _as_message(error: Exception | None) -> Exception | None:
    """Return an error that can be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


# The processes that share a fit, set by skglitch.all_gpus_per_fit.
PROCESSES = ContextVar("PROCESSES", default=Processes())  # noqa: B039 (frozen)


@contextlib.contextmanager
def failing_together() -> Iterator[None]:
    """Context of a fit, in which an error in one process is raised in all."""
    processes = PROCESSES.get()
    try:
        yield
    except _FailedError as failed:
        raise failed.args[0] from None
    except Exception as error:
        if processes.size > 1:
            with contextlib.suppress(_FailedError):
                processes.agree(error)
        raise
