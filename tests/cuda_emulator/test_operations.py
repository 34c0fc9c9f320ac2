"""Every differentiable operation on the emulated GPU: value, first and second derivative as on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv.testing import registry

# Not on a GPU yet: these (or the samples that check them) make arrays of NumPy's beside CuPy's, and
# CuPy refuses. An error, never a wrong number; the last test strikes out what works by now.
NOT_YET = set(
    """
    Tensor.__setitem__ Tensor.unfold adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool1d
    adaptive_max_pool2d affine_grid alpha_dropout batch_norm cdist cosine_embedding_loss
    cross_entropy dropout1d dropout2d grid_sample hinge_embedding_loss index_copy interpolate
    kl_div margin_ranking_loss masked_fill max_unpool2d multi_margin_loss multiclass_svm_loss
    nll_loss scaled_dot_product_attention scatter soft_margin_loss topk tril triu where
    """.split()  # noqa: SIM905
)


def derivatives(sample, seed, device):
    """The operation's value, its gradients along a random direction, and theirs along another."""
    rng = np.random.default_rng(seed)
    inputs = [tg.tensor(x).to(device) for x in sample.inputs]
    for x in inputs:
        if x.dtype.kind == "f":
            x.requires_grad_()
    out = sample.call(*inputs)
    outs = out if isinstance(out, (tuple, list)) else [out]
    outs = [o for o in outs if o.requires_grad]
    wanted = [x for x in inputs if x.requires_grad]
    along = [tg.tensor(rng.standard_normal(o.shape)).to(o).requires_grad_() for o in outs]
    first = tg.grad(outs, wanted, along, create_graph=True, allow_unused=True)
    first = [g for g in first if g is not None and g.requires_grad]
    second = []
    if first:
        again = [tg.tensor(rng.standard_normal(g.shape)).to(g) for g in first]
        second = tg.grad(first, [*wanted, *along], again, allow_unused=True)
    found = [*outs, *first, *(g for g in second if g is not None)]
    assert {g.device.type for g in found} <= {device}
    return [g.detach().cpu().numpy() for g in found]


def check(op, examples):
    """Compare the devices on a few drawn samples."""

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False, phases=[Phase.explicit, Phase.generate],
    )  # fmt: skip
    @given(sample=registry.samples(op), seed=st.integers(0, 99))
    def compare(sample, seed):
        here, there = (derivatives(sample, seed, device) for device in ("cpu", "cuda"))
        assert len(here) == len(there) > 0
        for a, b in zip(here, there, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-9)

    compare()


@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize("op", [op for op in registry.OPS if op not in NOT_YET])
def test_the_devices_agree(op):
    check(op, 3)


@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize("op", sorted(NOT_YET))
def test_what_does_not_work_yet_is_an_error(op):
    with pytest.raises((TypeError, RuntimeError)):
        check(op, 12)
