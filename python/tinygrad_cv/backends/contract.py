"""What a backend must do: plain arrays in, plain arrays out; nothing here knows of gradients' graphs.

Arrays are C-contiguous or not as the caller has them; a room copies at its border where its kernels
want dense memory. Results are new arrays, dense, of the inputs' dtype (float32 or float64).
Arguments arrive checked: `settings` come from `check_*` functions, shapes fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

Array = Any  # numpy.ndarray or cupy.ndarray
Pair = tuple[int, int]


class Conv2dSettings(NamedTuple):
    """How a 2-D convolution slides its kernel; pairs are (rows, columns)."""

    stride: Pair
    padding: Pair  # zeros on both sides
    dilation: Pair
    groups: int

    def output_size(self, size: Pair, kernel: Pair) -> Pair:
        """Rows and columns of the result: (W - d (F - 1) - 1 + 2P) // S + 1."""
        h, w = (
            (size[i] - self.dilation[i] * (kernel[i] - 1) - 1 + 2 * self.padding[i])
            // self.stride[i]
            + 1
            for i in (0, 1)
        )
        return h, w


class Pool2dSettings(NamedTuple):
    """How a 2-D pooling window slides; pairs are (rows, columns)."""

    kernel: Pair
    stride: Pair
    padding: Pair  # minus infinity for max, zeros for average
    dilation: Pair = (1, 1)
    ceil_mode: bool = False
    count_include_pad: bool = True  # average only: does padding count in the divisor
    divisor: int | None = None  # average only: divide by this instead

    def output_size(self, size: Pair) -> Pair:
        """Rows and columns of the result, as PyTorch counts them (ceil_mode included)."""

        def one(i: int) -> int:
            span = size[i] + 2 * self.padding[i] - self.dilation[i] * (self.kernel[i] - 1) - 1
            if not self.ceil_mode:
                return span // self.stride[i] + 1
            out = -(-span // self.stride[i]) + 1
            # The last window must start inside the input or its left padding.
            if (out - 1) * self.stride[i] >= size[i] + self.padding[i]:
                out -= 1
            return out

        return one(0), one(1)


class Backend(Protocol):
    """The kernels that every room has. x: (N, C, H, W), w: (O, C / groups, KH, KW)."""

    name: str

    def conv2d(
        self,
        x: Array,
        w: Array,
        bias: Array | None,
        settings: Conv2dSettings,
        relu: bool = False,
    ) -> Array:
        """y = x cross-correlated with w, plus bias (O,) if given: (N, O, OH, OW).

        relu: negative values become 0.
        """

    def conv2d_backward_input(
        self, grad: Array, w: Array, size: Pair, settings: Conv2dSettings
    ) -> Array:
        """Gradient with respect to x, of rows and columns `size`: (N, C, H, W)."""

    def conv2d_backward_weight(
        self, x: Array, grad: Array, kernel: Pair, settings: Conv2dSettings
    ) -> Array:
        """Gradient with respect to w, whose kernel has rows and columns `kernel`."""

    def max_pool2d(self, x: Array, settings: Pool2dSettings) -> tuple[Array, Array]:
        """The largest value of each window, and where it is: `argmax`.

        argmax[n, c, p, q] = i * KW + j for the window's row i and column j; uint8 where
        KH * KW <= 256, int32 beyond. Ties go to the first in row order; a NaN wins over numbers, and
        the last NaN over other NaNs.
        """

    def max_pool2d_backward(
        self, grad: Array, argmax: Array, size: Pair, settings: Pool2dSettings
    ) -> Array:
        """Sends grad[n, c, p, q] to the place that argmax names: (N, C, H, W)."""

    def max_pool2d_gather(self, x: Array, argmax: Array, settings: Pool2dSettings) -> Array:
        """y[n, c, p, q] = x at the place that argmax names: the transpose of the above."""

    def avg_pool2d(self, x: Array, settings: Pool2dSettings) -> Array:
        """The mean of each window."""

    def avg_pool2d_backward(self, grad: Array, size: Pair, settings: Pool2dSettings) -> Array:
        """Spreads grad over each window, divided as the forward pass divided."""

    def lp_pool2d(self, x: Array, p: float, settings: Pool2dSettings) -> Array:
        """y = (KH KW times the mean of x^p over each window)^(1 / p), 0 where that mean is 0.

        settings without padding or dilation; what hangs over does not count in the mean.
        """

    def lp_pool2d_backward(
        self, grad: Array, x: Array, y: Array, p: float, settings: Pool2dSettings
    ) -> Array:
        """Gradient with respect to x, given that of y and what `lp_pool2d` returned.

        x^(p - 1) KH KW times what `avg_pool2d_backward` makes of grad y^(1 - p). Where y is 0, and
        where grad is 0, nothing passes, be the power infinite.
        """

    def adaptive_avg_pool2d(self, x: Array, size: Pair) -> Array:
        """The mean of each of `size` windows, which lie as `adaptive_windows` says: (N, C, OH, OW).

        The mean of nothing is 0.
        """

    def adaptive_avg_pool2d_backward(self, grad: Array, size: Pair) -> Array:
        """Spreads grad over each window, divided by its size: (N, C, H, W)."""

    def adaptive_max_pool2d(self, x: Array, size: Pair) -> tuple[Array, Array]:
        """The largest value of each of `size` windows, and where it is: `places`.

        places (int32) count the elements of the plane in row order. Ties go to the first in row order;
        the first NaN wins over all. No window is empty.
        """

    def adaptive_max_pool2d_backward(self, grad: Array, places: Array, size: Pair) -> Array:
        """Sends grad[n, c, p, q] to the place that is named: (N, C, H, W)."""

    def adaptive_max_pool2d_gather(self, x: Array, places: Array) -> Array:
        """y[n, c, p, q] = x at the place that is named: the transpose of the above."""

    def matmul(self, a: Array, b: Array, bias: Array | None = None, relu: bool = False) -> Array:
        """a (..., M, K) times b (..., K, N), plus bias (N,) if given; leading shapes broadcast.

        relu: negative values become 0. Transposed views are read in place.
        """

    def pairwise_distance(self, x: Array, y: Array, metric: str) -> Array:
        """d[i, j] between row i of x (N, D) and row j of y (M, D); metric "l1" or "sqeuclidean".

        float32 and float64 give their own dtype; uint8 gives exact sums as int64.
        """

    def nearest(
        self,
        x: Array,
        y: Array,
        k: int,
        metric: str,
        p: float = 2.0,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[Array, Array]:
        """The k rows of y (M, D) nearest to each row of x (N, D): distances and indices (N, k).

        Nearest first; of equally far rows the one with the lower index comes first, also where that
        decides which is in. 1 <= k <= M; NaN counts as infinitely far. No (N, M) array is made.

        metric: "l1", "sqeuclidean", "dot" (minus the product), "cosine" (1 minus it), "chebyshev",
        "hamming" (the share that differs), "minkowski" (the sum of |x - y| ** p, without the root).
        Distances have the dtype of x and y, float32 or float64; uint8 gives float64, where all but
        cosine, hamming and minkowski are exact integers. Indices are int64.

        progress: called after each part of x, with its rows; the GIL is released in between.
        """

    def activation(self, name: str, x: Array, alpha: float = 0.0) -> Array:
        """y = f(x) for f "relu", "relu6", "leaky_relu" (slope alpha), "sigmoid", "tanh", "exp",
        "silu", "gelu" or "gelu_tanh". NaN gives NaN.
        """

    def activation_backward(
        self, name: str, grad: Array, saved: Array, alpha: float = 0.0
    ) -> Array:
        """grad f'(x); `saved` is y for "relu", "relu6", "sigmoid", "tanh" and "exp", else x.

        relu: grad where y > 0 or NaN, exactly 0 elsewhere; relu6: 0 where y is 6 as well.
        """

    def add_relu(self, a: Array, b: Array) -> Array:
        """max(a + b, 0) for arrays of one shape and dtype. NaN stays."""

    def dropout(self, x: Array, draws: Array | int, p: float) -> Array:
        """y = x / (1 - p) where draws >= p, else 0 x; draws in [0, 1), of x's shape and dtype.

        draws may be a key below 2^63 instead, and stands for `philox.uniforms` of it.
        """

    def channel_sum(self, x: Array) -> Array:
        """x (N, C, …) summed over all but the channels: (C,)."""

    def relu_channel_sum(self, grad: Array, y: Array) -> tuple[Array, Array]:
        """relu's gradient at y = relu(x), and its `channel_sum`."""

    def batch_norm(
        self, x: Array, weight: Array | None, bias: Array | None, eps: float, relu: bool = False
    ) -> tuple[Array, Array, Array, Array]:
        """y = (x - mean) root weight + bias for each channel of x (N, C, …), then relu.

        Returns y, mean, variance (the biased one) and root = 1 / sqrt(variance + eps), the last
        three of shape (C,). A channel has at least one value.
        """

    def batch_norm_backward(
        self,
        grad: Array,
        x: Array,
        weight: Array | None,
        bias: Array | None,
        mean: Array,
        root: Array,
        relu: bool = False,
    ) -> tuple[Array, Array, Array]:
        """Gradients of x, weight and bias, given that of y and what `batch_norm` returned."""

    def layer_norm(
        self, x: Array, weight: Array | None, bias: Array | None, eps: float
    ) -> tuple[Array, Array, Array]:
        """y = (x - mean) root weight + bias for each row of x (R, L), weight and bias (L,).

        Returns y, mean and root = 1 / sqrt(variance + eps), the last two of shape (R,).
        """

    def layer_norm_backward(
        self, grad: Array, x: Array, weight: Array | None, mean: Array, root: Array
    ) -> tuple[Array, Array, Array]:
        """Gradients of x, weight and bias, given that of y and what `layer_norm` returned."""

    def channel_affine(self, x: Array, scale: Array, shift: Array, relu: bool = False) -> Array:
        """y = x scale + shift with scale and shift (C,), then relu: x (N, C, …)."""

    def log_softmax(self, x: Array) -> Array:
        """x - log Σ exp(x) along the last dimension, the largest x subtracted first."""

    def log_softmax_backward(self, grad: Array, y: Array) -> Array:
        """grad - exp(y) Σ grad along the last dimension."""

    def cross_entropy(
        self, x: Array, target: Array, weight: Array | None, ignore_index: int
    ) -> tuple[Array, Array, Array]:
        """Of each row of x (R, K) with the label target (R,) of int64: loss, factor, softmax.

        factor (R,) is weight[target], 1 without weight, 0 where the label is `ignore_index`; loss
        (R,) is -factor log softmax(x)[target], exactly 0 where ignored; the softmax is (R, K).
        """

    def cross_entropy_backward(
        self, grad: Array, p: Array, target: Array, ignore_index: int, factor: Array
    ) -> Array:
        """grad factor (p - onehot(target)) with grad (R,) or (): exactly 0 where ignored."""

    def sgd_step(
        self,
        w: Array,
        grad: Array,
        velocity: Array | None,
        lr: float,
        momentum: float,
        keep: float,
        decay: float,
        nesterov: bool,
        maximize: bool,
        skip: Array | None = None,
    ) -> None:
        """In place: d = ±grad + decay w; velocity = momentum velocity + keep d; w -= lr velocity.

        With nesterov w -= lr (d + momentum velocity); velocity None: w -= lr d.
        skip: an int32 of shape () beside w; where it is not 0 nothing changes.
        """

    def adam_step(
        self,
        w: Array,
        grad: Array,
        exp_avg: Array,
        exp_avg_sq: Array,
        max_exp_avg_sq: Array | None,
        beta1: float,
        beta2: float,
        step: float,
        divisor: float,
        eps: float,
        decay: float,
        shrink: float,
        maximize: bool,
    ) -> None:
        """In place: w *= shrink; d = ±grad + decay w; exp_avg += (1 - beta1) (d - exp_avg);
        exp_avg_sq = beta2 exp_avg_sq + (1 - beta2) d²; max_exp_avg_sq takes the larger;
        w -= step exp_avg / (sqrt(exp_avg_sq or its maximum) / divisor + eps).
        """

    def adam_step_counted(
        self,
        skip: Array | None,
        taken: Array | int,
        w: Array,
        grad: Array,
        exp_avg: Array,
        exp_avg_sq: Array,
        max_exp_avg_sq: Array | None,
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        decay: float,
        shrink: float,
        corrected: bool,
        maximize: bool,
    ) -> Array | int:
        """`adam_step` after `taken` others; how many it makes. Where `skip` is not 0 nothing changes.

        corrected: step = lr / (1 - beta1^t) and divisor = sqrt(1 - beta2^t), t = taken + 1, which make
        up for the moments' start at 0; else lr and 1. skip is an int32 of shape () beside w. On a GPU
        with skip the counts are int64 of shape () there, so that nobody waits for them.
        """

    def unscale(self, grad: Array, scale: Array, found: Array) -> None:
        """In place: grad /= scale (float32, shape ()), as a product with 1 / scale in float32.

        found (int32, shape ()) becomes 1 if grad holds infinity or NaN, and else stays.
        """

    def update_scale(
        self,
        scale: Array,
        streak: Array,
        found: Array,
        growth: float,
        backoff: float,
        interval: int,
    ) -> tuple[Array, Array]:
        """What follow on scale (float32) and streak (int32), both of shape ().

        found not 0: scale backoff, 0. Else scale, streak + 1; where that is `interval`, scale growth,
        if it is finite, and 0.
        """
