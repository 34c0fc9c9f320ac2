"""A step of training queues its work: the host waits for nothing until it asks for a number."""

from __future__ import annotations

import math

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


class Sentences(tg.nn.Module):
    """A transformer's encoder over sequences of 7 tokens, of which 0 is padding."""

    def __init__(self):
        super().__init__()
        self.tokens = tg.nn.Embedding(20, 8, padding_idx=0)
        self.places = tg.nn.Embedding(7, 8)
        self.attention = tg.nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)
        self.norms = tg.nn.ModuleList([tg.nn.LayerNorm(8), tg.nn.LayerNorm(8)])
        self.between = tg.nn.Sequential(
            tg.nn.Linear(8, 16), tg.nn.GELU(), tg.nn.Dropout(0.1), tg.nn.Linear(16, 8)
        )
        self.classes = tg.nn.Linear(8, 10)

    def forward(self, tokens):
        x = self.tokens(tokens) + self.places(tg.arange(7, device="cuda"))
        seen, _ = self.attention(x, x, x, key_padding_mask=tokens == 0, need_weights=False)
        x = self.norms[0](x + seen)
        x = self.norms[1](x + self.between(x))
        return self.classes(x.mean(1))


OPTIMIZERS = {
    "SGD": lambda params: tg.optim.SGD(params, lr=0.01, momentum=0.9, weight_decay=1e-4),
    "Adam": lambda params: tg.optim.Adam(params, lr=1e-3, weight_decay=1e-4),
}
OTHERS = {
    "AdamW": lambda params: tg.optim.AdamW(params, amsgrad=True),
    "NAdam": tg.optim.NAdam,
    "RMSprop": lambda params: tg.optim.RMSprop(params, centered=True, momentum=0.5),
    "Adagrad": tg.optim.Adagrad,
    "Adadelta": tg.optim.Adadelta,
    "LARS": lambda params: tg.optim.LARS(params, weight_decay=1e-4),
}


def steps_that_wait(net, x, y, optimizer="SGD", loss=F.cross_entropy, after=lambda net: None):
    """How often the host waits in each of two steps; the loss must be a number."""
    net.to("cuda")
    x, y = x.cuda(), y.cuda()
    steps = (OPTIMIZERS | OTHERS)[optimizer](net.parameters())
    waits = []
    for _ in range(2):
        before = Cuda.synchronizations
        steps.zero_grad()
        value = loss(net(x), y)
        value.backward()
        after(net)
        steps.step()
        waits.append(Cuda.synchronizations - before)
    before = Cuda.synchronizations
    assert math.isfinite(value.item())
    assert Cuda.synchronizations == before + 1
    return waits


@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize("make", [tg.models.LeNet5, normalized])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_training_step_does_not_wait_for_the_gpu(make, optimizer):
    tg.manual_seed(0)
    waits = steps_that_wait(make(), tg.randn(3, 1, 28, 28), tg.tensor([3, 1, 4]), optimizer)
    assert waits == [0, 0]


@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize("optimizer", OTHERS)
def test_no_optimizer_waits(optimizer):
    tg.manual_seed(0)
    net = tg.nn.Sequential(tg.nn.Linear(4, 6), tg.nn.ReLU(), tg.nn.Linear(6, 10))
    assert steps_that_wait(net, tg.randn(3, 4), tg.tensor([3, 1, 4]), optimizer) == [0, 0]


@pytest.mark.usefixtures("cupy")
def test_a_residual_network_does_not_wait():
    tg.manual_seed(0)
    net = tg.models.resnet20()
    assert steps_that_wait(net, tg.randn(2, 3, 8, 8), tg.tensor([3, 1])) == [0, 0]


@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_embeddings_and_attention_do_not_wait(optimizer):
    tg.manual_seed(0)
    tokens = tg.tensor([[3, 1, 4, 1, 5, 0, 0], [2, 7, 1, 8, 2, 8, 1]])
    assert steps_that_wait(Sentences(), tokens, tg.tensor([3, 1]), optimizer) == [0, 0]


def target_of_signs(y):
    return tg.where(y > 2, 1.0, -1.0)


