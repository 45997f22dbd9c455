"""A CUDA device for tests on machines without one: CUDA's rules, and the numbers of the CPU.

Inside of ``with PretendCuda() as gpu:`` torch says that there are CUDA devices. Tensors on them
say so too, and compute on the CPU. What CUDA refuses is refused with its own messages: mixing
devices, ``numpy()`` and pinning of a tensor on a device. Copies between host and device, and
places where the host waits for a device, are written to ``gpu.log``.

Random numbers come from the CPU's generator, so that results can be compared with those of the
CPU. Streams and events do nothing: work in a wrong order goes unseen, and so do kernels inside of
a Python function of torch, which counts as one call, and inside of the backward pass.
"""

from __future__ import annotations

import contextlib
import copy
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

CPU = torch.device("cpu")
_FREE, _TOTAL = 8 * 2**30, 16 * 2**30

# The host reads a result, or has to know how many there are.
_WAITS = {
    *("item", "tolist", "__bool__", "__int__", "__float__", "__index__", "__contains__"),
    *("__complex__", "__format__", "__repr__", "is_nonzero", "equal", "allclose"),
    *("nonzero", "argwhere", "masked_select", "bincount", "unique", "unique_consecutive"),
    *("_unique2", "one_hot"),
}
_RANDOM = {
    *("rand", "randn", "randint", "randperm", "rand_like", "randn_like", "bernoulli", "dropout"),
    *("bernoulli_", "normal", "normal_", "uniform_", "random_", "multinomial"),
}
# Where the values of another device may come in.
_MAY_MIX = {"set_", "_has_compatible_shallow_copy_type"}

_active: PretendCuda | None = None


@dataclass(frozen=True)
class Event:
    """One entry of the log."""

    kind: str  # "copy in", "copy out", "copy across", "pin" or "wait"
    name: str  # of the function
    where: str  # file and line
    shape: tuple[int, ...] = ()
    dtype: torch.dtype | None = None  # in which the values are copied
    pinned: bool = False  # memory of the host
    waits: bool = False

    @property
    def n_bytes(self) -> int:
        return 0 if self.dtype is None else torch.Size(self.shape).numel() * self.dtype.itemsize

    def __str__(self) -> str:
        dtype = str(self.dtype).removeprefix("torch.")
        what = "" if self.dtype is None else f"{dtype} {self.shape}, {self.n_bytes} bytes"
        remarks = [name for name in ("pinned", "waits") if getattr(self, name)]
        return f"{self.kind:11} {self.name:14} {', '.join([what, *remarks]):60} {self.where}"


class DeviceTensor(Tensor):
    """A tensor that says it is on a CUDA device."""

    _index = 0

    @property
    def device(self) -> torch.device:
        return torch.device("cuda", self._index)

    @property
    def is_cuda(self) -> bool:
        return True

    @property
    def is_cpu(self) -> bool:
        return False

    def get_device(self) -> int:
        return self._index

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return _call(func, args, kwargs or {})

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            if not self.is_leaf:
                raise RuntimeError(
                    "Only Tensors created explicitly by the user (graph leaves) support the "
                    "deepcopy protocol at the moment."
                )
            with torch.no_grad():
                twin = self.detach().clone().requires_grad_(self.requires_grad)
            memo[id(self)] = twin
            twin.__dict__ = copy.deepcopy(self.__dict__, memo)
            if self.grad is not None:
                twin.grad = copy.deepcopy(self.grad, memo)
        return memo[id(self)]

    def __reduce_ex__(self, protocol):
        # As CUDA's tensors do: the storage knows where it has been.
        numbers = _run(Tensor.detach, (self,))
        numbers.untyped_storage().pretended = str(self.device)
        if getattr(self, "_is_param", False):
            return torch._utils._rebuild_parameter, (numbers, self.requires_grad, {})
        return numbers.requires_grad_(self.requires_grad).__reduce_ex__(protocol)


def _run(func: Callable, args: Any = (), kwargs: Any = None) -> Any:
    """Call a function of torch with the numbers alone, without any rules."""
    with torch._C.DisableTorchFunction():
        return func(*args, **(kwargs or {}))


def _put(tensor: Any, device: torch.device) -> Any:
    """Say of numbers that they are on ``device``."""
    if not isinstance(tensor, Tensor) or device.type != "cuda":
        return tensor
    if not isinstance(tensor, DeviceTensor):
        tensor = _run(Tensor.as_subclass, (tensor, DeviceTensor))
    tensor._index = device.index
    return tensor


