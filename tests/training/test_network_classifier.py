"""The network as a scikit-learn estimator."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import estimator_checks_generator

import tinygrad_cv as tg
from tinygrad_cv import nn
from tinygrad_cv.data.augment import RandomCrop
from tinygrad_cv.training import NetworkClassifier

SMALL = NetworkClassifier("mlp", settings={"hidden": 16}, epochs=40, random_state=0, lr=0.01)


CHECKS = [check for _, check in estimator_checks_generator(SMALL)]
IDS = [f"{i}-{check.func.__name__}" for i, check in enumerate(CHECKS)]


@pytest.mark.parametrize("check", CHECKS, ids=IDS)
def test_scikit_learns_checks_pass(check):
    check(clone(SMALL))


def pictures(count=120):
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 3
    images = rng.integers(0, 100, (count, 1, 8, 8)) + 50 * labels[:, None, None, None]
    return images.astype(np.uint8), np.array(["cat", "dog", "eel"])[labels]


def small_convnet(shape, classes, filters=4):
    return nn.Sequential(
        nn.Conv2d(shape[0], filters, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(filters * (shape[1] - 2) * (shape[2] - 2), classes),
    )


def test_images_and_rows_are_the_same_to_it():
    images, names = pictures()
    options = {"epochs": 40, "lr": 0.01, "random_state": 0, "settings": {"filters": 6}}
    of_images = NetworkClassifier(small_convnet, **options).fit(images, names)
    rows = images.reshape(len(images), -1)
    of_rows = NetworkClassifier(small_convnet, image_shape=(1, 8, 8), **options).fit(rows, names)
    np.testing.assert_array_equal(of_images.predict_proba(images), of_rows.predict_proba(rows))
    assert of_images.model_[0].weight.shape == (6, 1, 3, 3)
    assert of_images.score(images, names) > 0.9
    assert of_images.classes_.tolist() == ["cat", "dog", "eel"]


def test_probabilities_are_the_networks_softmax_of_bytes_over_255():
    images, names = pictures(30)
    net = NetworkClassifier(small_convnet, epochs=1, random_state=0).fit(images, names)
    scores = net.model_(tg.from_numpy(images.astype(np.float32) / 255)).detach().numpy()
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    want = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(net.predict_proba(images), want, rtol=1e-4)


def test_the_random_state_decides_and_the_default_generator_is_left_alone():
    images, names = pictures(60)
    options = {"epochs": 2, "augment": RandomCrop(8, 1)}
    state = tg.engine.random.default_generator.get_state()
    first, second, third = (
        NetworkClassifier(small_convnet, random_state=seed, **options).fit(images, names)
        for seed in (0, 0, 1)
    )
    assert tg.engine.random.default_generator.get_state() == state
    np.testing.assert_array_equal(first.predict_proba(images), second.predict_proba(images))
    assert not np.array_equal(first.predict_proba(images), third.predict_proba(images))


def test_searches_and_scores_take_it():
    rows = np.random.default_rng(0).normal(size=(90, 4))
    names = np.array(["cat", "dog", "eel", "fox"])[rows.argmax(axis=1)]
    net = NetworkClassifier("mlp", settings={"hidden": 16}, epochs=60, random_state=0)
    search = GridSearchCV(net, {"lr": [1e-7, 0.02]}, cv=2).fit(rows, names)
    assert search.best_params_ == {"lr": 0.02}
    scores = cross_val_score(search.best_estimator_, rows, names, cv=3)
    assert len(scores) == 3
    assert scores.min() > 0.7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"build": "nothing"}, "model: expected lenet"),
        ({"optimizer": "newton"}, "optimizer: expected adam"),
        ({"epochs": 0}, "at least 1"),
        ({"image_shape": (1, 7, 7)}, r"rows of 64 features are no images \(1, 7, 7\)"),
        ({"regularizer": "l3"}, "regularizer: expected l2"),
    ],
)
def test_wrong_settings_are_refused(options, message):
    images, names = pictures(12)
    net = NetworkClassifier(**{"build": "mlp", **options})
    with pytest.raises(ValueError, match=message):
        net.fit(images, names)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"rows or N x C x H x W, got \(4, 2, 2\)"):
        NetworkClassifier("mlp").fit(np.zeros((4, 2, 2)), [0, 1, 0, 1])