LOSSES = {
    "smoothed": lambda s, y: F.cross_entropy(s, y, label_smoothing=0.1),
    "weighted": lambda s, y: F.cross_entropy(s, y, weight=tg.ones(10, device="cuda")),
    "of pixels": lambda s, y: F.cross_entropy(s.reshape(3, 5, 2), y[:, None].expand(3, 2)),
    "nll": lambda s, y: F.nll_loss(F.log_softmax(s, 1), y, ignore_index=1),
    "svm": F.multi_margin_loss,
    "sum of margins": F.multiclass_svm_loss,
    "binary": lambda s, y: F.binary_cross_entropy(s.sigmoid(), (s > 0).float()),
    "logits": lambda s, y: F.binary_cross_entropy_with_logits(s, (s > 0).float()),
    "gaussian": lambda s, y: F.gaussian_nll_loss(s, y[:, None].float(), s.exp()),
    "triplet": lambda s, y: F.triplet_margin_loss(s, s.flip(0), s.flip(1), swap=True),
    "cosine": lambda s, y: F.cosine_embedding_loss(s, s.flip(0), target_of_signs(y)),
    "hinge": lambda s, y: F.hinge_embedding_loss(s[:, 0], target_of_signs(y)),
    "ranking": lambda s, y: F.margin_ranking_loss(s[:, 0], s[:, 1], target_of_signs(y)),
    "smooth l1": lambda s, y: F.smooth_l1_loss(s[:, 0], y.float()),
    "maximum": lambda s, y: tg.maximum(s, s.flip(1)).mean() - s.amin(1).mean(),
    "norms": lambda s, y: s.norm(dim=1).mean() + F.normalize(s).sum() + s.logsumexp(1).sum(),
    "below a where": lambda s, y: tg.where(s > 0, s.sqrt(), F.softplus(s)).prod(1).mean(),
    "gathered": lambda s, y: s.gather(1, y[:, None]).mean() - s[tg.arange(3).cuda(), y].mean(),
    "alpha dropout": lambda s, y: F.alpha_dropout(F.selu(s), 0.5, training=True).mean(),
    "dropped channels": lambda s, y: F.dropout1d(s.reshape(3, 5, 2), 0.5).mean(),
}


@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_does_not_wait(name):
    tg.manual_seed(0)
    net = tg.nn.Sequential(tg.nn.Linear(4, 6), tg.nn.SiLU(), tg.nn.Linear(6, 10))
    x, y = tg.randn(3, 4), tg.tensor([3, 1, 4])
    assert steps_that_wait(net, x, y, loss=LOSSES[name]) == [0, 0]


@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize(
    "limit",
    [
        lambda net: tg.nn.utils.clip_grad_norm_(net.parameters(), 1e-3),
        lambda net: tg.nn.utils.clip_grad_norm_(net.parameters(), 1e-3, norm_type=math.inf),
        lambda net: tg.nn.utils.clip_grad_norm_(net.parameters(), 1e-3, norm_type=3.0),
        lambda net: tg.nn.utils.clip_grad_value_(net.parameters(), 1e-3),
        lambda net: tg.nn.utils.max_norm_(net, 0.5),
    ],
    ids=["norm 2", "largest", "norm 3", "value", "max norm"],
)
def test_limits_do_not_wait(limit):
    tg.manual_seed(0)
    images, labels = tg.randn(3, 1, 28, 28), tg.tensor([3, 1, 4])
    assert steps_that_wait(tg.models.LeNet5(), images, labels, after=limit) == [0, 0]


@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize("loss", [F.nll_loss, F.cross_entropy, F.multi_margin_loss])
def test_rows_of_labels_that_are_no_class_are_nan_in_every_loss(loss):
    """As cross-entropy's kernel has it, also for scores that have no kernel."""
    x = tg.randn(3, 4, dtype="float64").cuda().requires_grad_()
    y = tg.tensor([1, 4, 2]).cuda()
    extra = {"label_smoothing": 0.1} if loss is F.cross_entropy else {}
    each = loss(x, y, reduction="none", **extra)
    assert each.isnan().tolist() == [False, True, False]
    each.sum().backward()
    assert x.grad.isnan().any(1).tolist() == [False, True, False]


@pytest.mark.usefixtures("cupy")
def test_the_mean_of_no_labels_is_nan_and_flat():
    x = tg.randn(2, 4).cuda().requires_grad_()
    loss = F.nll_loss(x, tg.tensor([-100, -100]).cuda())
    loss.backward()
    assert math.isnan(loss.item())
    assert x.grad.tolist() == [[0.0] * 4] * 2


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