def _find(device: Any) -> torch.device:
    """Resolve what a user may name a device, with the index of a CUDA device."""
    found = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
    if found.type != "cuda":
        return found
    if _active is None:
        raise RuntimeError("Found no NVIDIA driver on your system.")
    index = _active.current if found.index is None else found.index
    if index >= _active.n_devices:
        raise RuntimeError("CUDA error: invalid device ordinal")
    return torch.device("cuda", index)


def _tensors(*values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _where() -> str:
    """Line of the library, of skorch or of the optimizer that is at work, else of the test."""
    frame, other = sys._getframe(1), ""
    while frame is not None:
        file = frame.f_code.co_filename
        place = f"{'/'.join(file.rsplit('/', 3)[1:])}:{frame.f_lineno}"
        if any(part in file for part in ("/skglitch/", "/skorch/", "/torch/optim/")):
            return place
        if not other and "/torch/" not in file and file != __file__:
            other = place
        frame = frame.f_back
    return other


def _note(kind: str, name: str, tensor: Tensor | None = None, **details: Any) -> None:
    if _active is not None:
        if tensor is not None:
            details = {"shape": tuple(tensor.shape), "dtype": tensor.dtype} | details
        _active.log.append(Event(kind, name, _where(), **details))


def _note_copy(
    name: str, source: Tensor, target: torch.device, dtype: torch.dtype, non_blocking: bool
) -> None:
    """Log a copy between devices; ``dtype`` is the one that is wanted at the target."""
    if source.device == target or "meta" in (source.device.type, target.type):
        return
    here, there = source.device.type, target.type
    kind = {("cpu", "cuda"): "copy in", ("cuda", "cpu"): "copy out"}.get((here, there))
    pinned = here == "cpu" and _is_pinned(source)
    waits = kind is not None and not (non_blocking and (pinned or kind == "copy out"))
    # CUDA changes the dtype on the host, unless the host is not to wait.
    converts_first = here == ("cuda" if non_blocking else "cpu")
    moved = dtype if converts_first else source.dtype
    _note(kind or "copy across", name, source, dtype=moved, pinned=pinned, waits=waits)


def _refuse_mixing(name: str, tensors: list[Tensor]) -> None:
    """Raise CUDA's error if tensors are on several devices; scalars of the CPU may be."""
    devices = {
        str(tensor.device): None
        for tensor in tensors
        if isinstance(tensor, DeviceTensor) or (tensor.ndim > 0 and tensor.device.type == "cpu")
    }
    if len(devices) > 1:
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{' and '.join(sorted(devices, reverse=True))}! (in {name})"
        )


def _call(func: Callable, args: Any, kwargs: dict[str, Any]) -> Any:
    """Call a function of torch by the rules of CUDA."""
    name = getattr(func, "__name__", str(func))
    if name in ("__get__", "__set__", "__delete__"):
        name = f"{func.__self__.__name__}.{name}"
    if name in _RULES:
        return _RULES[name](func, args, kwargs)
    tensors = _tensors(args, kwargs)
    on_device = [tensor for tensor in tensors if isinstance(tensor, DeviceTensor)]
    if kwargs.get("device") is not None:
        return _make(name, func, args, kwargs)
    if not on_device:
        return _run(func, args, kwargs)
    if name not in _MAY_MIX:
        _refuse_mixing(name, tensors)
    if name in _WAITS or (name == "where" and len(args) == 1):
        _note("wait", name, waits=True)
    if name == "new_tensor" and not isinstance(args[1], Tensor):
        _note("copy in", name, torch.as_tensor(args[1]), waits=True)
    return _results(name, func, args, kwargs, on_device[0].device)


def _results(name: str, func: Callable, args: Any, kwargs: Any, device: torch.device) -> Any:
    """Call a function on ``device``, where its results are too."""
    if _active is not None and device.type == "cuda" and not name.endswith(("_get__", "_set__")):
        _active.calls[name] += 1
        if name in _RANDOM:
            _active.seeds[device.index][1] += 4
    result = _run(func, args, kwargs)
    given = {id(tensor) for tensor in _tensors(args, kwargs)}
    return tree_map(lambda value: value if id(value) in given else _put(value, device), result)


