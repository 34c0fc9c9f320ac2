"""A step of training queues its work: the host waits for nothing until it asks for a number."""

from __future__ import annotations

import pytest
from standin import Cuda

import tinygrad_cv as tg
from tinygrad_cv import functional as F


def normalized():
    return tg.nn.Sequential(
        tg.nn.Conv2d(1, 4, 3, stride=2, bias=False), tg.nn.BatchNorm2d(4), tg.nn.ReLU(),
        tg.nn.MaxPool2d(2), tg.nn.Conv2d(4, 4, 3), tg.nn.BatchNorm2d(4), tg.nn.ReLU(),
        tg.nn.AvgPool2d(2), tg.nn.Flatten(), tg.nn.Linear(16, 10),
    )  # fmt: skip


@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize("make", [tg.models.LeNet5, normalized])
@pytest.mark.parametrize(
    "optimizer",
    [
        lambda params: tg.optim.SGD(params, lr=0.01, momentum=0.9, weight_decay=1e-4),
        lambda params: tg.optim.Adam(params, lr=1e-3, weight_decay=1e-4),
    ],
    ids=["SGD", "Adam"],
)
def test_a_training_step_does_not_wait_for_the_gpu(make, optimizer):
    tg.manual_seed(0)
    net = make().to("cuda")
    images, labels = tg.randn(3, 1, 28, 28).cuda(), tg.tensor([3, 1, 4]).cuda()
    steps = optimizer(net.parameters())
    for _ in range(2):
        before = Cuda.synchronizations
        steps.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        steps.step()
        assert Cuda.synchronizations == before
    assert loss.item() > 0
    assert Cuda.synchronizations == before + 1


@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_label_that_is_no_class_makes_its_row_nan(reduction):
    x = tg.randn(3, 4).cuda().requires_grad_()
    loss = F.cross_entropy(x, tg.tensor([1, 4, -100]).cuda(), reduction=reduction)
    loss.sum().backward()
    assert not loss.isfinite().all()
    finite = x.grad.isfinite().cpu().numpy()
    assert finite[2].all()
    assert not finite[1].any()
