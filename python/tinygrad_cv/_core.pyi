"""
C++ kernels of tinygrad_cv; use them through tinygrad_cv.backends
"""
from __future__ import annotations
import collections.abc
import numpy
import typing
def activation(name: str, x: typing.Any, alpha: typing.SupportsFloat | typing.SupportsIndex = 0.0) -> numpy.ndarray:
    """
    activation(name: str, x, alpha: float = 0.0) -> numpy.ndarray
    
    y = f(x); alpha is leaky_relu's slope.
    """
def activation_backward(name: str, grad: typing.Any, saved: typing.Any, alpha: typing.SupportsFloat | typing.SupportsIndex = 0.0) -> numpy.ndarray:
    """
    activation_backward(name: str, grad, saved, alpha: float = 0.0) -> numpy.ndarray
    
    gx = grad f'(x); saved is y for relu, relu6, sigmoid, tanh and exp, x for the others.
    """
def adam_step(w: typing.Any, grad: typing.Any, exp_avg: typing.Any, exp_avg_sq: typing.Any, max_exp_avg_sq: typing.Any, beta1: typing.SupportsFloat | typing.SupportsIndex, beta2: typing.SupportsFloat | typing.SupportsIndex, step: typing.SupportsFloat | typing.SupportsIndex, divisor: typing.SupportsFloat | typing.SupportsIndex, eps: typing.SupportsFloat | typing.SupportsIndex, decay: typing.SupportsFloat | typing.SupportsIndex, shrink: typing.SupportsFloat | typing.SupportsIndex, maximize: bool) -> None:
    """
    adam_step(w, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, beta1, beta2, step, divisor, eps,
              decay, shrink, maximize) -> None
    
    In place: w *= shrink; d = ±grad + decay w; exp_avg and exp_avg_sq take d and d^2 in;
    w -= step exp_avg / (sqrt(exp_avg_sq) / divisor + eps), with max_exp_avg_sq its largest.
    """
def add_relu(a: typing.Any, b: typing.Any) -> numpy.ndarray:
    """
    add_relu(a, b) -> numpy.ndarray
    
    y = max(a + b, 0); NaN stays.
    """
def affine_maps(moves: typing.Any, height: typing.SupportsInt | typing.SupportsIndex, width: typing.SupportsInt | typing.SupportsIndex, float64: bool) -> numpy.ndarray:
    """
    affine_maps(moves, height: int, width: int, float64: bool) -> numpy.ndarray
    
    Maps (N, 2, 3) of images moved about their centre. A row of moves (N, 5), float64 and
    dense: degrees counter-clockwise, shares of the width to the right and of the height down,
    magnification, slant along x in degrees.
    """
def available_isas() -> tuple:
    """
    available_isas() -> tuple[str, ...]
    
    The sets that this build and machine have.
    """
def avg_pool2d(x: typing.Any, kernel: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], ceil_mode: bool, include_pad: bool, divisor: typing.SupportsInt | typing.SupportsIndex) -> numpy.ndarray:
    """
    avg_pool2d(x, kernel, stride, padding, ceil_mode, include_pad, divisor) -> y
    
    y[n, c, p, q] is a window's sum over its count, or over divisor if that is not 0.
    """
def avg_pool2d_backward(grad: typing.Any, size: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], kernel: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], ceil_mode: bool, include_pad: bool, divisor: typing.SupportsInt | typing.SupportsIndex) -> numpy.ndarray:
    """
    avg_pool2d_backward(grad, size, kernel, stride, padding, ceil_mode, include_pad, divisor) -> gx
    
    gx spreads each gradient over its window, divided as the forward pass divided.
    """
def batch_norm(x: typing.Any, weight: typing.Any, bias: typing.Any, eps: typing.SupportsFloat | typing.SupportsIndex, relu: bool = False) -> tuple:
    """
    batch_norm(x, weight, bias, eps, relu=False) -> tuple of 4 numpy.ndarray
    
    y = act((x - mean) root weight + bias); mean, variance and root = 1 / sqrt(variance + eps)
    of each channel.
    """
