"""Edge cases by name, each over all operations concerned, on every backend.

Where PyTorch is installed the same lines run there too.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.testing import gradcheck, gradgradcheck

INF = math.inf
RNG = np.random.default_rng(8)


@pytest.fixture(autouse=True, params=["cpp", "reference"])
def backend(request):
    with tg.use_backend(request.param):
        yield request.param


def codes(text):
    return text.strip().replace("\n", "; ").split("; ")


def evaluate(code, **names):
    """The tensors of an expression in the operands."""
    out = eval(code, {"lib": tg, "F": F, **names})
    return [x for x in (out if isinstance(out, tuple) else (out,)) if x.dtype.kind == "f"]


def gradients(code, **arrays):
    """Of the sum of the results, by every array of floats."""
    leaves = {k: tg.tensor(a, requires_grad=a.dtype.kind == "f") for k, a in arrays.items()}
    outs = evaluate(code, **leaves)
    wanted = [x for x in leaves.values() if x.requires_grad]
    found = tg.grad(sum(out.sum() for out in outs), wanted, allow_unused=True)
    return [
        np.zeros(x.shape) if g is None else g.numpy() for g, x in zip(found, wanted, strict=True)
    ]


# Zero-size arrays

EMPTY = {
    "x": np.zeros((0, 3)),
    "y": np.zeros((3, 0)),
    "b": np.ones(3),
    "img": np.zeros((0, 2, 4, 4)),
    "w": np.ones((3, 2, 2, 2)),
    "row": np.zeros((0, 2, 4)),
    "i": np.zeros((0,), np.int64),
}
ON_EMPTY = """
lib.exp(x); lib.sqrt(x); lib.abs(x); x + b; x * b; x / b; x ** 2; lib.maximum(x, b); x.clamp(0, 1)
lib.where(x > 0, x, b); lib.erf(x); lib.round(x); F.relu(x); F.gelu(x); F.softplus(x); F.elu(x)
F.glu(y.t(), 0); F.prelu(x, b); x.sum(); x.sum(0); x.sum(1); x.mean(1); x.prod(); x.prod(0)
x.var(1); x.std(1); x.logsumexp(0); x.cumsum(0); x.cumprod(1); x.sort(0).values; x.sort(1).values
x.topk(0, 0).values; x.amax(1); x.max(1).values; F.softmax(x, 1); F.log_softmax(x, 0); x.norm()
lib.norm(x, dim=1); x @ y; y @ x; lib.mm(y, x); F.linear(x, b[None])
lib.einsum("ij,jk->ik", x, y); lib.outer(x[:, 0], b); lib.tril(x); lib.diag(x[:, 0]); lib.trace(x)
lib.cdist(x, x); lib.cdist(x, y.t()); x.reshape(3, 0); x.view(0); x.flatten(); x.unsqueeze(0); x.t()
x.expand(2, 0, 3); x.repeat(2, 1); x.tile(2, 2); lib.cat([x, x]); lib.cat([x, b[None]])
lib.stack([x, x]); x.split(1, 1); x.chunk(2); x.narrow(0, 0, 0); x.flip(0); x.roll(1, 0); x[i]
F.pad(x, (1, 1)); x.unfold(1, 2, 1); x[:, 1]; x[x > 0]; x.gather(0, i[:, None].expand(0, 3))
b.index_select(0, i); x.index_add(0, i, x); b.scatter_add(0, i, x[:, 0]); b.take(i)
F.conv2d(img, w); F.conv1d(row, w[..., 0]); F.conv_transpose2d(img.repeat(1, 2, 1, 1)[:, :3], w)
F.max_pool2d(img, 2); F.avg_pool2d(img, 2); F.lp_pool2d(img, 2, 2); F.max_pool1d(row, 2)
F.adaptive_avg_pool2d(img, 2); F.interpolate(img, scale_factor=2); F.unfold(img, 2)
F.pixel_shuffle(img, 1); F.layer_norm(x, (3,)); F.group_norm(img, 2)
F.normalize(x); F.embedding(i, w[0, 0]); F.dropout(x, 0.5); F.cosine_similarity(x, x)
F.cross_entropy(x, i, reduction="sum"); F.mse_loss(x, x); F.nll_loss(x, i, reduction="none")
F.scaled_dot_product_attention(x[None], x[None], x[None])
"""


@pytest.mark.parametrize("code", codes(ON_EMPTY))
def test_zero_size_arrays(code):
    names = compile(code, "code", "eval").co_names
    arrays = {name: a for name, a in EMPTY.items() if name in names}
    for gradient, a in zip(
        gradients(code, **arrays), [a for a in arrays.values() if a.dtype.kind == "f"], strict=True
    ):
        assert gradient.shape == a.shape
        assert np.isfinite(gradient).all()


@pytest.mark.torch
@pytest.mark.parametrize("code", codes(ON_EMPTY))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_zero_size_arrays_agree_with_torch(agree, code):
    names = compile(code, "code", "eval").co_names
    agree(code, order=1, **{name: a for name, a in EMPTY.items() if name in names})


# 0-d arrays

ON_ONE_NUMBER = """
lib.exp(x); lib.log(x); lib.sqrt(x); x.rsqrt(); x.square(); x.reciprocal(); lib.sin(x); x.tanh()
x.sigmoid(); x.erf(); lib.abs(x); x.floor(); x.sign(); x.nan_to_num(); x.clamp(0, 2); x + y; x - y
x * y; x / y; x ** y; x % y; lib.maximum(x, y); lib.minimum(x, y); lib.atan2(x, y); lib.hypot(x, y)
lib.lerp(x, y, 0.3); lib.logaddexp(x, y); lib.where(x > y, x, y); x.masked_fill(x > 9, 1.0); x.sum()
x.sum(0); x.mean(0); x.prod(); x.prod(0); x.amax(); x.amin(0); x.max(); x.min(); x.max(0).values
x.min(0).values; x.median(); x.var(correction=0); x.logsumexp(0); x.cumsum(0); x.cumprod(0)
x.sort(0).values; x.topk(1).values; F.softmax(x, 0); F.log_softmax(x, 0); x.norm(); x.norm(1)
x.reshape(1, 1); x.reshape(()); x.view(1); x.flatten(); x.squeeze(); x.squeeze(0); x.unsqueeze(0)
x.permute(()); x.t(); x.expand(2, 3); x.expand(()); x.broadcast_to((2,)); x.repeat(2); x.tile(2)
x.clone(); lib.stack([x, y]); x[None]; x[...]; x[...] * y; x.gather(0, i)
x.index_select(0, i); x.take(i); x.roll(0); lib.einsum(",->", x, y); F.relu(x); F.elu(x); F.gelu(x)
F.silu(x); F.softplus(x); F.leaky_relu(x); F.hardtanh(x); F.logsigmoid(x); F.mse_loss(x, y)
F.l1_loss(x, y); F.huber_loss(x, y); F.smooth_l1_loss(x, y); F.kl_div(x, y)
F.binary_cross_entropy_with_logits(x, y); F.dropout(x, 0.0); lib.broadcast_tensors(x, y)
"""


@pytest.mark.parametrize("code", codes(ON_ONE_NUMBER))
def test_0_d_arrays(code):
    i = tg.tensor(0)

    def function(x, y):
        out = eval(code, {"lib": tg, "F": F, "x": x, "y": y, "i": i})
        return out if isinstance(out, tuple) else out * 1.0

    assert gradcheck(function, (np.array(0.7), np.array(1.3)))
    assert gradgradcheck(function, (np.array(0.7), np.array(1.3)))


@pytest.mark.torch
@pytest.mark.parametrize("code", codes(ON_ONE_NUMBER))
def test_0_d_arrays_agree_with_torch(agree, code):
    arrays = {"x": np.array(0.7), "y": np.array(1.3), "i": np.array(0)}
    names = compile(code, "code", "eval").co_names
    agree(code, **{name: a for name, a in arrays.items() if name in names})


# Ties

TIED = np.array([[[2.0, 3.0, 3.0, 1.0], [3.0, 3.0, 2.0, 2.0]]])
OF_TIES = """
x.max(); x.min(); x.amax(); x.amin(); x.amax(2); x.amin((1, 2)); x.max(2).values; x.min(1).values
x.sort(2).values; x.sort(2, descending=True).values; x.median(2).values
x.median(); lib.maximum(x, x.flip(2)); lib.minimum(x, x.flip(2)); F.max_pool2d(x, 2)
F.max_pool2d(x, 2, 1); F.max_pool1d(x, 2); F.adaptive_max_pool2d(x, 1); F.adaptive_max_pool1d(x, 3)
"""


ORDERED_BY_US = ["x.topk(2, 2).values", "F.maxout(x, 2, 2)"]  # PyTorch's topk names any of equals


@pytest.mark.parametrize("code", [*codes(OF_TIES), *ORDERED_BY_US])
def test_ties_in_max(code):
    (gradient,) = gradients(code, x=TIED)
    (out,) = evaluate(code, x=tg.tensor(TIED))
    assert gradient.min() >= 0
    assert gradient.sum() == out.numel()  # each result hands its gradient on once
    assert set(gradient[TIED == 1]) <= {0, 1, 2, 4}


@pytest.mark.torch
@pytest.mark.parametrize("code", codes(OF_TIES))
def test_ties_in_max_agree_with_torch(agree, code):
    agree(code, order=1, x=TIED)


# Zeros under roots

AT_ZERO = """
x.norm(); x.norm(3); x.norm(0.5); x.norm(dim=1); x.norm(INF); lib.linalg.norm(x); x.std()
lib.linalg.vector_norm(x, 4, 1); lib.linalg.matrix_norm(x); lib.hypot(x, x * 2); lib.cdist(x, x)
lib.cdist(x, x * 2, p=1.5); F.pairwise_distance(x, 2 * x, eps=0); F.lp_pool1d(x, 2, 2)
F.lp_pool2d(x[None], 2, 2); F.cosine_similarity(x, x + 1); lib.sqrt(x) * 0; x ** 0.5 * 0
"""


@pytest.mark.parametrize("code", codes(AT_ZERO))
def test_sqrt_and_norm_at_0(code):
    x = tg.zeros(2, 3, dtype=tg.float64, requires_grad=True)
    out = eval(code, {"lib": tg, "F": F, "x": x, "INF": INF})
    (gradient,) = tg.grad(out.sum(), x, create_graph=True)
    limit = 1e8 if "cosine" in code else 0  # a cosine divides by its eps
    assert abs(gradient.detach().numpy()).max() <= limit
    if gradient.requires_grad:
        (second,) = tg.grad(gradient.sum(), x, allow_unused=True)
        assert second is None or np.isfinite(second.numpy()).all()


def test_sqrt_at_0_is_infinitely_steep():
    assert gradients("lib.sqrt(x)", x=np.zeros(2))[0].tolist() == [INF, INF]


# Large and infinite scores

SCORES = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [3.0, -INF, 1e4]])
OF_SCORES = """
F.log_softmax(x, 1)[:2]; F.softmax(x, 1); x.logsumexp(1); F.cross_entropy(x, t)
F.nll_loss(F.log_softmax(x, 1), t); F.logsigmoid(x[:2]); x.sigmoid(); F.softplus(x)
F.binary_cross_entropy_with_logits(x[:2], x[:2].sigmoid().detach()); lib.logaddexp(x, x.flip(1))
F.cross_entropy(x[:2], F.softmax(x[:2], 1).detach(), label_smoothing=0.1); x.tanh(); F.silu(x[:2])
F.multi_margin_loss(x[:2], t[:2])
"""


@pytest.mark.parametrize("code", codes(OF_SCORES))
def test_log_softmax_of_1e4_and_minus_infinity(code):
    t = np.array([0, 2, 2])
    names = compile(code, "code", "eval").co_names
    arrays = {name: a for name, a in {"x": SCORES, "t": t}.items() if name in names}
    for out in evaluate(code, **{name: tg.tensor(a) for name, a in arrays.items()}):
        assert not np.isnan(out.numpy()).any()
        assert not (out.numpy() == INF).any()
    assert np.isfinite(gradients(code, **arrays)[0]).all()


@pytest.mark.torch
@pytest.mark.parametrize("code", codes(OF_SCORES))
def test_log_softmax_of_1e4_and_minus_infinity_agrees_with_torch(agree, code):
    names = compile(code, "code", "eval").co_names
    arrays = {"x": SCORES[:2], "t": np.array([0, 2])}
    agree(code, order=1, **{name: a for name, a in arrays.items() if name in names})


def test_log_softmax_of_rows_of_minus_infinity():
    row = tg.tensor([[-INF, -INF], [0.0, -INF]])
    np.testing.assert_equal(F.log_softmax(row, 1).tolist(), [[math.nan] * 2, [0, -INF]])
    np.testing.assert_equal(row.logsumexp(1).tolist(), [-INF, 0])
    mask = tg.tensor([[-INF, -INF], [0.0, -INF]])
    q = tg.ones(2, 1, requires_grad=True)
    attended = F.scaled_dot_product_attention(q, q, q, attn_mask=mask)
    assert attended.tolist() == [[0], [1]]  # a query that may see nothing sees nothing
    attended.sum().backward()
    assert q.grad.tolist() == [[1], [0]]


# Memory layouts

IMAGE, KERNEL = RNG.standard_normal((2, 2, 5, 6)), RNG.standard_normal((4, 2, 3, 2))
BACKWARDS = """
F.conv2d(x, w); F.conv2d(w, x[:, :, :2, :1]); F.conv1d(x[:, :, 0], w[..., 0]); F.max_pool2d(x, 2, 1)
F.conv_transpose2d(x[:, :1].expand(2, 4, 5, 6), w, stride=2); F.avg_pool2d(x, 2, ceil_mode=True)
F.lp_pool2d(x, 2, 2); F.adaptive_avg_pool2d(x, 3); F.adaptive_max_pool2d(x, 2); F.unfold(x, 2)
F.interpolate(x, (3, 9), mode="bilinear"); x @ x.mT; x[0, 0] @ w[0, 0, :1, :1].expand(6, 3)
F.linear(x, w[:, 0, :, 0].repeat(1, 2)); lib.cdist(x[0], x[1]); lib.einsum("bchw,ocij->boh", x, w)
F.batch_norm(x, None, None, training=True); F.layer_norm(x, (6,)); F.group_norm(x, 2)
F.log_softmax(x, 1); x.logsumexp(2); x.sum(0); x.mean((2, 3)); x.var(1); x.prod(3); x.cumsum(2)
x.cumprod(3); x.sort(3).values; x.max(2).values; x.amax((1, 3)); x.norm(dim=1); x.exp(); x * x.flip(0)
F.relu(x); F.gelu(x); lib.maximum(x, x.mean(0)); lib.where(x > 0, x, w[0, 0, 0, 0]); x[:, 0, [0, 0, 2]]
x.gather(3, (x.detach()[..., :2] * 0).long()); x.reshape(4, 30); x.transpose(1, 3).flatten(1)
lib.cat([x, x], 2); F.pad(x, (1, 2), mode="reflect"); F.pixel_shuffle(x.repeat(1, 2, 1, 1), 2)
x.roll(1, 2); x.unfold(3, 2, 2); F.cross_entropy(x, (x.detach()[:, 0] * 0).long())
F.grid_sample(x, x.permute(0, 2, 3, 1).tanh(), align_corners=False); F.normalize(x)
F.scaled_dot_product_attention(x, x, x); F.local_response_norm(x, 2); F.mse_loss(x, x.flip(2))
"""


@pytest.mark.parametrize("code", codes(BACKWARDS))
def test_negative_strides(code):
    names = compile(code, "code", "eval").co_names
    arrays = {name: a for name, a in {"x": IMAGE, "w": KERNEL}.items() if name in names}
    flipped = f"(lambda {', '.join(arrays)}: {code})({', '.join(f'{n}[..., ::-1, ::-1]' for n in arrays)})"
    turned = {name: a[..., ::-1, ::-1].copy() for name, a in arrays.items()}
    want = evaluate(code, **{name: tg.tensor(a) for name, a in arrays.items()})
    got = evaluate(flipped, **{name: tg.tensor(a) for name, a in turned.items()})
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-12)
    for a, b in zip(gradients(flipped, **turned), gradients(code, **arrays), strict=True):
        np.testing.assert_allclose(a[..., ::-1, ::-1], b, rtol=1e-9, atol=1e-12)


# Broadcasting

OF_TWO = """
x + y; x - y; x * y; x / y; x ** y; x % y; lib.maximum(x, y); lib.minimum(x, y); lib.atan2(x, y)
lib.hypot(x, y); lib.logaddexp(x, y); lib.lerp(x, y, 0.3); lib.where(x > y, x, y)
lib.where(lib.tensor([True, False, True]), x, y); x.clamp(max=y); lib.broadcast_tensors(x, y)
"""


@pytest.mark.parametrize("code", codes(OF_TWO))
def test_broadcasting_in_both_operands(code):
    x, y = RNG.uniform(0.5, 2, (2, 1, 3)), RNG.uniform(0.5, 2, (4, 1))
    whole = (2, 4, 3)
    assert all(out.shape == whole for out in evaluate(code, x=tg.tensor(x), y=tg.tensor(y)))
    gx, gy = gradients(code, x=x, y=y)
    full_x, full_y = gradients(
        code, x=np.broadcast_to(x, whole).copy(), y=np.broadcast_to(y, whole).copy()
    )
    np.testing.assert_allclose(gx, full_x.sum(1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(gy, full_y.sum((0, 2))[:, None], rtol=1e-12)


# Places named twice


@pytest.mark.parametrize(
    ("code", "want"),
    [
        ("x.gather(0, i)", [3, 0, 1]),
        ("x[i]", [3, 0, 1]),
        ("x[[0, 0, 2, 0]]", [3, 0, 1]),
        ("x.index_select(0, i)", [3, 0, 1]),
        ("x.take(i)", [3, 0, 1]),
        ("lib.take_along_dim(x, i, 0)", [3, 0, 1]),
        ("F.embedding(i, x[:, None])", [3, 0, 1]),
        ("x.repeat_interleave(lib.tensor([3, 0, 1]))", [3, 0, 1]),
        ("lib.zeros(3, dtype=lib.float64).scatter_add(0, i, x[[0, 1, 2, 0]] * c)", [9, 2, 4]),
        ("lib.zeros(3, dtype=lib.float64).index_add(0, i, x[[0, 1, 2, 0]] * c)", [9, 2, 4]),
        ("x.scatter(0, i, x[[0, 1, 2, 0]], reduce='add')", [3, 2, 2]),
    ],
)
def test_repeated_indices_in_gather_and_scatter(code, want):
    i, c = np.array([0, 0, 2, 0]), tg.tensor([1.0, 2.0, 4.0, 8.0], dtype=tg.float64)
    x = tg.tensor([1.0, 10.0, 100.0], dtype=tg.float64, requires_grad=True)
    out = eval(code, {"lib": tg, "F": F, "x": x, "i": tg.tensor(i), "c": c})
    out.sum().backward()
    assert x.grad.tolist() == want


def test_what_is_added_to_one_place_twice_is_there_twice():
    i, x = tg.tensor([1, 1, 0]), tg.tensor([1.0, 10.0, 100.0])
    for name in ("scatter_add", "index_add"):
        assert getattr(tg.zeros(2), name)(0, i, x).tolist() == [100, 11]


# Windows and strides

ROW = np.array([[[1.0, 5.0, 2.0, 4.0, 3.0]]])
HANGING = {
    "F.max_pool1d(x, 2, ceil_mode=True)": [[[5, 4, 3]]],
    "F.max_pool1d(x, 3, 3, 1, ceil_mode=True)": [[[5, 4]]],
    "F.max_pool2d(x[None], (1, 2), ceil_mode=True)": [[[[5, 4, 3]]]],
    "F.max_pool2d(x[None], (1, 3), (1, 2), (0, 1))": [[[[5, 5, 4]]]],
    "F.avg_pool1d(x, 2, ceil_mode=True)": [[[3, 3, 3]]],
    "F.avg_pool1d(x, 3, 2, 1)": [[[2, 11 / 3, 7 / 3]]],
    "F.avg_pool1d(x, 3, 2, 1, count_include_pad=False)": [[[3, 11 / 3, 3.5]]],
    "F.avg_pool2d(x[None], (1, 2), ceil_mode=True)": [[[[3, 3, 3]]]],
    "F.avg_pool2d(x[None], (1, 2), ceil_mode=True, divisor_override=1)": [[[[6, 6, 3]]]],
    "F.lp_pool1d(x, 1, 2, ceil_mode=True)": [[[6, 6, 6]]],
    "F.lp_pool2d(x[None], 1, (1, 2), ceil_mode=True)": [[[[6, 6, 6]]]],
}


@pytest.mark.parametrize("code", HANGING)
def test_pooling_windows_that_hang_over_the_edge(code):
    (out,) = evaluate(code, x=tg.tensor(ROW))
    np.testing.assert_allclose(out.numpy(), HANGING[code], rtol=1e-12)
    assert gradcheck(lambda x: evaluate(code, x=x)[0], ROW)


@pytest.mark.torch
@pytest.mark.parametrize("code", HANGING)
def test_pooling_windows_that_hang_over_the_edge_agree_with_torch(agree, code):
    agree(code, x=ROW)


@pytest.mark.parametrize(
    ("code", "read"),
    [
        ("F.conv1d(x, one.expand(1, 1, 2), stride=3)", [1, 1, 0, 1, 1, 0, 0]),
        ("F.conv1d(x, one.expand(1, 1, 2), stride=2, dilation=3)", [1, 0, 1, 1, 0, 1, 0]),
        ("F.conv2d(x[None], one.expand(1, 1, 1, 3), stride=3)", [1, 1, 1, 1, 1, 1, 0]),
        ("F.conv2d(x[None], one.expand(1, 1, 1, 2), stride=4)", [1, 1, 0, 0, 1, 1, 0]),
        ("F.avg_pool1d(x, 2, 3) * 2", [1, 1, 0, 1, 1, 0, 0]),
        ("F.max_pool1d(x, 1, 3)", [1, 0, 0, 1, 0, 0, 1]),
        ("x.unfold(2, 2, 3)", [1, 1, 0, 1, 1, 0, 0]),
        ("F.unfold(x[None], (1, 2), stride=3)", [1, 1, 0, 1, 1, 0, 0]),
    ],
)
def test_convolution_that_does_not_tile_its_input(code, read):
    one = tg.ones(1, 1, 1, dtype=tg.float64)
    x = tg.tensor(RNG.standard_normal((1, 1, 7)), requires_grad=True)
    names = {"one": one if "conv1d" in code else one[None], "F": F, "x": x}
    eval(code, names).sum().backward()
    assert x.grad.tolist() == [[read]]
