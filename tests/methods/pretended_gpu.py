"""A pretended GPU: tensors with data on the CPU that say they are on another device, and refuse what CUDA refuses.

It finds, without a GPU:

- operations that mix tensors of both devices, and CPU tensors that are indexed by rows on the GPU;
- tensors of the GPU that are handed to numpy;
- random numbers for a tensor on the GPU from a generator of the CPU;
- operations without a deterministic CUDA kernel (those in `NOT_REPEATABLE`);
- how often the host waits for the device (`Traffic.waits`).

It does not find what only real hardware shows: other rounding, lack of memory, kernels that do not exist or are not
repeatable beyond that list, errors of asynchronous work, NCCL. One test in test_devices.py needs a GPU.

The device is called `meta`, since torch creates gradients on `cuda` only with a driver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

from spatialweave.nn.edges import EdgeGraph

DEVICE = "meta"

NOT_REPEATABLE = {"cumsum", "cumsum_", "cumprod", "kthvalue", "histc", "put_", "median.dim", "nll_loss2d_forward"}
"""Operations on floating-point numbers that torch refuses on CUDA when deterministic algorithms are asked for."""

WAITING = {"_local_scalar_dense", "nonzero", "equal"}
"""Operations whose result the host needs."""

FILLED = ("zeros", "ones", "empty", "arange", "full", "eye", "rand", "randperm")
"""Functions of torch that make a tensor on a device."""

aten = torch.ops.aten
INDEXING = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default)


class PretendedError(RuntimeError):
    """CUDA would refuse this."""


@dataclass
class Traffic:
    """How often the host waited for the device."""

    waits: int = 0


_traffic = Traffic()


class OnGpu(Tensor):
    """Tensor on the pretended GPU; `data_here` has its numbers."""

    data_here: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, here: Tensor) -> OnGpu:
        facts = {"strides": here.stride(), "storage_offset": here.storage_offset(), "dtype": here.dtype}
        return Tensor._make_wrapper_subclass(cls, here.size(), **facts, layout=here.layout, device=torch.device(DEVICE))

    def __init__(self, here: Tensor) -> None:
        self.data_here = here

    def __repr__(self, **_: Any) -> str:
        return f"OnGpu({tuple(self.shape)})"

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatch(function, args, kwargs or {})

    def tolist(self) -> Any:
        return self.detach().cpu().tolist()


class Device(TorchDispatchMode):
    """Sends every operation through :func:`dispatch`."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatch(function, args, kwargs or {})


class MoveToGpu(torch.autograd.Function):
    """Copy to the device, whose gradient goes the other way."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return OnGpu(x.detach().clone())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0].cpu()


def is_gpu(device: Any) -> bool:
    return device is not None and torch.device(device).type == DEVICE


def here(value: Any) -> Any:
    """The data of a tensor on the device; everything else as it is."""
    return value.data_here if isinstance(value, OnGpu) else value


def there(value: Any) -> Any:
    """A tensor, on the device; everything else as it is."""
    return OnGpu(value) if isinstance(value, Tensor) and not isinstance(value, OnGpu) else value


def dispatch(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run one operation on the CPU if CUDA would, and return its result on the device where CUDA's is."""
    flat, _ = tree_flatten((args, kwargs))
    on_gpu = [one for one in flat if isinstance(one, OnGpu)]
    name, device = function._schema.name.split("::")[1], kwargs.get("device")
    if function is aten._to_copy.default:
        return copied(args[0], is_gpu(device) if device is not None else bool(on_gpu), kwargs)
    if function is aten.copy_.default:
        _traffic.waits += isinstance(args[1], OnGpu) and not isinstance(args[0], OnGpu)
        here(args[0]).copy_(here(args[1]))
        return args[0]
    generator = next((one for one in flat if isinstance(one, torch.Generator)), None)
    if generator is not None and (on_gpu or is_gpu(device)):
        raise PretendedError(f"Expected a 'cuda' device type for generator but found 'cpu' ({function})")
    if on_gpu:
        check_devices(function, name, args, flat)
        _traffic.waits += name in WAITING
    kwargs = tree_map(here, kwargs) | ({"device": torch.device("cpu")} if device is not None else {})
    result = function(*tree_map(here, args), **kwargs)
    if name in ("_local_scalar_dense", "equal", "is_same_size") or not (on_gpu or is_gpu(device)):
        return result
    result = tree_map(there, result)
    return return_and_correct_aliasing(function, args, kwargs, result) if on_gpu else result