def _make(name: str, func: Callable, args: Any, kwargs: dict[str, Any]) -> Any:
    """Make a tensor on the device that is asked for, such as by torch.zeros."""
    device = _find(kwargs["device"])
    if device.type == "meta":
        return _run(func, args, kwargs)
    values = args[0] if args else kwargs.get("data")
    if name in ("tensor", "as_tensor", "asarray"):
        source = values if isinstance(values, Tensor) else torch.as_tensor(values)
        dtype = kwargs.get("dtype") or source.dtype
        if name == "as_tensor" and isinstance(values, Tensor):
            return _move(Tensor.to, (values,), {"device": device, "dtype": dtype})
        _note_copy(name, source, device, dtype, non_blocking=False)
    numbers = dict(kwargs, device="cpu")
    is_pinned = numbers.pop("pin_memory", False)
    result = _results(name, func, args, numbers, device)
    if isinstance(result, DeviceTensor) and device.type == "cpu":
        result = _run(Tensor.as_subclass, (result, Tensor))
    return _pin(None, (result,), {}) if is_pinned else result


def _move(func: Callable, args: Any, kwargs: dict[str, Any]) -> Any:
    """Tensor.to, cuda and cpu."""
    name, tensor, options = func.__name__, args[0], dict(kwargs)
    device = options.pop("device", {"cuda": "cuda", "cpu": "cpu"}.get(name))
    dtype, flags = options.pop("dtype", None), []
    for value in (*args[1:], options.pop("other", None)):
        if isinstance(value, Tensor):
            device, dtype = value.device, value.dtype
        elif isinstance(value, bool):
            flags.append(value)
        elif isinstance(value, str | int | torch.device):
            device = value
        elif isinstance(value, torch.dtype):
            dtype = value
    non_blocking = options.pop("non_blocking", bool(flags and flags[0]))
    options["copy"] = options.get("copy", len(flags) > 1 and flags[1])
    target = tensor.device if device is None else _find(device)
    if target.type == "meta":
        return _run(Tensor.to, (tensor, target, dtype or tensor.dtype), options)
    if target != tensor.device:
        _note_copy(name, tensor, target, dtype or tensor.dtype, non_blocking)
        options["copy"] = True
    result = _run(Tensor.to, (tensor, dtype or tensor.dtype), options)
    return result if result is tensor else _put(result, target)


def _parse_move(func: Callable, args: Any, kwargs: dict[str, Any]) -> Any:
    """Read the arguments of Module.to, of which the first may be a tensor on a device."""
    if args and isinstance(args[0], DeviceTensor):
        args = (args[0].device, args[0].dtype, *args[1:])
    return _run(func, args, kwargs)


def _copy_into(func: Callable, args: Any, kwargs: dict[str, Any]) -> Any:
    """Tensor.copy_."""
    target, source = args[:2]
    non_blocking = kwargs.get("non_blocking", len(args) > 2 and args[2])
    _note_copy("copy_", source, target.device, target.dtype, non_blocking)
    _run(func, args, kwargs)
    return target


def _refuse_numpy(func: Callable, args: Any, kwargs: dict[str, Any]) -> Any:
    if isinstance(args[0], DeviceTensor):
        raise TypeError(
            f"can't convert {args[0].device} device type tensor to numpy. Use Tensor.cpu() to "
            "copy the tensor to host memory first."
        )
    return _run(func, args, kwargs)


def _pin(func: Any, args: Any, kwargs: dict[str, Any]) -> Tensor:
    """Tensor.pin_memory: a copy in pinned memory, or the tensor if it is there already."""
    tensor = args[0]
    if isinstance(tensor, DeviceTensor):
        kind = tensor.type().removeprefix("torch.")
        raise RuntimeError(f"cannot pin 'torch.cuda.{kind}' only dense CPU tensors can be pinned")
    if _is_pinned(tensor):
        return tensor
    _note("pin", "pin_memory", tensor)
    result = _run(Tensor.clone, (tensor,))
    storage = result.untyped_storage()
    _active.pinned[storage.data_ptr()] = storage  # kept, so that no other gets its address
    return result


def _is_pinned(tensor: Tensor) -> bool:
    if isinstance(tensor, DeviceTensor) or tensor.device.type != "cpu" or _active is None:
        return False
    return tensor.untyped_storage().data_ptr() in _active.pinned


