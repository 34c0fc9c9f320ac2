"""PyTorch's questions and orders about GPUs."""

from __future__ import annotations

from typing import Any

from tinygrad_cv.backends.cuda import devices
from tinygrad_cv.backends.cuda.precision import KINDS, float32_precision
from tinygrad_cv.engine.device import device as Device

__all__ = [
    "Stream",
    "current_device",
    "device_count",
    "empty_cache",
    "get_float32_matmul_precision",
    "is_available",
    "memory_allocated",
    "memory_reserved",
    "set_float32_matmul_precision",
    "synchronize",
]


def is_available() -> bool:
    """Whether ``device("cuda")`` can be used: CuPy is installed and sees a GPU.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> place = tg.device("cuda" if tg.cuda.is_available() else "cpu")
    """
    return devices.device_count() > 0


def device_count() -> int:
    """How many GPUs there are; 0 without CuPy or without a driver."""
    return devices.device_count()


def _cupy(device: str | Device | int | None) -> tuple[Any, int | None]:
    """CuPy, and the number of the device meant, None for the current one."""
    place = Device(f"cuda:{device}" if isinstance(device, int) else device or "cuda")
    if place.type != "cuda":
        raise ValueError(f"cuda: expected a GPU such as 'cuda:0', got {str(place)!r}")
    return devices.require_gpu(str(place), place.index), place.index


def current_device() -> int:
    """The number of the GPU that new tensors of ``device="cuda"`` go to.

    Raises
    ------
    RuntimeError
        No GPU that can be used.
    """
    return int(_cupy(None)[0].cuda.Device().id)


def synchronize(device: str | Device | int | None = None) -> None:
    """Wait until the GPU has done all that it was told.

    Raises
    ------
    RuntimeError
        No GPU that can be used.
    """
    cupy, index = _cupy(device)
    cupy.cuda.Device(index).synchronize()


def memory_allocated(device: str | Device | int | None = None) -> int:
    """Bytes that live tensors hold on the GPU.

    Raises
    ------
    RuntimeError
        No GPU that can be used.
    """
    cupy, index = _cupy(device)
    with cupy.cuda.Device(index):
        return int(cupy.get_default_memory_pool().used_bytes())


def memory_reserved(device: str | Device | int | None = None) -> int:
    """Bytes that CuPy's pool holds on the GPU, those of freed tensors included.

    Raises
    ------
    RuntimeError
        No GPU that can be used.
    """
    cupy, index = _cupy(device)
    with cupy.cuda.Device(index):
        return int(cupy.get_default_memory_pool().total_bytes())


def empty_cache() -> None:
    """Give the memory of freed tensors back to the GPU; does nothing without one."""
    if devices.device_count():
        _cupy(None)[0].get_default_memory_pool().free_all_blocks()


def Stream(*, non_blocking: bool = True) -> Any:
    """A queue of work for the current GPU: CuPy's stream, used in a ``with`` block.

    Kernels and copies inside of the block go to it; ``stream.synchronize()`` waits for them.

    Raises
    ------
    RuntimeError
        No GPU that can be used.
    """
    return _cupy(None)[0].cuda.Stream(non_blocking=non_blocking)


def set_float32_matmul_precision(precision: str) -> None:
    """Choose how a GPU multiplies float32 in products and convolutions, forward and backward.

    The choice holds for the calling thread. Sums, and all that lies in memory, stay float32; GPUs
    before Ampere (sm_80) go on with "highest".

    Parameters
    ----------
    precision : {"highest", "high", "medium"}
        "highest" (the default) is float32 arithmetic; "high" rounds factors to TF32 (10 bits of
        fraction), "medium" to BF16 (7 bits), for tensor cores. `amp.autocast` goes before it.

    Raises
    ------
    ValueError
        Another precision.

    Examples
    --------
    >>> set_float32_matmul_precision("high")
    >>> get_float32_matmul_precision()
    'high'
    >>> set_float32_matmul_precision("highest")
    """
    if precision not in KINDS:
        raise ValueError(
            f"set_float32_matmul_precision: precision must be one of {', '.join(KINDS)}, "
            f"got {precision!r}"
        )
    float32_precision.set(precision)


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` chose.

    Examples
    --------
    >>> get_float32_matmul_precision()
    'highest'
    """
    return float32_precision.get()