def copied(x: Tensor, to_gpu: bool, kwargs: dict[str, Any]) -> Tensor:
    _traffic.waits += isinstance(x, OnGpu) and not to_gpu
    result = aten._to_copy.default(here(x), **(kwargs | {"device": torch.device("cpu")}))
    return OnGpu(result) if to_gpu else result


def check_devices(function: Any, name: str, args: Any, flat: Sequence[Any]) -> None:
    """Refuse tensors of two devices, except numbers, and rows on the CPU of a table on the device."""
    allowed: set[int] = set()
    if function in INDEXING:
        rows = [one for one in args[1] if one is not None]
        if not isinstance(args[0], OnGpu) and any(isinstance(one, OnGpu) for one in rows):
            raise PretendedError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
        allowed = {id(one) for one in rows}
        _traffic.waits += any(one.dtype == torch.bool for one in rows)
    for one in flat:
        if isinstance(one, Tensor) and not isinstance(one, OnGpu) and one.dim() > 0 and id(one) not in allowed:
            raise PretendedError(f"Expected all tensors to be on the same device, cuda:0 and cpu ({function})")
    floating = any(isinstance(one, OnGpu) and one.is_floating_point() for one in flat)
    if torch.are_deterministic_algorithms_enabled() and name in NOT_REPEATABLE and floating:
        raise PretendedError(f"{name}_cuda does not have a deterministic implementation")


def made(real: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function of torch that fills tensors, and knows the device."""

    def make(*args: Any, device: Any = None, **kwargs: Any) -> Tensor:
        if not is_gpu(device):
            return real(*args, **({} if device is None else {"device": device}), **kwargs)
        if kwargs.get("generator") is not None:
            raise PretendedError("Expected a 'cuda' device type for generator but found 'cpu'")
        return OnGpu(real(*args, **kwargs))

    return make


def given(real: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`torch.tensor` or `torch.as_tensor`, which know the device."""

    def make(values: Any, *args: Any, device: Any = None, **kwargs: Any) -> Tensor:
        if isinstance(values, OnGpu):
            return values if device is None or is_gpu(device) else values.cpu()
        if is_gpu(device):
            return OnGpu(real(values, *args, **kwargs).clone())
        return real(values, *args, **({} if device is None else {"device": device}), **kwargs)

    return make


def moved(real: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`Tensor.to`, which knows the device."""

    def to(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        rest = [one for one in args if not isinstance(one, str | torch.device)]
        device = next((one for one in args if isinstance(one, str | torch.device)), kwargs.get("device"))
        if not is_gpu(device):
            return real(x, *args, **kwargs)
        kinds = [one for one in rest if isinstance(one, torch.dtype)]
        x = real(x, *kinds) if kinds else x
        return x if isinstance(x, OnGpu) else MoveToGpu.apply(x)

    return to


def edge_products(real: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`EdgeGraph.dot_product`, whose sparse tensor a wrapped tensor cannot be part of."""

    def dot_product(graph: EdgeGraph, receiving: Tensor, sending: Tensor, heads: int) -> Tensor:
        if len({isinstance(one, OnGpu) for one in (receiving, sending, graph.senders)}) > 1:
            raise PretendedError("Expected all tensors to be on the same device, cuda:0 and cpu (sampled_addmm)")
        own = object.__new__(EdgeGraph)
        own.__dict__ = {name: here(value) for name, value in graph.__dict__.items()}
        with torch._C._DisableTorchDispatch():
            result = real(own, here(receiving).detach(), here(sending).detach(), heads)
        return OnGpu(result) if isinstance(receiving, OnGpu) else result

    return dot_product


@contextmanager
def pretended() -> Iterator[Traffic]:
    """Pretend that there is a GPU, and that deterministic algorithms are asked for; a run's device is then `DEVICE`."""
    _traffic.waits = 0
    before = torch.are_deterministic_algorithms_enabled()
    filling = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    try:
        with ExitStack() as stack:
            for name in FILLED:
                stack.enter_context(patch.object(torch, name, made(getattr(torch, name))))
            for name in ("as_tensor", "tensor"):
                stack.enter_context(patch.object(torch, name, given(getattr(torch, name))))
            stack.enter_context(patch.object(Tensor, "to", moved(Tensor.to)))
            stack.enter_context(patch.object(EdgeGraph, "dot_product", edge_products(EdgeGraph.dot_product)))
            stack.enter_context(Device())
            yield _traffic
    finally:
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = filling