def _index(func: Callable, args: Any, kwargs: dict[str, Any]) -> Any:
    """Tensor.__getitem__ and __setitem__."""
    name, tensor, places = func.__name__, args[0], args[1]
    places = places if isinstance(places, tuple) else (places,)
    indices = _tensors(places)
    if not isinstance(tensor, DeviceTensor):
        if any(isinstance(index, DeviceTensor) for index in indices):
            raise RuntimeError(
                "indices should be either on cpu or on the same device as the indexed tensor (cpu)"
            )
    else:
        for index in places:
            # Lists and arrays become tensors of the CPU first.
            if isinstance(index, list) or hasattr(index, "__array_interface__"):
                _note("copy in", name, torch.as_tensor(index), waits=True)
            elif isinstance(index, Tensor) and not isinstance(index, DeviceTensor) and index.ndim:
                _note("copy in", name, index, waits=True)
        _refuse_mixing(name, [tensor, *(t for t in indices if isinstance(t, DeviceTensor))])
        is_mask = any(index.dtype in (torch.bool, torch.uint8) for index in indices)
        if is_mask and (name == "__getitem__" or _tensors(args[2])):
            _note("wait", "boolean index", waits=True)
    if name == "__setitem__" and isinstance(args[2], Tensor) and args[2].ndim:
        _note_copy(name, args[2], tensor.device, tensor.dtype, non_blocking=False)
    return _results(name, func, args, kwargs, tensor.device)


def _set_data(func: Callable, args: Any, kwargs: dict[str, Any]) -> None:
    """Tensor.data = other, by which modules move: the same object is elsewhere afterwards."""
    tensor, other = args
    _run(func, args, kwargs)
    is_param = isinstance(tensor, nn.Parameter)
    if isinstance(other, DeviceTensor):
        tensor.__class__ = DeviceTensor
        tensor._index = other._index
        if is_param:
            tensor._is_param = True
    elif isinstance(tensor, DeviceTensor):
        tensor.__dict__.pop("_is_param", None)
        tensor.__class__ = nn.Parameter if is_param else Tensor


_RULES: dict[str, Callable] = {
    **dict.fromkeys(("to", "cuda", "cpu"), _move),
    **dict.fromkeys(("numpy", "__array__"), _refuse_numpy),
    **dict.fromkeys(("__getitem__", "__setitem__"), _index),
    "copy_": _copy_into,
    "pin_memory": _pin,
    "is_pinned": lambda func, args, kwargs: _is_pinned(args[0]),
    "_parse_to": _parse_move,
    "record_stream": lambda func, args, kwargs: None,
    "data.__set__": _set_data,
}