def batch_norm_backward(grad: typing.Any, x: typing.Any, weight: typing.Any, bias: typing.Any, mean: typing.Any, root: typing.Any, relu: bool = False) -> tuple:
    """
    batch_norm_backward(grad, x, weight, bias, mean, root, relu=False) -> tuple of 3 numpy.ndarray
    
    The gradients of x, weight and bias.
    """
def byte_units(x: typing.Any) -> numpy.ndarray:
    """
    byte_units(x) -> numpy.ndarray
    
    y = x / 255, bytes as float32 in [0, 1].
    """
def channel_affine(x: typing.Any, scale: typing.Any, shift: typing.Any, relu: bool = False) -> numpy.ndarray:
    """
    channel_affine(x, scale, shift, relu=False) -> numpy.ndarray
    
    y[:, c] = act(x[:, c] scale[c] + shift[c])
    """
def channel_sum(x: typing.Any) -> numpy.ndarray:
    """
    channel_sum(x) -> numpy.ndarray
    
    s[c] = sum of x[n, c, ...] over all but the channels: (C,).
    """
def connect_engine(names: dict) -> None:
    """
    connect_engine(names: dict) -> None
    
    Says which classes and functions the graph is made of, and switches shortcuts on.
    """
def conv2d(x: typing.Any, w: typing.Any, bias: typing.Any, settings: tuple, relu: bool = False) -> numpy.ndarray:
    """
    conv2d(x, w, bias, settings, relu=False) -> ndarray
    
    y[n,k,p,q] = bias[k] + sum x[n, c, p*sh - ph + r*dh, q*sw - pw + s*dw] * w[k,c,r,s]
    """
def conv2d_backward_input(grad: typing.Any, w: typing.Any, size: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], settings: tuple) -> numpy.ndarray:
    """
    conv2d_backward_input(grad, w, size, settings) -> ndarray
    
    gx[n,c,h,w] = sum grad[n,k,p,q] * w[k,c,r,s] over the pixels that read it
    """
def conv2d_backward_weight(x: typing.Any, grad: typing.Any, kernel: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], settings: tuple) -> numpy.ndarray:
    """
    conv2d_backward_weight(x, grad, kernel, settings) -> ndarray
    
    gw[k,c,r,s] = sum grad[n,k,p,q] * x[n, c, p*sh - ph + r*dh, q*sw - pw + s*dw]
    """
def conv2d_plan(x: typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"], w: typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"], settings: tuple, pass_: str, itemsize: typing.SupportsInt | typing.SupportsIndex = 4, threads: typing.SupportsInt | typing.SupportsIndex = 0) -> dict:
    """
    conv2d_plan(x, w, settings, pass_, itemsize=4, threads=0) -> dict
    
    The algorithm for shapes x and w, why, threads and scratch bytes; nothing is computed.
    pass_: 'forward', 'backward_input' or 'backward_weight'; threads 0: as set.
    """
def cross_entropy(x: typing.Any, target: typing.Any, weight: typing.Any, ignore_index: typing.SupportsInt | typing.SupportsIndex) -> tuple:
    """
    cross_entropy(x, target, weight, ignore_index) -> tuple of 3 numpy.ndarray
    
    Of each row of scores x (R, K): its loss and its factor, weight[target] or 0; and its
    softmax (R, K). target is int64.
    """
def cross_entropy_backward(grad: typing.Any, p: typing.Any, target: typing.Any, ignore_index: typing.SupportsInt | typing.SupportsIndex, factor: typing.Any) -> numpy.ndarray:
    """
    cross_entropy_backward(grad, p, target, ignore_index, factor) -> numpy.ndarray
    
    gx = grad factor (p - onehot(target)); grad is one number a row, or one for all.
    """
def dropout(x: typing.Any, draws: typing.Any, p: typing.SupportsFloat | typing.SupportsIndex) -> numpy.ndarray:
    """
    dropout(x, draws, p: float) -> numpy.ndarray
    
    y = x / (1 - p) where draws >= p, else 0 x.
    """
def get_float32_precision() -> str:
    """
    get_float32_precision() -> str
    """
def get_num_threads() -> int:
    """
    get_num_threads() -> int
    """
def has_openmp() -> bool:
    """
    has_openmp() -> bool
    """
def isa() -> str:
    """
    isa() -> str
    
    The instruction set in use.
    """
