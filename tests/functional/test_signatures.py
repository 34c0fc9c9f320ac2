"""Calls as PyTorch users write them: order, names and defaults of arguments are PyTorch's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tinygrad_cv as tg

CALLS = """
lib.permute(x, dims=(1,0)); lib.permute(x, (1,0)); x.permute(dims=(1,0)); x.permute(1,0)
lib.reshape(x, shape=(3,2)); x.reshape(shape=(3,2)); x.view(size=(3,2)); x.expand(size=(2,3))
x.repeat(repeats=(2,1)); x.repeat(2,1); lib.tile(x, dims=(2,1)); x.tile(2,1); x.tile((2,1))
lib.flip(x, dims=[0]); x.flip(0,1); x.flip([0,1]); lib.roll(x, shifts=1, dims=0)
lib.transpose(x, dim0=0, dim1=1); lib.swapaxes(x, axis0=0, axis1=1)
lib.broadcast_to(x, size=(2,2,3)); lib.split(tensor=x, split_size_or_sections=2, dim=1)
x.split(split_size=2, dim=1); lib.zeros(size=(2,3)); lib.ones(size=(2,3))
lib.randn(size=(2,3)).shape; lib.rand(size=(2,3)).shape; lib.empty(size=(2,3)).shape
lib.full(size=(2,3), fill_value=2); lib.arange(end=5); lib.arange(start=1, end=5)
lib.arange(5, dtype=lib.float32); lib.arange(0., 1., .25); lib.randint(10, size=(3,)).shape
lib.randint(high=10, size=(3,)).shape; lib.randint(0, 10, (3,)).shape
lib.randint_like(lib.zeros(3), 10).shape; lib.randint_like(lib.zeros(3), 2, 10).shape
lib.einsum("ij,jk->ik", [x, x.T]); lib.amax(x, dim=()); lib.sum(x, dim=()); lib.mean(x, dim=[])
lib.sum(x, dim=[0,1]); lib.sum(x, (0,1), True); lib.squeeze(x, dim=(0,1))
lib.nan_to_num(x, nan=None); lib.std(x, 1, True); lib.std(x, dim=None, correction=0)
lib.var(x, False); lib.var(x, unbiased=False); lib.max(x, x); lib.min(x, x); x.max(x)
lib.argmax(x, dim=None); lib.norm(x); lib.norm(x, "fro"); lib.norm(x, 2, 1)
lib.norm(x, p=1, dim=(0,1), keepdim=True); lib.linalg.norm(x); lib.linalg.norm(x, 1)
lib.linalg.norm(x, "fro"); lib.linalg.norm(x, dim=1, ord=3)
lib.linalg.vector_norm(x, ord=lib.inf, dim=0); lib.linalg.vector_norm(x, ord=0); lib.norm(x, 0)
lib.linalg.matrix_norm(x); lib.linalg.norm(x, lib.inf); lib.cumsum(x, dim=0, dtype=lib.float64)
lib.softmax(x, 1, dtype=lib.float64); F.softmax(x, dim=1, dtype=lib.float64); F.softmax(x, -1)
F.log_softmax(x, -1, dtype=lib.float64); lib.topk(x, 2)
lib.topk(x, k=1, dim=0, largest=False, sorted=True); lib.sort(x, descending=True)
lib.sort(x, stable=True, dim=0); lib.all(x, 1); lib.all(x, dim=(0,1)); lib.any(x, 1, True)
lib.clamp(x, max=1); lib.clamp(x, 0); lib.clamp(x, min=lib.zeros(3), max=lib.ones(2,1))
lib.where(x>0); lib.where(x>0, 1, 0); lib.where(x>0, 1., x); lib.where(x>0, x, lib.tensor(0))
lib.masked_fill(x, x>0, lib.tensor(3.)); x.masked_fill(x>0, 1); lib.add(x, x, alpha=2)
lib.sub(x, 1, alpha=3); lib.add(x, 1); lib.pow(2, x); lib.pow(x, 2)
lib.div(x, 2, rounding_mode="floor"); lib.div(x, 2, rounding_mode="trunc")
lib.round(x, decimals=1); lib.atan2(x, x); lib.lerp(x, x+1, 0.3); lib.lerp(x, x+1, weight=x)
lib.addmm(x[:, :2], x, x.T[:, :2], beta=2, alpha=.5); lib.outer(x[0], x[1]); lib.diag(x[0])
lib.diag(x, 1); lib.tril(x, diagonal=-1); lib.trace(x); lib.cdist(x, x, p=1)
lib.stack([x,x], dim=1); lib.stack((x,x), -1); lib.cat([x,x], 1); lib.cat([x, lib.zeros(0)], 1)
lib.chunk(x, 2, 1); lib.narrow(x, 1, 0, 2); lib.unbind(x, 1); F.pad(x, (1,1), value=3)
F.pad(x, [1,1,0,1], "constant", 2); F.pad(x[None], (1,1), mode="reflect"); x.unfold(1, 2, 1)
x.unfold(dimension=1, size=2, step=1); F.unfold(x[None,None], kernel_size=2)
F.fold(F.unfold(x[None,None], 2), output_size=(2,3), kernel_size=2)
lib.gather(x, 1, lib.tensor([[0],[1]])); x.index_add(0, lib.tensor([0,0]), x, alpha=2)
lib.index_add(x, 0, lib.tensor([0,0]), x); x.scatter_add(0, lib.tensor([[0,0,0]]), x)
x.scatter(1, lib.tensor([[0],[1]]), 3.); x.scatter(1, lib.tensor([[0],[1]]), value=3.)
lib.take_along_dim(x, lib.tensor([[0],[1]]), dim=1); F.relu(x, inplace=False); F.leaky_relu(x, 0.2)
F.elu(x, alpha=.5); F.gelu(x, approximate="tanh"); F.prelu(x, lib.tensor([.1]))
F.hardtanh(x, -2, .3); F.glu(x[:, :2], 1); F.glu(x[:, :2]); F.softplus(x, 2, 3)
F.hinge_embedding_loss(x, lib.sign(x), 0.5); F.triplet_margin_loss(x, x+1, x*2, 0.5, 1)
F.cosine_embedding_loss(x, x+1, lib.tensor([1,-1]), 0.2)
F.margin_ranking_loss(x[0], x[1], lib.tensor([1,-1,1]), 0.2); F.kl_div(x, x.exp(), log_target=True)
F.kl_div(x, x.exp(), reduction="batchmean"); F.smooth_l1_loss(x, x+1, beta=2)
F.smooth_l1_loss(x, x+1, beta=0); F.huber_loss(x, x+1, "sum", 2)
F.huber_loss(x, x+1, reduction="sum", delta=2); F.l1_loss(x, x+1, reduction="none")
F.mse_loss(x, x+1, reduction="none")
F.binary_cross_entropy_with_logits(x, lib.ones(2,3), pos_weight=lib.tensor([1.,2,3]))
F.cross_entropy(x, lib.tensor([0,1]), weight=lib.tensor([1.,2,3]), ignore_index=1, label_smoothing=.1)
F.cross_entropy(x, lib.softmax(x,1)); F.cross_entropy(x[0], lib.tensor(1))
F.nll_loss(x, lib.tensor([0,1]), lib.tensor([1.,2,3]))
F.multi_margin_loss(x, lib.tensor([0,1]), 2, 0.5, lib.tensor([1.,2,3]))
F.cosine_similarity(x, x+1); F.cosine_similarity(x, x+1, dim=0, eps=.1)
F.pairwise_distance(x, x+1, 1, 1e-6, True); F.normalize(x); F.normalize(x, p=1, dim=0)
F.layer_norm(x, (3,)); F.layer_norm(x, [3], lib.ones(3), lib.ones(3), 1e-3); F.rms_norm(x, (3,))
F.group_norm(x[:, :2], 2); F.instance_norm(x[None])
F.local_response_norm(x[None], 2, alpha=.1, beta=.5, k=2)
F.scaled_dot_product_attention(x, x, x, is_causal=True)
F.embedding(lib.tensor([0,1]), x, padding_idx=-1)
F.embedding(lib.tensor([0,1,1]), x, scale_grad_by_freq=True); F.one_hot(lib.tensor([0,1]))
F.one_hot(lib.tensor([0,1]), num_classes=4); F.dropout(x, .5, False)
F.dropout(x, p=.5, training=False); F.interpolate(x[None], scale_factor=2)
F.interpolate(x[None,None], size=(4,4), mode="bicubic", align_corners=True)
F.interpolate(x[None,None], size=(2,2), mode="bilinear", antialias=True)
F.interpolate(x[None,None], size=(2,2), mode="nearest-exact")
F.interpolate(x[None], size=5, mode="linear")
F.grid_sample(x[None,None], lib.zeros(1,1,1,2), align_corners=True)
F.grid_sample(x[None,None], lib.zeros(1,1,1,2)+.3, mode="nearest", align_corners=False)
F.max_pool2d(x[None], 2, 1); F.max_pool2d(x[None], kernel_size=2, stride=1, return_indices=True)
F.max_pool2d(x[None], [2,2]); F.avg_pool2d(x[None], 2, 1, 0, False, True, 3)
F.lp_pool2d(x[None], 2, 2, 1)
F.lp_pool2d(x[None], norm_type=2., kernel_size=2, stride=1, ceil_mode=True)
F.adaptive_avg_pool2d(x[None], 1); F.adaptive_avg_pool2d(x[None], (1,None))
F.adaptive_max_pool2d(x[None], 1, True); F.max_pool1d(x, 2)
F.conv2d(x[None,None], lib.ones(1,1,2,2), None, 1, "same"); F.conv2d(x[None], lib.ones(1,1,2,2))
F.conv1d(x[None], lib.ones(1,2,2), stride=1, padding="valid")
F.conv2d(input=x[None], weight=lib.ones(1,1,2,2), bias=lib.ones(1), stride=(1,1), padding=[1,1], dilation=1, groups=1)
F.pixel_shuffle(x.reshape(6,1,1)[:4], 2)
F.max_unpool2d(*F.max_pool2d(x[None], (2,1), 1, return_indices=True), (2,1), 1); F.tanh(x)
F.sigmoid(x); F.hardswish(x); F.logsigmoid(x); x.softmax(-1); x.log_softmax(dim=1)
x.to(lib.float64); x.to("cpu"); x.to(device="cpu", dtype=lib.float64)
x.type_as(lib.zeros(1, dtype=lib.float64)); x.to(lib.zeros(1, dtype=lib.float64))
x.detach().clone(); x.logsumexp(1); x.logsumexp((0,1)); x.prod(1); x.cumsum(-1); x.new_zeros(3)
x.new_zeros((3,2)); x.new_full((2,), 3.); lib.logaddexp(x,x); lib.hypot(x,x); lib.rsqrt(x.abs())
lib.masked_select(x, x>0); lib.eye(3, 2); lib.eye(3, m=2); lib.linspace(0, 1, steps=5)
lib.linspace(start=0, end=1, steps=5); lib.full((2,), True); lib.full_like(x, 3)
lib.zeros_like(x, dtype=lib.int64); lib.tensor([1,2.5]); lib.tensor(3); lib.tensor([[True]])
lib.as_tensor([1,2]); lib.autograd.functional.jacobian(lambda x: x**2, x)
lib.autograd.functional.hvp(lambda x: (x**3).sum(), x, x)
lib.autograd.functional.vhp(lambda x: (x**3).sum(), x, x)
lib.autograd.functional.hessian(lambda x: (x**3).sum(), x)
lib.autograd.functional.jvp(lambda x: x**2, x, x)
lib.autograd.functional.vjp(lambda x: x**2, x, x); lib.tril(lib.ones(2,2,dtype=lib.bool)); x.triu()
x.diag(); lib.amax(x, (0,1)); x.amin(-1, keepdim=True); lib.isclose(x, x); lib.eq(x, 1); x.ne(x)
lib.stack([x, x]).movedim(0, -1); x.flatten(0, -1); lib.flatten(x, start_dim=0)
x.unsqueeze(dim=-1); x.masked_fill_(x > 5, 0); x.clamp_(min=-1.)
x.clone().index_fill_(0, lib.tensor([0]), 1.); x.sub(1).mul_(2)
lib.nn.functional.conv_transpose2d(x[None], lib.ones(1,1,2,2), stride=2, output_padding=1)
F.conv_transpose1d(x[None], lib.ones(2,1,2), None, 2, 0, 0, 1, 1)
"""


def flat(out):
    return [x for part in out for x in flat(part)] if isinstance(out, (tuple, list)) else [out]


@pytest.mark.torch
@pytest.mark.parametrize("call", CALLS.strip().replace("\n", "; ").split("; "))
def test_call_gives_what_it_gives_in_torch(call):
    torch = pytest.importorskip("torch")
    results = []
    for lib in (tg, torch):
        x = lib.tensor([[0.5, -1.5, 2.0], [3.0, 0.1, -0.7]])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = eval(call, {"lib": lib, "F": lib.nn.functional, "x": x})
        results.append(flat(out))
    got, want = results
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        if isinstance(w, torch.Tensor):
            assert (str(g.dtype), g.shape) == (str(w.dtype).removeprefix("torch."), w.shape)
            np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=1e-5, atol=1e-6)
        else:
            assert g == w


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: x.reshape(3, 2, shape=(2, 3)), TypeError, r"\(3, 2\) and, by keyword, \(2, 3\)"),
        (lambda x: tg.zeros(2, size=(2,)), TypeError, r"zeros: got \(2,\) and, by keyword"),
        (lambda x: tg.zeros(2.0), TypeError, r"zeros: expected ints, got 2.0"),
        (lambda x: tg.ones(2, dtpye="int64"), TypeError, r"ones\(\) got an unexpected .*'dtpye'"),
        (lambda x: tg.full((2, -1), 0), ValueError, r"lengths must be >= 0, got \(2, -1\)"),
        (lambda x: tg.arange(), TypeError, "got no end"),
        (lambda x: tg.randint(3), TypeError, r"expected randint\(high, size\)"),
        (lambda x: tg.randint_like(x, 3, 3), ValueError, "randint_like: no int lies from 3"),
        (lambda x: x.size(2), IndexError, "size: dim 2 but the tensor has 2 dimensions"),
        (lambda x: x.t().view(6), ValueError, r"\(3, 2\) with strides \(1, 3\) .* use reshape"),
        (lambda x: x.scatter(0, tg.tensor([[0]])), TypeError, "a tensor src or a number value"),
        (lambda x: x.softmax(None), TypeError, "softmax: dim must be an int, got None"),
        (
            lambda x: tg.functional.embedding(tg.tensor([0]), x, sparse=True),
            ValueError,
            "gradients are dense",
        ),
    ],
)
def test_calls_that_fit_no_signature_are_refused(call, error, match):
    with pytest.raises(error, match=match):
        call(tg.ones(2, 3))


def test_factories_show_their_arguments():
    from inspect import signature

    assert list(signature(tg.randint).parameters) == [
        "low",
        "high",
        "size",
        "generator",
        "dtype",
        "device",
        "requires_grad",
    ]
    assert tg.ones(2, requires_grad=True).requires_grad
    assert tg.zeros.__name__ == "zeros"
