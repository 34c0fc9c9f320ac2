"""Training in float16 on the emulated GPU: what overflows is left out, and nothing waits for it."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import functional as F

pytestmark = pytest.mark.usefixtures("cupy")


@pytest.fixture
def launched(monkeypatch, cupy):
    """The names of the kernels of products and convolutions that were launched."""
    from tinygrad_cv.backends.cuda import conv, matmul

    names = []
    for module in (conv, matmul):
        run = module.launch

        def recorded(file, name, *args, run=run):
            names.append(name)
            run(file, name, *args)

        monkeypatch.setattr(module, "launch", recorded)
    return names


@pytest.mark.parametrize("kind", [tg.optim.SGD, tg.optim.Adam])
def test_a_step_of_lenet_does_not_wait_for_the_gpu(kind, launched):
    from standin import Cuda

    tg.manual_seed(0)
    net = tg.models.LeNet5().to("cuda")
    optimizer, scaler = kind(net.parameters(), lr=1e-3), tg.amp.GradScaler()
    images, labels = tg.randn(3, 1, 28, 28).cuda(), tg.tensor([3, 1, 4]).cuda()
    for _ in range(2):
        launched.clear()
        before = Cuda.synchronizations
        optimizer.zero_grad()
        with tg.autocast("cuda"):
            loss = F.cross_entropy(net(images), labels)
            scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        assert Cuda.synchronizations == before
    halves = {"matmul_f16_t128", "conv2d_f16_t128", "conv2d_backward_weight_f16_t128"}
    assert halves < set(
        launched
    )  # conv2's input has 6 channels, for which the direct kernel is taken


def test_a_scale_too_large_overflows_and_falls_until_digits_are_learned():
    """2^22 times a slope of the loss is beyond float16: such steps are left out, one by one."""
    tg.manual_seed(0)
    images, labels = next(iter(tg.data.DataLoader(tg.data.digits(), 4, shuffle=True, seed=0)))
    images, labels = images.cuda(), labels.cuda()
    net = tg.models.LeNet5().to("cuda")
    optimizer = tg.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    scaler = tg.amp.GradScaler(init_scale=2.0**22)
    losses, scales = [], []
    for _ in range(9):
        before = net.state_dict()["conv2.weight"].cpu().numpy().copy()
        scales.append(scaler.get_scale())
        optimizer.zero_grad()
        with tg.autocast("cuda"):
            loss = F.cross_entropy(net(images), labels)
            scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
        after = net.state_dict()["conv2.weight"].cpu().numpy()
        assert np.isfinite(after).all()
        assert np.array_equal(before, after) == (scaler.get_scale() < scales[-1])
    assert scaler.get_scale() < scales[0]
    assert scales == sorted(scales, reverse=True)
    assert losses[-1] < 0.5 * losses[0]
