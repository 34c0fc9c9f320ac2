"""Gates that lay out sliding windows, and add windows up again."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.gate import UnaryGate, ViewGate


class Windows(ViewGate):
    """y[..., i, ..., k] = x[..., i step + k, ...]: the windows of a dimension, as a view.

    Local gradient: each element gets the sum over the windows that it lies in.
    Shapes: y as x, with (n - size) // step + 1 windows in `dim` and `size` at the end.
    """

    __slots__ = ("dim", "size", "step", "x_shape")

    def __init__(self, dim, size, step):
        self.dim, self.size, self.step = dim, size, step

    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        y = np.lib.stride_tricks.sliding_window_view(x, self.size, self.dim)
        return y[(slice(None),) * self.dim + (slice(None, None, self.step),)]

    def backward(self, grad):
        return (WindowsGrad(self.dim, self.size, self.step, self.x_shape)(grad),)


class WindowsGrad(UnaryGate):
    """gx = zeros of `shape` with every window of grad added where it came from; linear."""

    __slots__ = ("dim", "shape", "size", "step")

    def __init__(self, dim, size, step, shape):
        self.dim, self.size, self.step, self.shape = dim, size, step, shape

    def forward(self, grad):
        self.saved = ()
        gx = np.zeros_like(grad, shape=self.shape, order="C")
        span = self.step * (grad.shape[self.dim] - 1) + 1
        for k in range(self.size):
            gx[(slice(None),) * self.dim + (slice(k, k + span, self.step),)] += grad[..., k]
        return gx

    def backward(self, gg):
        return (Windows(self.dim, self.size, self.step)(gg),)


class Unfold(UnaryGate):
    """y[n, (c, i, j), (p, q)] = x[n, c, p stride + i dilation - padding, …]: windows as columns.

    Local gradient: Fold, its transpose.
    Shapes: x (N, C, H, W); y (N, C KH KW, OH OW).
    """

    __slots__ = ("kernel", "settings", "size")  # (KH, KW); Conv2dSettings; (H, W)

    def __init__(self, kernel, settings):
        self.kernel, self.settings = kernel, settings

    def forward(self, x):
        self.saved = ()
        self.size = x.shape[2:]
        padded = np.pad(x, ((0, 0), (0, 0), *[(p, p) for p in self.settings.padding]))
        oh, ow = self.settings.output_size(self.size, self.kernel)
        n, c = x.shape[:2]
        y = np.empty_like(x, shape=(n, c, *self.kernel, oh, ow), order="C")
        for i, j, key in taps(self.kernel, self.settings, (oh, ow)):
            y[:, :, i, j] = padded[key]
        return y.reshape(n, c * self.kernel[0] * self.kernel[1], oh * ow)

    def backward(self, grad):
        return (Fold(self.kernel, self.settings, self.size)(grad),)


class Fold(UnaryGate):
    """y = every column added at the window it belongs to; linear.

    Shapes: x (N, C KH KW, OH OW); y (N, C, H, W), (H, W) = `size`.
    """

    __slots__ = ("kernel", "settings", "size")

    def __init__(self, kernel, settings, size):
        self.kernel, self.settings, self.size = kernel, settings, size

    def forward(self, x):
        self.saved = ()
        (kh, kw), (ph, pw), (h, w) = self.kernel, self.settings.padding, self.size
        oh, ow = self.settings.output_size(self.size, self.kernel)
        n, c = x.shape[0], x.shape[1] // (kh * kw)
        columns = x.reshape(n, c, kh, kw, oh, ow)
        padded = np.zeros_like(x, shape=(n, c, h + 2 * ph, w + 2 * pw), order="C")
        for i, j, key in taps(self.kernel, self.settings, (oh, ow)):
            padded[key] += columns[:, :, i, j]
        return padded[:, :, ph : ph + h, pw : pw + w].copy()

    def backward(self, grad):
        return (Unfold(self.kernel, self.settings)(grad),)


def taps(kernel, settings, windows):
    """For each place (i, j) of the kernel, the elements that it meets in a padded image."""
    (sh, sw), (dh, dw) = settings.stride, settings.dilation
    oh, ow = windows
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows = slice(i * dh, i * dh + (oh - 1) * sh + 1, sh)
            columns = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)
            yield i, j, (slice(None), slice(None), rows, columns)