def limit_this_thread(threads: typing.SupportsInt | typing.SupportsIndex) -> None:
    """
    limit_this_thread(threads: int) -> None
    
    Of kernels that the calling thread calls.
    """
def log_softmax(x: typing.Any) -> numpy.ndarray:
    """
    log_softmax(x) -> numpy.ndarray
    
    y = x - log of the sum of exp(x), along the last dimension.
    """
def log_softmax_backward(grad: typing.Any, y: typing.Any) -> numpy.ndarray:
    """
    log_softmax_backward(grad, y) -> numpy.ndarray
    
    gx = grad - exp(y) times the sum of grad, along the last dimension.
    """
def machine() -> dict:
    """
    machine() -> dict[str, int]
    
    What the planners know of this machine (bytes).
    """
def matmul(a: typing.Any, b: typing.Any, bias: typing.Any = None, relu: bool = False, form: str = '') -> typing.Any:
    """
    matmul(a, b, bias=None, relu=False, form='') -> numpy.ndarray
    
    a (..., M, K) times b (..., K, N), any strides, plus bias (N,), then relu: (..., M, N).
    form forces an algorithm: dot, direct, pack_b or pack_ab, with or without swapped_.
    
    c[i, j] = act(sum_k a[i, k] b[k, j] + bias[j])
    """
def matmul_plan(a: typing.Any, b: typing.Any) -> dict:
    """
    matmul_plan(a, b) -> dict
    
    The algorithm that matmul would take, and why.
    """
def max_pool2d(x: typing.Any, kernel: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], dilation: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], ceil_mode: bool) -> tuple:
    """
    max_pool2d(x, kernel, stride, padding, dilation, ceil_mode) -> (y, argmax)
    
    y[n, c, p, q] is the largest tap of a window, argmax its tap i * KW + j.
    """
def max_pool2d_backward(grad: typing.Any, argmax: typing.Any, size: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], kernel: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], dilation: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], ceil_mode: bool) -> numpy.ndarray:
    """
    max_pool2d_backward(grad, argmax, size, kernel, stride, padding, dilation, ceil_mode) -> gx
    
    gx is the sum of the gradients whose argmax names the element.
    """
def max_pool2d_gather(x: typing.Any, argmax: typing.Any, kernel: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], dilation: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], ceil_mode: bool) -> numpy.ndarray:
    """
    max_pool2d_gather(x, argmax, kernel, stride, padding, dilation, ceil_mode) -> y
    
    y[n, c, p, q] is the tap of x that argmax names.
    """
def measure_peak(float64: bool = False, seconds: typing.SupportsFloat | typing.SupportsIndex = 0.2) -> float:
    """
    measure_peak(float64: bool = False, seconds: float = 0.2) -> float
    
    Multiply-adds with operands in registers, on the threads in use, in GFLOP/s.
    """
def nearest(x: typing.Any, y: typing.Any, k: typing.SupportsInt | typing.SupportsIndex, metric: str, p: typing.SupportsFloat | typing.SupportsIndex = 2.0, form: str = '') -> tuple:
    """
    nearest(x, y, k, metric, p=2.0, form='') -> tuple
    
    The k rows of y (M, D) nearest to each row of x (N, D), dense: distances as float64 and
    indices as int64, both (N, k), nearest first, ties to the lower index. x and y are uint8,
    float32 or float64. form forces an algorithm: bytes, tiles or single.
    
    metric: l1, sqeuclidean, dot (negated), cosine, chebyshev, hamming, or minkowski (the sum
    of |x - y|^p)
    """
def nearest_plan(x: typing.Any, y: typing.Any, k: typing.SupportsInt | typing.SupportsIndex, metric: str) -> dict:
    """
    nearest_plan(x, y, k, metric) -> dict
    
    The algorithm that nearest would take, and why.
    """
def pairwise_distance(x: typing.Any, y: typing.Any, metric: str) -> typing.Any:
    """
    pairwise_distance(x, y, metric) -> numpy.ndarray
    
    Distances between the rows of x (N, D) and of y (M, D), dense: (N, M).
    float32 and float64 give their own dtype, uint8 exact int64.
    
    'l1': d[i, j] = sum_k |x[i, k] - y[j, k]|; 'sqeuclidean': the sum of squares
    """
