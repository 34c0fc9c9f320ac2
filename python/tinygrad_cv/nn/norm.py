"""Normalisation layers: activations brought to mean 0 and variance 1, then scaled and shifted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv import functional as F
from tinygrad_cv.functional.normalization import normalize
from tinygrad_cv.nn import init
from tinygrad_cv.nn.checks import check_at_least
from tinygrad_cv.nn.module import Module
from tinygrad_cv.nn.parameter import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tinygrad_cv.engine.tensor import Tensor


class _Affine(Module):
    """A layer with a learned scale (from one) and shift (from zero), or neither."""

    weight: Parameter | None
    bias: Parameter | None

    def _add_affine(self, shape: Any, scale: bool, shift: bool, device: Any, dtype: Any) -> None:
        def made(wanted: bool, value: float) -> Parameter | None:
            if not wanted:
                return None
            return Parameter(F.full(shape, value, dtype=dtype, device=device))

        self.weight, self.bias = made(scale, 1.0), made(shift, 0.0)

    def reset_parameters(self) -> None:
        """Set the scale to one and the shift to zero."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class _RunningNorm(_Affine):
    """A layer that keeps running statistics of what it sees while training, for `eval`."""

    dims: tuple[int, ...]  # how many dimensions an input may have
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ) -> None:
        super().__init__()
        check_at_least(type(self).__name__, 1, num_features=num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self._add_affine((num_features,), affine, affine and bias, device, dtype)
        tracked = track_running_stats
        mean = F.zeros(num_features, dtype=dtype, device=device) if tracked else None
        var = F.ones(num_features, dtype=dtype, device=device) if tracked else None
        self.register_buffer("running_mean", mean)
        self.register_buffer("running_var", var)
        self.register_buffer("num_batches_tracked", F.full((), 0) if tracked else None)

    def reset_running_stats(self) -> None:
        """Forget the statistics."""
        starts = ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0))
        for buffer, start in starts:
            if buffer is not None:
                init.constant_(buffer, start)

    def reset_parameters(self) -> None:
        """Forget the statistics, and set the scale to one and the shift to zero."""
        self.reset_running_stats()
        super().reset_parameters()

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_RunningNorm):
    """Normalises each channel over the batch (and the image)."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def forward(self, input: Tensor) -> Tensor:
        return self.normalize(input, False)

    def normalize(self, input: Tensor, relu: bool) -> Tensor:
        """The value, with relu in the last write if asked for."""
        self._check(input)
        return normalize(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            self._count_batch(),
            self.eps,
            relu,
        )

    def _check(self, input: Tensor) -> None:
        if input.ndim not in self.dims or input.shape[1] != self.num_features:
            dims = " or ".join(map(str, self.dims))
            raise ValueError(
                f"{type(self).__name__}: input {input.shape} should have {dims} dimensions, the "
                f"second of length {self.num_features}"
            )

    def _count_batch(self) -> float:
        """The share of this batch in the running statistics; without momentum all count alike."""
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.array += 1
            if self.momentum is None:
                return 1.0 / self.num_batches_tracked.item()
        return 0.0 if self.momentum is None else self.momentum


class BatchNorm1d(_BatchNorm):
    """Each feature of (N, C) or (N, C, L) brought to mean 0 and variance 1 over the batch.

    y = (x - mean) / sqrt(var + eps) weight + bias. While training the statistics are the batch's,
    and running ones follow them; in `eval` the running ones are used.

    Parameters
    ----------
    num_features : int
        C.
    eps : float
    momentum : float, optional
        Share of the newest batch in the running statistics; None for the mean over all batches.
    affine : bool
        Whether scale and shift are learned.
    track_running_stats : bool
        False: the batch's own statistics in `eval` too.
    device, dtype : optional
        Of the parameters; default CPU, float32.
    bias : bool
        Whether `affine` has a shift too.

    Notes
    -----
    The running variance is the unbiased one, that of the batch the biased one.

    References
    ----------
    Ioffe & Szegedy 2015, "Batch normalization".
    """

    dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Each channel of (N, C, H, W) brought to mean 0 and variance 1 over batch, rows and columns.

    Parameters and formula are `BatchNorm1d`'s.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> y = BatchNorm2d(3)(tg.randn(8, 3, 4, 4) * 5.0 + 2.0)
    >>> bool(abs(y.mean().item()) < 1e-5), round(y.std().item(), 1)
    (True, 1.0)
    """

    dims = (4,)


class _InstanceNorm(_RunningNorm):
    """Normalises each channel of each image by itself."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in self.dims or input.shape[1 - max(self.dims)] != self.num_features:
            dims = " or ".join(map(str, self.dims))
            raise ValueError(
                f"{type(self).__name__}: input {input.shape} should have {dims} dimensions and "
                f"{self.num_features} channels"
            )
        batch = input if input.ndim == max(self.dims) else input.unsqueeze(0)
        out: Tensor = F.instance_norm(
            batch,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return out if batch is input else out.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each row of (N, C, L) or (C, L) by itself; see `InstanceNorm2d`."""

    dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each image of (N, C, H, W) or (C, H, W) brought to mean 0 and variance 1.

    The parameters are `BatchNorm2d`'s, with neither scale and shift nor running statistics unless
    asked for.

    References
    ----------
    Ulyanov et al. 2016, "Instance normalization".
    """

    dims = (3, 4)


class LayerNorm(_Affine):
    """The last dimensions of each input brought to mean 0 and variance 1.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Lengths of the dimensions.
    eps : float
    elementwise_affine : bool
        Whether a scale is learned for each element.
    bias : bool
        And a shift.
    device, dtype : optional
        Of the parameters; default CPU, float32.

    References
    ----------
    Ba et al. 2016, "Layer normalization".
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        shift = elementwise_affine and bias
        self._add_affine(self.normalized_shape, elementwise_affine, shift, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(_Affine):
    """The last dimensions of each input divided by their root mean square.

    Parameters
    ----------
    normalized_shape : int or sequence of int
    eps : float, optional
        Default: the dtype's machine epsilon.
    elementwise_affine : bool
    device, dtype : optional

    References
    ----------
    Zhang & Sennrich 2019, "Root mean square layer normalization".
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._add_affine(self.normalized_shape, elementwise_affine, False, device, dtype)
        del self.bias  # PyTorch's layer has none to speak of

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(_Affine):
    """Groups of channels of each image brought to mean 0 and variance 1.

    Parameters
    ----------
    num_groups, num_channels : int
    eps : float
    affine : bool
        Whether scale and shift are learned, for each channel.
    device, dtype : optional
        Of the parameters; default CPU, float32.
    bias : bool
        Whether `affine` has a shift too.

    Raises
    ------
    ValueError
        Channels that are no multiple of the groups.

    References
    ----------
    Wu & He 2018, "Group normalization".
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_at_least("GroupNorm", 1, num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_channels={num_channels} is not a multiple of "
                f"num_groups={num_groups}"
            )
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        self._add_affine((num_channels,), affine, affine and bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """Each value divided by a power of its neighbours' in the channels around it.

    y = x / (k + alpha / size Σ x²)^beta, over `size` channels around it.

    References
    ----------
    Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural networks".
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


def _as_tuple(lengths: int | Sequence[int]) -> tuple[int, ...]:
    return (lengths,) if isinstance(lengths, int) else tuple(lengths)
