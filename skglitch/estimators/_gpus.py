"""Several GPUs: one for each worker process of joblib, or all for one fit."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from joblib import parallel_config
from joblib.externals.loky import get_reusable_executor
from torch import distributed

from .._training import PROCESSES, Processes

_place: FileLock  # of this worker, locked until it ends


@contextlib.contextmanager
def one_gpu_per_worker(n_jobs: int | None = None) -> Iterator[None]:
    """Give each worker process of joblib its own GPU.

    In the ``with`` block, the workers of grid searches, cross-validation and everything else that
    uses joblib have different current GPUs, which ``device="auto"`` and ``"cuda"`` use. The
    workers end with the block. Without a GPU, the block only sets ``n_jobs``.

    Parameters
    ----------
    n_jobs : int, default=None
        Number of workers. None is the number of GPUs. More workers than GPUs are spread evenly
        over the GPUs. ``n_jobs`` of an estimator takes precedence.

    Yields
    ------
    None

    See Also
    --------
    joblib.parallel_config : Set only the number of workers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import cross_val_score
    >>> from skglitch import CNNClassifier, one_gpu_per_worker
    >>> X = np.random.default_rng(0).integers(0, 50, (8, 1, 64, 64), dtype=np.uint8)
    >>> y = np.repeat(["Low_Frequency_Lines", "Blip"], 4)
    >>> classifier = CNNClassifier(max_epochs=1, random_state=0)
    >>> with one_gpu_per_worker():
    ...     scores = cross_val_score(classifier, X, y, cv=2)
    >>> scores.shape
    (2,)
    """
    n_gpus = torch.accelerator.device_count()
    if not n_gpus:
        with parallel_config("loky", n_jobs=n_jobs):
            yield
        return
    with tempfile.TemporaryDirectory(prefix="skglitch-") as folder:
        params = {"initializer": _take_gpu, "initargs": (folder, n_gpus)}
        n_jobs = n_gpus if n_jobs is None else n_jobs
        try:
            with parallel_config("loky", n_jobs=n_jobs, **params):
                yield
        finally:
            # Idle workers would keep GPU memory for minutes.
            get_reusable_executor(reuse=True).shutdown(wait=True)


def _take_gpu(folder: str, n_gpus: int) -> None:
    """Make the GPU of the first free place the current one of this worker."""
    # joblib replaces a worker that died or leaked memory. Its lock is released by then, so the new
    # worker gets the same GPU.
    global _place
    for number in itertools.count():
        _place = FileLock(Path(folder, f"{number}.lock"))
        with contextlib.suppress(Timeout):
            _place.acquire(blocking=False)
            break
    torch.accelerator.set_device_index(number % n_gpus)


@contextlib.contextmanager
def all_gpus_per_fit() -> Iterator[int]:
    """Distribute each fit of :class:`CNNClassifier` over the processes of ``torchrun``.

    Each process runs the whole script with all the data, on the GPU of its local rank, and
    computes its part of every batch. All processes end with the same weights. Up to rounding,
    these are the weights from a single process, unless layers depend on the other samples of a
    batch or draw random numbers: batch norms in training, and dropout.

    An error in one process is raised in all. Progress bars and callbacks that write files, such as
    ``Checkpoint``, run in the first process only. Without ``torchrun``, the block changes nothing.

    Yields
    ------
    rank : int
        The rank of this process. Only rank 0 should write files.

    See Also
    --------
    one_gpu_per_worker : One fit per GPU, for searches and cross-validations.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch import CNNClassifier, all_gpus_per_fit
    >>> X = np.random.default_rng(0).integers(0, 50, (8, 1, 64, 64), dtype=np.uint8)
    >>> y = np.repeat(["Low_Frequency_Lines", "Blip"], 4)
    >>> classifier = CNNClassifier(max_epochs=1, random_state=0)
    >>> with all_gpus_per_fit() as rank:
    ...     classifier = classifier.fit(X, y)
    >>> rank
    0
    """
    starts_group = not distributed.is_initialized()
    if starts_group:
        if "RANK" not in os.environ:
            yield 0
            return
        if torch.accelerator.is_available():
            torch.accelerator.set_device_index(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group()
    rank, size = distributed.get_rank(), distributed.get_world_size()
    token = PROCESSES.set(Processes(rank, size, distributed.new_group(backend="gloo")))
    try:
        yield rank
    finally:
        PROCESSES.reset(token)
        if starts_group:
            distributed.destroy_process_group()