def pool_release() -> None:
    """
    pool_release() -> None
    
    Gives the memory kept for reuse back to the system.
    """
def pool_set_limit(bytes: typing.SupportsInt | typing.SupportsIndex) -> None:
    """
    pool_set_limit(bytes: int) -> None
    """
def pool_stats() -> dict:
    """
    pool_stats() -> dict[str, int]
    
    Bytes in use, kept for reuse, and the bound on the latter.
    """
def relu_channel_sum(grad: typing.Any, y: typing.Any) -> tuple:
    """
    relu_channel_sum(grad, y) -> tuple[numpy.ndarray, numpy.ndarray]
    
    gx = grad where y > 0 or NaN, else 0; and channel_sum(gx).
    """
def restore_writeable(array: numpy.ndarray) -> None:
    """
    restore_writeable(array: numpy.ndarray) -> None
    
    Of an array that was so before: NumPy refuses it for one that owns no
    memory, such as those of the pool.
    """
def set_float32_precision(precision: str) -> None:
    """
    set_float32_precision(precision: str) -> None
    
    'fast' (default): any algorithm; 'exact': none with more error than the plain sum.
    """
def set_num_threads(threads: typing.SupportsInt | typing.SupportsIndex) -> None:
    """
    set_num_threads(threads: int) -> None
    """
def sgd_step(w: typing.Any, grad: typing.Any, velocity: typing.Any, lr: typing.SupportsFloat | typing.SupportsIndex, momentum: typing.SupportsFloat | typing.SupportsIndex, keep: typing.SupportsFloat | typing.SupportsIndex, decay: typing.SupportsFloat | typing.SupportsIndex, nesterov: bool, maximize: bool) -> None:
    """
    sgd_step(w, grad, velocity, lr, momentum, keep, decay, nesterov, maximize) -> None
    
    In place: d = ±grad + decay w; velocity = momentum velocity + keep d; w -= lr velocity,
    or lr (d + momentum velocity) with nesterov; velocity None: w -= lr d.
    """
def shortcut(plain: collections.abc.Callable) -> typing.Any:
    """
    shortcut(plain: Callable) -> Callable
    
    The Python function with C++ before it for the usual case; its __qualname__ says which.
    """
def splitmix_bases(key: typing.SupportsInt | typing.SupportsIndex, indices: typing.Any) -> numpy.ndarray:
    """
    splitmix_bases(key: int, indices) -> numpy.ndarray
    
    What the random numbers of samples, given as int64, begin with: (N,) of uint64.
    """
def splitmix_uniform(bases: typing.Any, drawn: typing.SupportsInt | typing.SupportsIndex, count: typing.SupportsInt | typing.SupportsIndex, low: typing.Any, high: typing.Any) -> numpy.ndarray:
    """
    splitmix_uniform(bases, drawn: int, count: int, low, high) -> numpy.ndarray
    
    The next numbers in [low, high) of samples that have drawn so many: (N, count), float64.
    low and high are numbers, or float64 arrays (count,).
    """
def use_shortcuts(mode: bool) -> bool:
    """
    use_shortcuts(mode: bool) -> bool
    
    Switches them on or off, in all threads; gives what was before.
    """
def warp_affine(x: typing.Any, maps: typing.Any, fill: typing.SupportsFloat | typing.SupportsIndex) -> numpy.ndarray:
    """
    warp_affine(x, maps, fill) -> numpy.ndarray
    
    Images x (N, C, H, W), their pixel (p, q) read at row maps[n, 0] . (q, p, 1) and column
    maps[n, 1] . (q, p, 1) of maps (N, 2, 3), dense and of the same type: as x.
    """
def warp_bilinear(x: typing.Any, rows: typing.Any, columns: typing.Any, fill: typing.SupportsFloat | typing.SupportsIndex) -> numpy.ndarray:
    """
    warp_bilinear(x, rows, columns, fill) -> numpy.ndarray
    
    Images x (N, C, H, W) read at rows and columns (N, P, Q), all dense and of one type,
    float32 or float64: (N, C, P, Q). Around an image there is fill.
    """
__version__: str = '0.1.0'
compiler: str = 'gcc 12.2.0'
