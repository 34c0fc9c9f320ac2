"""What a network looks at and holds: values that can be worked out, and pictures that are written."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn, optim, viz
from tinygrad_cv.training import Trainer


def is_picture(path):
    from matplotlib.image import imread

    pixels = imread(path)[..., :3]
    return pixels.std() > 0.01  # not blank


def linear(seed=0):
    tg.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(2 * 4 * 4, 3))


def convolutional():
    tg.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 3))


def test_the_saliency_of_a_linear_model_is_its_largest_weight():
    model, images = linear(), tg.rand(2, 2, 4, 4)
    weight = model[1].weight.numpy().reshape(3, 2, 4, 4)
    got = viz.saliency(model, images, [2, 0])
    np.testing.assert_allclose(got, np.abs(weight[[2, 0]]).max(axis=1), rtol=1e-6)
    best = model(images).detach().numpy().argmax(axis=1)
    np.testing.assert_array_equal(viz.saliency(model, images), viz.saliency(model, images, best))
    assert model.training
    assert all(p.grad is None for p in model.parameters())


def test_grad_cam_is_the_weighted_sum_of_the_maps():
    model, images = convolutional(), tg.rand(2, 1, 8, 8)
    maps = model[0](images).detach().numpy()
    weight = model[3].weight.numpy()[1].reshape(2, 8, 8)
    shares = (weight * (maps > 0)).mean(axis=(2, 3), keepdims=True)
    want = np.maximum((shares * maps).sum(axis=1), 0)
    np.testing.assert_allclose(viz.grad_cam(model, images, [1, 1]), want, rtol=1e-4, atol=1e-6)
    with tg.no_grad():
        np.testing.assert_allclose(viz.grad_cam(model, images, [1, 1]), want, rtol=1e-4, atol=1e-6)


def test_covering_what_matters_lowers_the_probability():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2, bias=False))
    with tg.no_grad():
        model[1].weight.array[...] = 0
        model[1].weight.array[1, 9] = 5  # the pixel in row 1, column 1 alone speaks for class 1
    image = tg.zeros(1, 1, 8, 8)
    image.array[0, 0, 1, 1] = 1
    fall = viz.occlusion_map(model, image, 1, size=2, stride=1)
    before = 1 / (1 + np.exp(-5))
    after = 1 / (1 + np.exp(-5 / 64))  # the square holds the image's mean
    assert fall[1, 1] == pytest.approx(before - after, rel=1e-4)
    assert fall[0, 0] == pytest.approx(before - after, rel=1e-4)
    assert fall[1, 3] == pytest.approx(0, abs=1e-6)
    assert fall[2, 2] == pytest.approx((before - after) / 4, rel=1e-4)


def test_occlusion_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"expected one image .* got \(2, 1, 8, 8\)"):
        viz.occlusion_map(convolutional(), tg.zeros(2, 1, 8, 8))
    with pytest.raises(ValueError, match="a square of 9 with steps of 2 does not fit 8 x 8"):
        viz.occlusion_map(convolutional(), tg.zeros(1, 1, 8, 8), size=9)


def test_explanations_are_drawn(tmp_path):
    path = tmp_path / "explained.png"
    viz.draw_explanations(convolutional(), tg.rand(2, 1, 8, 8), [0, 2], list("abc"), path)
    assert is_picture(path)


def test_filters_are_scaled_one_by_one(tmp_path):
    model = convolutional()
    drawn = viz.draw_filters(model, tmp_path / "filters.png")
    weight = model[0].weight.numpy()
    np.testing.assert_allclose(
        drawn[1], (weight[1] - weight[1].min()) / np.ptp(weight[1]), rtol=1e-5
    )
    assert is_picture(tmp_path / "filters.png")
    with pytest.raises(ValueError, match="Sequential has no Conv2d"):
        viz.draw_filters(linear(), tmp_path / "a.png")
    with pytest.raises(ValueError, match="layer '1' is a ReLU, not a Conv2d"):
        viz.draw_filters(model, tmp_path / "a.png", "1")
    with pytest.raises(ValueError, match="no layer 'conv'; there are 0, 1, 2, 3"):
        viz.draw_filters(model, tmp_path / "a.png", "conv")


def test_activations_are_the_layers_output(tmp_path):
    model, images = convolutional(), tg.rand(1, 1, 8, 8)
    want = np.maximum(model[0](images).detach().numpy(), 0)
    np.testing.assert_array_equal(viz.activation_maps(model, images, "1"), want)
    viz.draw_activations(model, images, tmp_path / "maps.png")
    assert is_picture(tmp_path / "maps.png")
    with pytest.raises(ValueError, match=r"the layer gives \(1, 3\), no maps"):
        viz.draw_activations(model, images, tmp_path / "a.png", "3")


def said():
    chances = np.array(
        [[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0, 0.99, 0.01], [0, 0, 1]]
    )
    return viz.Predictions(chances, np.array([0, 1, 1, 2, 2]))


def test_confusion_and_mistakes_are_counted():
    np.testing.assert_array_equal(said().confusion(), [[1, 0, 0], [1, 1, 0], [0, 1, 1]])
    assert said().mistakes().tolist() == [3, 2]  # the surest first


def test_predictions_are_those_of_evaluation_mode():
    model = nn.Sequential(nn.Dropout(0.9), nn.Linear(2, 3))
    points, labels = tg.rand(7, 2), tg.tensor([0, 1, 2, 0, 1, 2, 0])
    got = viz.predictions(model, [(points[:4], labels[:4]), (points[4:], labels[4:])])
    scores = model[1](points).detach().numpy()
    np.testing.assert_array_equal(got.chances.argmax(axis=1), scores.argmax(axis=1))
    np.testing.assert_allclose(got.chances.sum(axis=1), 1, rtol=1e-6)
    assert got.labels.tolist() == labels.tolist()
    assert model.training
    with pytest.raises(ValueError, match="no images"):
        viz.predictions(model, [])


def test_confusion_and_contact_sheet_are_drawn(tmp_path):
    viz.draw_confusion(said().confusion(), list("abc"), tmp_path / "confusion.png")
    assert is_picture(tmp_path / "confusion.png")
    images = np.random.default_rng(0).random((5, 1, 4, 4))
    drawn = viz.draw_mistakes(said(), images, list("abc"), tmp_path / "mistakes.png", count=1)
    assert drawn.tolist() == [3]
    assert is_picture(tmp_path / "mistakes.png")
    right = viz.Predictions(np.eye(3), np.arange(3))
    assert not len(viz.draw_mistakes(right, images, list("abc"), tmp_path / "none.png"))
    assert not (tmp_path / "none.png").exists()
    with pytest.raises(ValueError, match=r"counts \(3, 3\) but 2 class names"):
        viz.draw_confusion(said().confusion(), list("ab"), tmp_path / "a.png")


def test_update_ratios_are_those_of_the_steps(tmp_path):
    tg.manual_seed(0)
    model = nn.Linear(4, 3)
    watch = viz.UpdateHistogram(every=2)
    data = tg.data.TensorDataset(tg.rand(20, 4), tg.randint(3, (20,)))
    batches = tg.data.DataLoader(data, 5)
    trail = []

    class Trail(tg.training.Callback):
        def on_batch_end(self, trainer, images):
            trail.append(model.weight.numpy().copy())

    Trainer(model, optim.SGD(model.parameters(), lr=0.5), callbacks=[watch, Trail()]).fit(
        batches, batches, 1
    )
    want = [
        (step, pytest.approx(np.linalg.norm(trail[step - 1] - trail[step - 2])
         / np.linalg.norm(trail[step - 2]), rel=1e-5))
        for step in (2, 4)
    ]  # fmt: skip
    assert watch.ratios["weight"] == want
    np.testing.assert_array_equal(watch.weights["weight"], trail[2])
    np.testing.assert_array_equal(watch.updates["weight"], trail[3] - trail[2])
    watch.draw(tmp_path / "updates.png")
    assert is_picture(tmp_path / "updates.png")
    with pytest.raises(ValueError, match="the first is at step 7"):
        viz.UpdateHistogram(7).draw(tmp_path / "a.png")
    with pytest.raises(ValueError, match="every must be at least 2, got 1"):
        viz.UpdateHistogram(1)


def test_the_landscape_of_a_linear_svm_is_convex_and_its_middle_the_loss(tmp_path):
    model = linear()
    images, labels = tg.rand(12, 2, 4, 4), tg.randint(3, (12,))
    before = model[1].weight.numpy().copy()
    hinge = tg.functional.multi_margin_loss
    seen = viz.loss_landscape(model, (images, labels), hinge, points=5, radius=2.0)
    np.testing.assert_array_equal(model[1].weight.numpy(), before)
    assert seen.losses[2, 2] == pytest.approx(hinge(model(images), labels).item())
    for line in (*seen.losses, *seen.losses.T):
        assert (np.diff(line, 2) >= -1e-5).all()
    seen.draw(tmp_path / "bowl.png", "a bowl")
    assert is_picture(tmp_path / "bowl.png")
    ridge = viz.loss_landscape(
        model, (images, labels), hinge, points=3, regularizer=nn.regularizers.L2(1.0)
    )
    assert ridge.losses[1, 1] == pytest.approx(seen.losses[2, 2] + (before**2).sum() / 2, rel=1e-5)


def test_landscape_directions_are_as_long_as_the_filters():
    from tinygrad_cv.viz.landscape import _direction

    weight = np.random.default_rng(0).random((4, 3, 2, 2)) * [[[[1]]], [[[2]]], [[[5]]], [[[0]]]]
    drawn = _direction(weight, np.random.default_rng(1))
    lengths = [np.sqrt((a**2).sum(axis=(1, 2, 3))) for a in (drawn, weight)]
    np.testing.assert_allclose(*lengths)


def test_landscape_refuses_even_grids():
    with pytest.raises(ValueError, match="points must be odd and at least 3, got 4"):
        viz.loss_landscape(linear(), (None, None), points=4)
    with pytest.raises(ValueError, match="radius must be above 0, got 0"):
        viz.loss_landscape(linear(), (None, None), radius=0)


def test_the_last_layers_features_are_what_goes_into_it(tmp_path):
    model, images = convolutional(), tg.rand(30, 1, 8, 8)
    features = viz.last_features(model, images)
    want = np.maximum(model[0](images).detach().numpy(), 0).reshape(30, -1)
    np.testing.assert_array_equal(features, want)
    labels = np.arange(30) % 3
    flat = viz.draw_embedding(features, labels, list("abc"), tmp_path / "pca.png")
    centred = features - features.mean(axis=0)
    values = np.linalg.svd(centred, compute_uv=False)[:2]
    np.testing.assert_allclose(np.linalg.norm(flat, axis=0), values, rtol=1e-3)
    assert is_picture(tmp_path / "pca.png")
    assert viz.draw_embedding(features, labels, "abc", tmp_path / "t.png", "tsne").shape == (30, 2)
    with pytest.raises(ValueError, match="method must be 'pca' or 'tsne', got 'umap'"):
        viz.draw_embedding(features, labels, "abc", tmp_path / "a.png", "umap")
    with pytest.raises(ValueError, match="ReLU has no fully connected layer"):
        viz.last_features(nn.ReLU(), images)