class _Rules(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return _call(func, args, kwargs or {})


class _Stream:
    """A stream or an event: nothing runs beside anything else."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.device = _find("cuda")

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *exc: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name in ("record", "wait", "wait_stream", "wait_event"):
            return lambda *args, **kwargs: None
        if name == "record_event":
            return lambda *args, **kwargs: _Stream()
        if name in ("query", "is_capturing"):
            return lambda: name == "query"
        raise AttributeError(name)

    def synchronize(self) -> None:
        _note("wait", "synchronize", waits=True)


class PretendCuda:
    """Context in which torch has ``n_devices`` CUDA devices.

    ``log`` is a list of `Event`, and ``calls`` counts calls of functions on the devices by name.
    """

    def __init__(
        self,
        n_devices: int = 1,
        *,
        current: int = 0,
        bfloat16: bool = True,
        free: int = _FREE,
        total: int = _TOTAL,
    ) -> None:
        self.n_devices = n_devices
        self.current = current
        self.bfloat16 = bfloat16
        self.free, self.total = free, total
        self.log: list[Event] = []
        self.calls: Counter[str] = Counter()
        self.pinned: dict[int, Any] = {}
        self.seeds = [[0, 0] for _ in range(n_devices)]  # seed and offset, as on CUDA

    def report(self) -> str:
        """Return the log as text, each entry once, with its count."""
        counts = Counter(map(str, self.log))
        return "\n".join(f"{count:4} x {event}" for event, count in counts.items())

    def _get_seed(self, device: Any = "cuda") -> Tensor:
        return torch.tensor(self.seeds[_find(device).index]).view(torch.uint8).clone()

    def _set_seed(self, state: Tensor, device: Any = "cuda") -> None:
        self.seeds[_find(device).index] = state.view(torch.int64).tolist()

    def _seed_current(self, seed: int) -> None:
        self.seeds[self.current] = [int(seed), 0]

    def _seed_all(self, seed: int) -> None:
        self.seeds = [[int(seed), 0] for _ in range(self.n_devices)]

    def _exchange(self, index: int) -> int:
        before = self.current
        self.current = index if index >= 0 else before
        return before

    def _set_device(self, device: Any) -> None:
        self.current = _find(device).index

    def __enter__(self) -> PretendCuda:
        global _active
        assert _active is None, "there is a pretended device already"
        _active = self
        self._stack = contextlib.ExitStack()
        for owner, values in self._replacements():
            for name, value in values.items():
                self._stack.enter_context(mock.patch.object(owner, name, value))
        self._stack.enter_context(_Rules())
        return self

    def __exit__(self, *exc: Any) -> None:
        global _active
        self._stack.close()
        _active = None

    def _replacements(self) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Functions of torch that ask the driver, with what takes their place."""

        def synchronize(device: Any = None) -> None:
            _note("wait", "synchronize", waits=True)

        def memory(device: Any = None) -> tuple[int, int]:
            return self.free, self.total

        both = {
            "is_available": lambda: True,
            "device_count": lambda: self.n_devices,
            "synchronize": synchronize,
            "current_stream": _Stream,
            "empty_cache": lambda: None,
        }
        yield (
            torch.cuda,
            {
                **both,
                "_lazy_init": lambda: None,
                "is_initialized": lambda: True,
                "current_device": lambda: self.current,
                "set_device": self._set_device,
                "_exchange_device": self._exchange,
                "_maybe_exchange_device": self._exchange,
                "is_bf16_supported": lambda including_emulation=True: self.bfloat16,
                "get_device_capability": lambda device=None: (8, 0) if self.bfloat16 else (7, 0),
                "get_device_name": lambda device=None: "Pretended GPU",
                "mem_get_info": memory,
                "get_rng_state": self._get_seed,
                "set_rng_state": self._set_seed,
                "manual_seed": self._seed_current,
                "manual_seed_all": self._seed_all,
                "is_current_stream_capturing": lambda: False,
                "Stream": _Stream,
                "Event": _Stream,
                "stream": lambda stream: stream or contextlib.nullcontext(),
            },
        )
        yield (
            torch.accelerator,
            {
                **both,
                "current_accelerator": lambda check_available=False: torch.device("cuda"),
                "current_device_index": lambda: self.current,
                "set_device_index": self._set_device,
                "get_memory_info": memory,
            },
        )
        real_autocast = torch.autocast

        def autocast(device_type: str, *args: Any, **kwargs: Any) -> Any:
            return real_autocast("cpu" if device_type == "cuda" else device_type, *args, **kwargs)

        names = ("Stream", "Event")
        yield (
            torch,
            {"autocast": autocast, **dict.fromkeys(names, _Stream)},
        )
        yield torch.amp, {"autocast": autocast}
        optimizer = sys.modules[torch.optim.Optimizer.__module__]
        types = optimizer._foreach_supported_types
        yield optimizer, {"_foreach_supported_types": [*types, DeviceTensor]}
        yield from self._serialization()

    @staticmethod
    def _serialization() -> Iterator[tuple[Any, dict[str, Any]]]:
        """Pickles name the device of a tensor, and are read onto it."""
        tag, restore = (
            torch.serialization.location_tag,
            torch.serialization.default_restore_location,
        )
        rebuild = torch._utils._rebuild_tensor

        def restore_on_device(storage: Any, location: str) -> Any:
            if not location.startswith("cuda"):
                return restore(storage, location)
            storage.pretended = str(_find(location))
            return storage

        def rebuild_on_device(storage: Any, *args: Any) -> Tensor:
            location = getattr(getattr(storage, "_untyped_storage", storage), "pretended", None)
            tensor = rebuild(storage, *args)
            return tensor if location is None else _put(tensor, torch.device(location))

        yield (
            torch.serialization,
            {
                "location_tag": lambda storage: getattr(storage, "pretended", None) or tag(storage),
                "default_restore_location": restore_on_device,
            },
        )
        yield torch._utils, {"_rebuild_tensor": rebuild_on_device}
