"""Loss scaling: gradients in float16's range, and steps left out where they were not."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_cv.backends import backend_for
from tinygrad_cv.backends.cuda import devices
from tinygrad_cv.engine import memory
from tinygrad_cv.engine.device import device as Device
from tinygrad_cv.engine.device import device_of, placed, to_host
from tinygrad_cv.engine.tensor import Tensor, wrap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tinygrad_cv.backends.contract import Array
    from tinygrad_cv.optim import Optimizer


class _Progress(NamedTuple):
    """How far an optimizer has come since the last `update`."""

    found: Array  # not 0: a gradient is infinite or NaN
    stepped: bool


class GradScaler:
    """Multiplies the loss so that its gradients fit into float16, and looks for the factor.

    A gradient that is infinite or NaN makes `step` leave the parameters as they are, and `update`
    halve the scale; after a long streak without one `update` doubles it.

    Parameters
    ----------
    device : str
        Where the losses will be: "cuda" or "cpu".
    init_scale : float
        The scale of the first loss.
    growth_factor, backoff_factor : float
        What the scale is multiplied by after a long streak, and after an overflow.
    growth_interval : int
        Steps of a long streak.
    enabled : bool
        False: `scale` and `unscale_` do nothing, `step` is the optimizer's, the scale is 1.

    Warns
    -----
    UserWarning
        The device is a GPU and there is none; the scaler is disabled.

    Raises
    ------
    ValueError
        A growth factor of at most 1, a backoff factor of at least 1, or an interval below 1.

    Notes
    -----
    Nothing waits for the GPU, where SGD (but with dampening, or the textbook's momentum) and Adam take
    the flag in their kernels and count their steps there; other optimizers wait for the flag, once a
    step, as do `get_scale` and `state_dict`.

    References
    ----------
    Micikevicius et al. 2018, "Mixed precision training", section 3.2.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> w = tg.tensor([1.0], requires_grad=True)
    >>> optimizer, scaler = tg.optim.SGD([w], lr=0.5), GradScaler("cpu", init_scale=8.0)
    >>> for factor in (1.0, float("inf")):
    ...     optimizer.zero_grad()
    ...     scaler.scale((w * factor).sum()).backward()
    ...     scaler.step(optimizer)
    ...     scaler.update()
    >>> w.tolist(), scaler.get_scale()  # the second step was left out
    ([0.5], 4.0)
    """

    def __init__(
        self,
        device: str | Device = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if Device(device).type == "cuda" and enabled and not devices.device_count():
            warnings.warn("GradScaler: there is no GPU, so it is disabled", stacklevel=2)
            enabled = False
        if not growth_factor > 1:
            raise ValueError(f"GradScaler: growth_factor must be above 1, got {growth_factor}")
        if not backoff_factor < 1:
            raise ValueError(f"GradScaler: backoff_factor must be below 1, got {backoff_factor}")
        if growth_interval < 1:
            raise ValueError(
                f"GradScaler: growth_interval must be at least 1, got {growth_interval}"
            )
        self._enabled = enabled
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._set(init_scale, 0)
        self._progress: dict[int, _Progress] = {}  # by the optimizer's id

    def _set(self, scale: float, streak: int) -> None:
        self._scale: Array = np.array(scale, np.float32)
        self._streak: Array = np.array(streak, np.int32)

    def scale(self, outputs: Any) -> Any:
        """The loss, or each of several, times the scale.

        Raises
        ------
        TypeError
            Something that is neither a tensor nor an iterable of them.
        """
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            place = outputs.device
            self._scale, self._streak = placed(self._scale, place), placed(self._streak, place)
            return outputs * wrap(self._scale)
        if isinstance(outputs, Iterable) and not isinstance(outputs, (str, bytes)):
            scaled = map(self.scale, outputs)
            return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled
        raise TypeError(
            f"scale: outputs must be a Tensor or an iterable of them, got {type(outputs).__name__}"
        )

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide the optimizer's gradients by the scale, in place, before they are looked at or clipped.

        `step` does it where it was not done.

        Raises
        ------
        RuntimeError
            It was done already since the last `update`.
        ValueError
            Gradients on another device than the loss, or in float16.
        """
        if not self._enabled:
            return
        progress = self._progress.get(id(optimizer))
        if progress is not None:
            done = "step()" if progress.stepped else "unscale_()"
            raise RuntimeError(
                f"unscale_: {done} has already been called on this optimizer since the last update()"
            )
        found = np.zeros((), np.int32, like=self._scale)
        for group in optimizer.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self._unscale(param.grad.array, found)
        self._progress[id(optimizer)] = _Progress(found, stepped=False)

    def _unscale(self, grad: Array, found: Array) -> None:
        if device_of(grad) != device_of(self._scale):
            raise ValueError(
                f"unscale_: a gradient is on {device_of(grad)} but the scaled loss was on "
                f"{device_of(self._scale)}"
            )
        if grad.dtype.char not in "fd":
            raise ValueError(f"unscale_: gradients must be float32 or float64, got {grad.dtype}")
        backend_for(grad).unscale(grad, self._scale, found)
        memory.wrote(grad)

    def step(self, optimizer: Optimizer, *args: Any) -> Any:
        """`optimizer.step()` with unscaled gradients; nothing where one is infinite or NaN.

        Raises
        ------
        RuntimeError
            It was done already since the last `update`, a closure was given, or there is no gradient.
        """
        if not self._enabled:
            return optimizer.step(*args)
        if args:
            raise RuntimeError("step: a closure computes gradients that are not scaled")
        if all(p.grad is None for group in optimizer.param_groups for p in group["params"]):
            raise RuntimeError("step: no parameter of the optimizer has a gradient")
        if id(optimizer) not in self._progress:
            self.unscale_(optimizer)
        found, stepped = self._progress[id(optimizer)]
        if stepped:
            raise RuntimeError("step: it has already been called since the last update()")
        self._progress[id(optimizer)] = _Progress(found, stepped=True)
        if not optimizer.heeds_skip():
            return None if to_host(found) else optimizer.step()
        optimizer.skip = found
        try:
            return optimizer.step()
        finally:
            optimizer.skip = None

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Look for a better scale after the steps of an iteration, or take the one given.

        Raises
        ------
        RuntimeError
            No optimizer's gradients were looked at since the last one.
        """
        if not self._enabled:
            return
        if new_scale is not None:
            given = new_scale.item() if isinstance(new_scale, Tensor) else new_scale
            self._scale = placed(np.array(given, np.float32), device_of(self._scale))
        else:
            if not self._progress:
                raise RuntimeError("update: no step() or unscale_() since the last update()")
            found = sum(progress.found for progress in self._progress.values())
            self._scale, self._streak = backend_for(self._scale).update_scale(
                self._scale, self._streak, found, self._growth_factor, self._backoff_factor,
                self._growth_interval,
            )  # fmt: skip
        self._progress = {}

    def get_scale(self) -> float:
        """The scale, 1 if disabled; waits for a GPU."""
        return float(to_host(self._scale)) if self._enabled else 1.0

    def is_enabled(self) -> bool:
        """Whether it scales."""
        return self._enabled

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by after a long streak."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Another factor from now on."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after an overflow."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Another factor from now on."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """Steps of a long streak."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Another length from now on."""
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """Numbers to go on from, to be taken after `update`; empty if disabled. Waits for a GPU."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": int(to_host(self._streak)),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave; does nothing if disabled.

        Raises
        ------
        RuntimeError
            The state of a scaler that was disabled.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("load_state_dict: the state is empty, of a scaler that was disabled")
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._set(state_dict["scale"], state_dict["_growth_tracker"])
