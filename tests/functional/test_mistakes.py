"""What PyTorch refuses is refused here as well, as one of the errors that Python users expect."""

from __future__ import annotations

import pytest
from on_device import check_refused

import tinygrad_cv as tg

MISTAKES = {
    "reductions": """
x.sum(2); x.sum(-3); x.sum((0, 0)); x.mean(5); x.amax((0, 0)); x.max(2); x.argmax(-3); x.prod(3)
x.var(2); x.std((1, 1)); x.logsumexp(2); x.cumsum(2); x.cumprod(-3); x.sort(2); x.argsort(2)
x.topk(4); x.topk(-1); x.topk(1, 2); x.median(2); x.softmax(2); x.log_softmax(-3); x.all(2)
x.any((0, 0)); lib.zeros(0).max(); lib.zeros(0, 3).max(0); lib.zeros(0).amax()
lib.zeros(0).argmax(); x.norm(dim=2); lib.norm(x, "abc"); lib.linalg.norm(x, "abc")
lib.linalg.norm(v, "fro"); lib.linalg.vector_norm(i); lib.count_nonzero(x, 2)
""",
    "elementwise": """
x + y32; x * lib.ones(4); x - lib.ones(3, 3); x / lib.ones(2); x ** lib.ones(2, 2)
lib.maximum(x, lib.ones(2)); lib.atan2(x, lib.ones(2)); x < lib.ones(2); x == lib.ones(2)
lib.where(x > 0, x, lib.ones(2)); lib.where(m2, x, x); lib.lerp(x, lib.ones(2), 0.5)
x.masked_fill(m2, 0); x.masked_fill(x, 0); x.clamp(); lib.div(x, 2, rounding_mode="up")
lib.floor_divide(i, lib.zeros(3).long()); i ** -1; x & x; ~x; x | 1.0; x + "a"; x + None; x + [1]
x @ 2; lib.add(x, x, alpha="a"); lib.add(i, i, alpha=0.5); lib.hypot(i, i); lib.logaddexp(i, i)
lib.exp("a"); lib.exp(1.0); lib.round(x, decimals=0.5); lib.nan_to_num("a")
""",
    "products": """
x @ x; lib.mm(x, v); lib.mm(x, x); lib.bmm(x, x); lib.bmm(b3, b3); lib.mv(x, lib.ones(2))
lib.dot(v, lib.ones(2)); lib.dot(x, x); lib.outer(x, v); lib.matmul(lib.tensor(1.0), v)
lib.matmul(v, lib.ones(2)); lib.addmm(x, x, x); lib.addmm(lib.ones(4), x, x.T)
lib.einsum("ij,jk->ik", x, x); lib.einsum("ij->k", x); lib.einsum("ij,jk", x)
lib.einsum("ijk", x); lib.trace(v); lib.trace(b3); lib.diag(b3); lib.tril(v); lib.triu(v)
lib.cdist(x, lib.ones(2, 4)); lib.cdist(v, v); lib.cdist(x, x, p=-1); lib.cdist(i[None], i[None])
F.linear(x, lib.ones(4, 2)); F.linear(x, lib.ones(4, 3), lib.ones(3)); lib.kron(x, "a")
lib.diag_embed(lib.tensor(1.0)); lib.diagonal(v); lib.linalg.matrix_norm(v)
""",
    "shapes": """
x.reshape(4); x.reshape(-1, -1); x.reshape(-1, 4); x.view(5); x.t().view(6); x.permute(0)
x.permute(0, 0); x.permute(0, 2); x.transpose(0, 2); b3.t(); x.expand(3, 3); x.expand(3)
x.expand(-1, 2, 3); x.broadcast_to((4,)); x.repeat(2); x.repeat(-1, 2); x.unsqueeze(4)
x.squeeze(3); x.flatten(1, 0); x.unflatten(1, (2, 2)); x.unflatten(2, (1, 1)); lib.cat([])
lib.cat([x, v]); lib.cat([x, lib.ones(2, 2)], 0); lib.cat([x, x], 2); lib.cat([x, 1])
lib.cat([lib.tensor(1.0), lib.tensor(2.0)]); lib.stack([]); lib.stack([x, v])
lib.stack([x, x], 3); x.split(0); x.split(-1); x.split([1, 2]); x.split([3, -1], 0)
x.split(1, 2); x.chunk(0); x.chunk(-1); x.narrow(0, 1, 2); x.narrow(0, 3, 1); x.narrow(1, 0, -1)
x.narrow(2, 0, 1); x.select(0, 2); x.select(2, 0); x.flip(2); x.flip(0, 0); x.roll(1, 2)
x.roll((1, 2), 0); x.roll((1, 1)); x.unbind(2); x.movedim(0, 2); x.movedim((0, 1), (0, 0))
x.movedim((0, 1), 0); F.pad(x, (1,)); F.pad(x, (1, 1, 1, 1, 1, 1)); F.pad(x, (-4, 0))
F.pad(x[None], (3, 3), mode="reflect"); F.pad(x[None], (1, 1), mode="mirror")
F.pad(x[None], (4, 0), mode="circular"); x.unfold(0, 3, 1); x.unfold(0, 1, 0); x.unfold(2, 1, 1)
x.unfold(0, -1, 1); F.unfold(x, 2); F.unfold(img, 0); F.unfold(img, 9)
F.unfold(img, 2, stride=0); F.fold(x, (4, 4), 2); F.fold(lib.ones(1, 4, 5), (3, 3), 2)
F.fold(lib.ones(1, 5, 4), (3, 3), 2); lib.meshgrid(x, x, indexing="ij")
lib.meshgrid(v, v, indexing="ab"); lib.tile(x, (-1,)); v.repeat_interleave(-1)
v.repeat_interleave(lib.tensor([1, 2])); lib.hstack([]); lib.vstack([x, lib.ones(1, 2)])
x.swapaxes(0, 3); lib.broadcast_tensors(x, lib.ones(2)); lib.zeros(-1); lib.zeros(2.5)
lib.arange(0, 5, -1); lib.arange(0, 5, 0); lib.linspace(0, 1, -1); lib.eye(-1)
lib.randint(3, 3, (2,)); lib.randint(5, 3, (2,)); lib.randperm(-1); lib.full((2,), "a")
lib.ones(2, dtype="abc"); lib.tensor("abc"); lib.tensor([[1, 2], [3]]); lib.tensor(None)
""",
    "places": """
x[2]; x[-3]; x[0, 0, 0]; x[:, 3]; x[i + 5]; x[1.0]; x["a"]; x[::0]; x[lib.tensor([0.5])]
x.gather(0, lib.tensor([[2, 0, 0]])); x.gather(2, i[None]); x.gather(0, i); x.gather(0, x)
x.gather(1, lib.tensor([[3]])); x.index_select(0, lib.tensor([2]))
x.index_select(0, lib.tensor([[0]])); x.index_select(2, i); x.index_select(0, x[0])
x.index_add(0, lib.tensor([0]), x); x.index_add(0, lib.tensor([2]), x[:1])
x.index_add(0, lib.tensor([0]), x[:1].double()); x.index_add(2, lib.tensor([0]), x)
x.scatter(0, lib.tensor([[2]]), 1.0); x.scatter(0, lib.tensor([[0]]), x.double())
x.scatter(0, lib.tensor([[0, 0, 0, 0]]), lib.ones(1, 4)); x.scatter_add(0, lib.tensor([[5]]), x)
x.scatter_add(0, lib.tensor([[0, 0, 0]]), x[:, :2])
x.scatter(0, lib.tensor([[0]]), x, reduce="max"); x.take(lib.tensor([6]))
x.take(lib.tensor([0.0])); lib.take_along_dim(x, lib.tensor([0]), 1); x.masked_select(m2)
x.masked_select(x); lib.index_fill(x, 0, lib.tensor([3]), 0.0)
lib.index_copy(x, 0, lib.tensor([0]), x); x[2:3, 5]; F.one_hot(lib.tensor([-1]))
F.one_hot(lib.tensor([3]), 3); F.one_hot(x); F.embedding(lib.tensor([2]), x)
F.embedding(lib.tensor([-1]), x); F.embedding(x, x); F.embedding(i, v)
F.embedding(lib.tensor([0]), x, padding_idx=2); lib.bincount(x); lib.bincount(lib.tensor([-1]))
lib.bincount(lib.tensor([[1]]))
""",
    "activations": """
F.relu("a"); F.glu(x); F.glu(x, 3); F.prelu(x, lib.ones(2)); F.prelu(x, lib.ones(1).double())
F.gelu(x, approximate="x"); F.hardtanh(x, 1, -1); F.celu(x, 0.0); F.elu(i); F.gelu(i); F.silu(i)
F.softplus(i); F.leaky_relu(i); F.selu(i); F.mish(i); F.hardswish(i); F.hardsigmoid(i)
F.logsigmoid(i); F.dropout(x, 1.5); F.dropout(x, -0.1); F.dropout2d(x, 2.0)
F.threshold("a", 1, 1)
""",
    "convolutions": """
F.conv2d(img, w[:, :1]); F.conv2d(x, w); F.conv2d(img, w[0]); F.conv2d(img, lib.ones(3, 2, 9, 9))
F.conv2d(img, w, lib.ones(2)); F.conv2d(img, w, stride=0); F.conv2d(img, w, stride=-1)
F.conv2d(img, w, padding=-1); F.conv2d(img, w, dilation=0); F.conv2d(img, w, groups=2)
F.conv2d(img, w, groups=0); F.conv2d(img, w, stride=(1, 1, 1)); F.conv2d(img, w, padding="full")
F.conv2d(img, w, stride=2, padding="same"); F.conv2d(img, w.double())
F.conv2d(img, w, stride=1.5); F.conv1d(img, w); F.conv1d(x[None], lib.ones(3, 3, 2))
F.conv1d(x[None], lib.ones(3, 2, 5)); F.conv1d(x[None], lib.ones(3, 2, 2), stride=0)
F.conv_transpose2d(img, w); F.conv_transpose2d(img, w.permute(1, 0, 2, 3), stride=0)
F.conv_transpose2d(img, w.permute(1, 0, 2, 3), output_padding=1)
F.conv_transpose2d(img, w.permute(1, 0, 2, 3), padding=-1)
F.conv_transpose2d(img, w.permute(1, 0, 2, 3), padding=9)
F.conv_transpose2d(img, w.permute(1, 0, 2, 3), lib.ones(2))
F.conv_transpose2d(img, w.permute(1, 0, 2, 3), groups=0)
F.conv_transpose1d(x[None], lib.ones(3, 2, 2)); F.conv2d(img, w.long())
""",
    "windows": """
F.max_pool2d(img, 0); F.max_pool2d(img, -1); F.max_pool2d(img, 2, -1)
F.max_pool2d(img, 2, padding=2); F.max_pool2d(img, 2, padding=-1)
F.max_pool2d(img, 2, dilation=0); F.max_pool2d(img, 9); F.max_pool2d(x, 2)
F.max_pool2d(img, (2, 2, 2)); F.max_pool1d(v, 2); F.max_pool1d(x, 9)
F.max_pool1d(x, 2, padding=2); F.avg_pool2d(img, 0); F.avg_pool2d(img, 9)
F.avg_pool2d(img, 2, padding=2); F.avg_pool2d(img, 2, divisor_override=0); F.avg_pool2d(v, 2)
F.avg_pool1d(v, 2); F.avg_pool1d(x, 9); F.lp_pool2d(img, 2, 0); F.lp_pool2d(img, 2, 9)
F.adaptive_avg_pool2d(img, -1); F.adaptive_avg_pool2d(v, 1); F.adaptive_max_pool2d(img, -1)
F.adaptive_max_pool2d(img, (1, 1, 1)); F.max_unpool2d(img, img, 2)
F.max_unpool2d(img, img.long()[..., :2], 2); F.max_unpool2d(img, img.long() + 99, 2)
F.interpolate(img); F.interpolate(img, 2, 2.0); F.interpolate(img, 0)
F.interpolate(img, (2, 2, 2)); F.interpolate(img, 2, mode="cubic"); F.interpolate(x, 2)
F.interpolate(img, 2, align_corners=True); F.interpolate(img, 2, mode="linear")
F.interpolate(img, scale_factor=(1, 2, 3)); F.interpolate(img, scale_factor=0.01)
F.pixel_shuffle(img, 2); F.pixel_shuffle(img, 0); F.pixel_shuffle(v, 1)
F.pixel_unshuffle(img, 3); F.grid_sample(img, lib.zeros(1, 2, 2))
F.grid_sample(img, lib.zeros(1, 2, 2, 3)); F.grid_sample(img, lib.zeros(2, 2, 2, 2))
F.grid_sample(img, lib.zeros(1, 2, 2, 2), mode="x")
F.grid_sample(img, lib.zeros(1, 2, 2, 2), padding_mode="x")
F.grid_sample(img, lib.zeros(1, 2, 2, 2).double())
F.affine_grid(lib.zeros(1, 3, 2), (1, 1, 2, 2)); F.affine_grid(lib.zeros(2, 2, 3), (1, 1, 2, 2))
""",
    "normalisation": """
F.batch_norm(lib.ones(1, 3), None, None, training=True); F.batch_norm(img, None, None)
F.batch_norm(img, lib.ones(3), lib.ones(3))
F.batch_norm(img, None, None, lib.ones(3), training=True); F.layer_norm(x, (2,))
F.layer_norm(x, (3,), lib.ones(2)); F.layer_norm(x, ()); F.rms_norm(x, (2,))
F.rms_norm(x, (3,), lib.ones(2)); F.group_norm(img, 3); F.group_norm(img, 0); F.group_norm(v, 1)
F.group_norm(img, 2, lib.ones(3)); F.instance_norm(lib.ones(1, 2, 1)); F.instance_norm(v)
F.local_response_norm(v, 2); F.local_response_norm(img, 0); F.normalize(x, dim=2)
F.cosine_similarity(x, x, dim=2); F.cosine_similarity(x, lib.ones(2, 2))
F.pairwise_distance(x, lib.ones(2, 2)); F.scaled_dot_product_attention(x, lib.ones(2, 4), x)
F.scaled_dot_product_attention(x, x, x, attn_mask=lib.ones(2, 2), is_causal=True)
F.scaled_dot_product_attention(x, x, lib.ones(3, 3)); F.scaled_dot_product_attention(i, i, i)
""",
    "losses": """
F.cross_entropy(x, t + 5); F.cross_entropy(x, t[:1]); F.cross_entropy(x, t - 1)
F.cross_entropy(x, t, reduction="avg"); F.cross_entropy(x, t, weight=lib.ones(2))
F.cross_entropy(x, t, label_smoothing=1.5); F.cross_entropy(i[None], t[:1])
F.cross_entropy(x, x[:1]); F.cross_entropy(x, t[None]); F.nll_loss(x, t + 5)
F.nll_loss(x, t[:1]); F.nll_loss(x, x); F.nll_loss(x, t, lib.ones(2))
F.nll_loss(x, t, reduction="a"); F.multi_margin_loss(x, t + 5); F.multi_margin_loss(x, t, p=3)
F.multi_margin_loss(x, t[:1]); F.multi_margin_loss(x, t, weight=lib.ones(2))
F.binary_cross_entropy(x, x[:1]); F.binary_cross_entropy(x + 2, x)
F.binary_cross_entropy(x, x, reduction="q"); F.binary_cross_entropy_with_logits(x, x[:1])
F.mse_loss(x, lib.ones(2)); F.mse_loss(x, x, reduction="q"); F.l1_loss(x, lib.ones(2))
F.l1_loss(x, x, reduction="q"); F.smooth_l1_loss(x, x, beta=-1); F.smooth_l1_loss(x, lib.ones(2))
F.huber_loss(x, x, delta=0); F.huber_loss(x, x, delta=-1); F.kl_div(x, lib.ones(2))
F.kl_div(x, x, reduction="q"); F.hinge_embedding_loss(x, lib.ones(2))
F.hinge_embedding_loss(x, x, reduction="q"); F.triplet_margin_loss(x, x, lib.ones(2))
F.triplet_margin_loss(x, x, x, margin=0); F.triplet_margin_loss(x, x, x, reduction="q")
F.cosine_embedding_loss(x, x, lib.ones(3)); F.cosine_embedding_loss(x, x[:, :2], lib.ones(2))
F.margin_ranking_loss(v, v, lib.ones(2)); F.margin_ranking_loss(x, v, v)
F.soft_margin_loss(x, lib.ones(2)); F.gaussian_nll_loss(x, x, x - 5)
F.gaussian_nll_loss(x, lib.ones(2), x)
""",
    "tensors": """
x.item(); x.backward(); lib.tensor([1], requires_grad=True); i.requires_grad_()
lib.ones(2, dtype=lib.int64, requires_grad=True); (x.requires_grad_() * 2).requires_grad_(False)
lib.ones(2, requires_grad=True).add_(1); lib.tensor([1, 2]).add_(0.5); x.copy_(lib.ones(2))
x.add_(lib.ones(3, 2, 3)); bool(x); int(x); float(x); len(lib.tensor(1.0)); iter(lib.tensor(1.0))
x.to("abc"); x.size(2); x.fill_(v); v.mT; x.view_as(v); x.expand_as(v); x.new_zeros(-1); x.dim(1)
lib.from_numpy([1]); lib.from_numpy(1.0); x.index_add_(0, i, x); x[5]
""",
}

CALLS = [
    pytest.param(call, id=f"{family}: {call}")
    for family, text in MISTAKES.items()
    for call in text.strip().replace("\n", "; ").split("; ")
]


def names(lib):
    return {
        "lib": lib,
        "F": lib.nn.functional,
        "x": lib.tensor([[0.5, 0.25, 1.0], [0.0, 1.0, 0.75]]),
        "v": lib.ones(3),
        "i": lib.tensor([0, 1, 1]),
        "t": lib.tensor([0, 1]),
        "m2": lib.tensor([True, False]),
        "y32": lib.ones(3, 2),
        "b3": lib.ones(2, 3, 4),
        "img": lib.ones(1, 2, 4, 4),
        "w": lib.ones(3, 2, 3, 3),
    }


ERRORS = (ValueError, TypeError, IndexError, RuntimeError, ZeroDivisionError)


@pytest.mark.parametrize("call", CALLS)
def test_mistake_is_refused(call):
    check_refused(lambda: eval(call, names(tg)), ERRORS)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("call", CALLS)
def test_mistake_is_one_in_torch(call):
    torch = pytest.importorskip("torch")
    with pytest.raises((*ERRORS, AssertionError)):
        eval(call, names(torch))
