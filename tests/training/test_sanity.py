"""The pre-flight: each fault, planted, is found by its check; a sound model passes all."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn, optim
from tinygrad_cv.training import sanity


def network(seed=0, classes=4, last=None):
    tg.manual_seed(seed)
    layers = {
        "conv": nn.Conv2d(1, 8, 3),
        "norm": nn.BatchNorm2d(8),
        "relu": nn.ReLU(),
        "pool": nn.MaxPool2d(2),
        "flatten": nn.Flatten(),
        "drop": nn.Dropout(0.5),
        "fc": nn.Linear(8 * 9, classes),
    }
    if last is not None:
        layers["last"] = last
    return nn.Sequential(layers)


def data(count=120, classes=4, scale=1.0):
    rng = np.random.default_rng(0)
    labels = np.arange(count) % classes
    images = rng.random((count, 1, 8, 8)) / 2 + labels[:, None, None, None] / (2 * classes)
    images[:, :, :2] = 0  # exact ties and zeros, as the ground of digits has
    return tg.tensor((scale * images).astype(np.float32)), tg.tensor(labels)


def test_a_sound_model_passes_and_is_left_as_it_was():
    model = network()
    adam = optim.Adam(model.parameters(), lr=1e-3)
    model.eval()
    before = {name: t.numpy().copy() for name, t in model.state_dict().items()}
    state = tg.engine.random.default_generator.get_state()
    report = sanity(model, data(), optimizer=adam, regularizer=nn.regularizers.L2(1e-4))
    assert report.ok, str(report)
    assert [check.passed for check in report] == [True] * 10
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name], strict=True)
    assert tg.engine.random.default_generator.get_state() == state
    assert not adam.state
    assert not model.training
    assert all(p.grad is None for p in model.parameters())


def test_the_shipped_networks_pass_on_the_digits():
    tg.manual_seed(0)
    report = sanity(tg.models.LeNet5(), tg.data.digits())
    assert report.ok, str(report)


def test_a_run_under_way_keeps_its_optimizer():
    model = network()
    adam = optim.Adam(model.parameters(), lr=1e-3)
    images, labels = data()
    tg.functional.cross_entropy(model(images), labels).backward()
    adam.step()
    kept = [state["exp_avg"].tolist() for state in adam.state.values()]
    sanity(model, (images, labels), optimizer=adam)
    for state, want in zip(adam.state.values(), kept, strict=True):
        assert state["exp_avg"].tolist() == want
        assert state["step"] == 1


class WrongGate(tg.Gate):
    """y = 2 x with the local gradient of y = 1.9 x."""

    saved_from = ()

    def forward(self, x):
        return 2 * x

    def backward(self, grad):
        return (1.9 * grad,)


class Wrong(nn.Module):
    def forward(self, x):
        return WrongGate()(x)


class Blind(nn.Module):
    """Looks at nothing: one score for each class, whatever the image."""

    def __init__(self):
        super().__init__()
        self.scores = nn.Parameter(tg.zeros(1, 4))

    def forward(self, x):
        return self.scores + tg.zeros(len(x), 1)


def changed(change):
    model = network()
    with tg.no_grad():
        change(model)
    return model


def with_labels(shift):
    images, labels = data()
    return images, tg.tensor(labels.numpy() + shift)


def failing(model=None, given=None, **options):
    return sanity(model or network(), given or data(), **options).failed


def test_labels_outside_the_scores_are_found_and_skip_what_needs_them():
    report = sanity(network(), with_labels(1))
    assert report.failed == ["labels"]
    assert report[0].said == "labels are 1 to 4 but there are scores for classes 0 to 3"
    skipped = [check.name for check in report if check.passed is None]
    assert skipped == ["initial loss", "gradients", "update ratio", "overfits 20 images"]
    assert "FAIL  labels" in str(report)
    assert "skip  gradients" in str(report)


def test_labels_that_are_all_alike_are_found():
    images, labels = data()
    assert "labels" in failing(given=(images, labels * 0))


@pytest.mark.parametrize(("scale", "said"), [(255.0, "divide by 255"), (1e-3, "nearly all alike")])
def test_data_of_another_scale_is_found(scale, said):
    report = sanity(network(), data(scale=scale))
    assert "data scale" in report.failed
    assert said in report[1].said


def test_bytes_and_nan_are_found():
    images, labels = data()
    images.array[3, 0, 0, 0] = np.nan
    assert "data scale" in failing(given=(images, labels))


def test_softmax_applied_twice_is_found():
    report = sanity(network(last=nn.Softmax(dim=1)), data())
    assert "softmax once" in report.failed
    assert "before the softmax" in report[2].said


def test_a_first_loss_far_from_guessing_is_found():
    model = changed(lambda m: m.fc.weight.array.__imul__(60))
    assert "initial loss" in failing(model)


def test_other_losses_are_held_to_what_is_expected_of_them():
    mean = partial(tg.functional.multi_margin_loss, reduction="mean")
    assert "initial loss" not in failing(loss=mean, initial_loss=3 / 4)
    assert "initial loss" in failing(loss=mean, initial_loss=30.0)


def test_a_penalty_that_does_not_raise_the_loss_is_found():
    assert failing(regularizer=nn.regularizers.L2(0.0)) == ["regularization"]


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_wrong_local_gradient_is_found(place):
    model = network()
    wrong = nn.Sequential(Wrong(), model) if place == "first" else nn.Sequential(model, Wrong())
    assert "gradients" in failing(wrong)


def test_a_parameter_without_gradient_is_named():
    model = network()
    model.fc.forgotten = nn.Parameter(tg.zeros(3))
    report = sanity(model, data())
    assert report.failed == ["gradients"]
    assert report[5].said == "fc.forgotten gets no gradient"


def test_fading_activations_are_found():
    model = nn.Sequential(nn.Flatten(), *[nn.Linear(64, 64) for _ in range(3)], nn.Linear(64, 4))
    for layer in model:
        if hasattr(layer, "weight"):
            layer.weight.array *= 0.01
    assert "activations" in failing(model)


def test_dead_relus_are_found():
    assert "dead relus" in failing(changed(lambda m: m.norm.bias.array.__isub__(20)))


@pytest.mark.parametrize("lr", [1e-9, 100.0])
def test_steps_of_the_wrong_size_are_found(lr):
    model = network()
    assert failing(model, optimizer=optim.SGD(model.parameters(), lr=lr)) == ["update ratio"]


def test_another_models_optimizer_is_found():
    model, other = network(), network()
    assert failing(model, optimizer=optim.SGD(other.parameters(), lr=0.1)) == ["update ratio"]


def test_a_network_that_cannot_learn_is_found():
    assert "overfits 20 images" in failing(Blind())
    report = sanity(network().requires_grad_(False), data())
    assert "overfits 20 images" in report.failed


def test_scores_of_another_shape_and_no_images_are_refused():
    with pytest.raises(ValueError, match=r"model must give scores \(N, K\), got \(120, 1, 8, 8\)"):
        sanity(nn.ReLU(), data())
    with pytest.raises(ValueError, match="no images"):
        sanity(network(), (tg.zeros(0, 1, 8, 8), tg.zeros(0, dtype=tg.int64)))
