"""Attention: the formula head by head, masks, layouts, and PyTorch's numbers and names."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_one_sequence_by_the_formula():
    layer = nn.MultiheadAttention(6, 2, dtype=tg.float64, generator=tg.Generator(0))
    x = np.random.default_rng(0).standard_normal((4, 6))
    nn.init.normal_(layer.in_proj_bias, generator=tg.Generator(1))
    w, b = layer.in_proj_weight.numpy(), layer.in_proj_bias.numpy()
    q, k, v = np.split(x @ w.T + b, 3, axis=1)
    heads, weights = [], []
    for h in (slice(0, 3), slice(3, 6)):
        p = softmax(q[:, h] @ k[:, h].T / np.sqrt(3))
        weights.append(p)
        heads.append(p @ v[:, h])
    want = np.hstack(heads) @ layer.out_proj.weight.numpy().T + layer.out_proj.bias.numpy()
    query = tg.tensor(x)
    out, got = layer(query, query, query)
    np.testing.assert_allclose(out.numpy(), want, rtol=1e-10)
    np.testing.assert_allclose(got.numpy(), np.mean(weights, 0), rtol=1e-10)
    other = layer(query, tg.tensor(x), tg.tensor(x), average_attn_weights=False)
    np.testing.assert_allclose(other[0].numpy(), want, rtol=1e-10)
    np.testing.assert_allclose(other[1].numpy(), weights, rtol=1e-10)


def test_keys_that_are_masked_do_not_matter():
    layer = nn.MultiheadAttention(4, 2, batch_first=True, generator=tg.Generator(0))
    x = tg.randn(2, 5, 4, generator=tg.Generator(1))
    padding = tg.tensor([[False] * 5, [False, False, False, True, True]])
    out, weights = layer(x, x, x, key_padding_mask=padding)
    assert (weights.numpy()[1, :, 3:] == 0).all()
    short, _ = layer(x[1:, :3], x[1:, :3], x[1:, :3])
    np.testing.assert_allclose(out.numpy()[1, :3], short.numpy()[0], rtol=1e-4, atol=1e-6)


def test_a_causal_mask_lets_no_output_see_what_comes_after():
    layer = nn.MultiheadAttention(4, 1, generator=tg.Generator(0))
    x = tg.randn(5, 4, generator=tg.Generator(1))
    mask = tg.ones(5, 5).triu(1) > 0
    out, weights = layer(x, x, x, attn_mask=mask, is_causal=True)
    assert (np.triu(weights.numpy(), 1) == 0).all()
    first, _ = layer(x[:2], x[:2], x[:2], attn_mask=mask[:2, :2])
    np.testing.assert_allclose(out.numpy()[:2], first.numpy(), rtol=1e-4, atol=1e-6)


def test_weights_are_dropped_while_training_only_and_left_out_on_request():
    layer = nn.MultiheadAttention(4, 1, dropout=0.5, generator=tg.Generator(0))
    x = tg.randn(30, 4, generator=tg.Generator(1))
    _, weights = layer(x, x, x)
    assert 0.3 < (weights.numpy() == 0).mean() < 0.7
    out, none = layer.eval()(x, x, x, need_weights=False)
    assert none is None
    assert out.shape == (30, 4)


def test_a_learned_bias_on_the_scores_gets_its_gradient():
    layer = nn.MultiheadAttention(4, 2, generator=tg.Generator(0))
    x = tg.randn(3, 4, generator=tg.Generator(1))
    bias = tg.zeros(3, 3, requires_grad=True)
    layer(x, x, x, attn_mask=bias)[0].square().sum().backward()
    assert (bias.grad.numpy() != 0).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.MultiheadAttention(6, 4), "embed_dim=6 is not a multiple of num_heads=4"),
        (lambda: nn.MultiheadAttention(0, 1), "embed_dim must be at least 1, got 0"),
        (lambda: nn.MultiheadAttention(4, 2)(*[tg.zeros(3, 5)] * 3),
         r"query \(3, 5\) should have 4 features"),
        (lambda: nn.MultiheadAttention(4, 2)(tg.zeros(3, 4), *[tg.zeros(3, 1, 4)] * 2),
         r"key \(3, 1, 4\) should have 4 features and, as query, key and value alike, 2 or 3"),
        (lambda: nn.MultiheadAttention(4, 2)(*[tg.zeros(3, 4)] * 3, is_causal=True),
         "is_causal is a hint; give attn_mask itself"),
    ],
)  # fmt: skip
def test_what_does_not_fit(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.torch
@pytest.mark.parametrize(
    "options",
    [{}, {"bias": False}, {"kdim": 5, "vdim": 3}, {"batch_first": True},
     {"add_bias_kv": True}, {"add_zero_attn": True}, {"add_bias_kv": True, "add_zero_attn": True}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("masks", ["none", "bool", "float"])
@pytest.mark.parametrize("batched", [True, False])
def test_pytorch_gives_the_same(options, masks, batched):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = torch.nn.MultiheadAttention(6, 2, **options).double()
    ours = nn.MultiheadAttention(6, 2, **options).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    rng = np.random.default_rng(0)
    shapes = [(4, 6), (5, options.get("kdim", 6)), (5, options.get("vdim", 6))]
    if batched:
        at = 0 if options.get("batch_first") else 1
        shapes = [(*s[:at], 3, *s[at:]) for s in shapes]
    arrays = [rng.standard_normal(shape) for shape in shapes]
    given = {"none": {}, "bool": {"attn_mask": rng.random((4, 5)) < 0.3},
             "float": {"attn_mask": rng.standard_normal((6 if batched else 2, 4, 5))}}[masks]  # fmt: skip
    if masks == "bool":
        given["key_padding_mask"] = np.zeros((3, 5) if batched else (5,), bool)
        given["key_padding_mask"][..., -1] = True
        given["attn_mask"][:, 0] = False
    mine = [tg.tensor(a, requires_grad=True) for a in arrays]
    others = [torch.tensor(a, requires_grad=True) for a in arrays]
    out, weights = ours(*mine, **{k: tg.tensor(v) for k, v in given.items()})
    other, other_weights = theirs(*others, **{k: torch.tensor(v) for k, v in given.items()})
    np.testing.assert_allclose(out.numpy(), other.detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(weights.numpy(), other_weights.detach().numpy(), rtol=1e-9)
    upstream = rng.standard_normal(out.shape)
    out.backward(tg.tensor(upstream))
    other.backward(torch.tensor(upstream))
    for x, y in zip(mine, others, strict=True):
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-8, atol=1e-12)
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(
            p.grad.numpy(), q.grad.numpy(), rtol=1e-8, atol=1e-12, err_msg=name
        )
