"""What ``tinygrad-cv tune`` can search: estimators, the settings they have, and which are tried.

``tune`` imports this module when it runs, since scikit-learn takes its time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sklearn.pipeline import Pipeline

from tinygrad_cv.data.augment import named as augmentation_named
from tinygrad_cv.data.preprocessing import MeanSubtraction, RangeScaler
from tinygrad_cv.linear_model import LinearSVMClassifier, SoftmaxClassifier
from tinygrad_cv.neighbors import KNeighborsClassifier
from tinygrad_cv.training.architectures import ARCHITECTURES, PATTERN_SETTINGS, is_pattern
from tinygrad_cv.training.network_classifier import NetworkClassifier

Settings = dict[str, Any]
STEP = "classifier__"  # before a linear model's settings, in the pipeline
OF_THE_RUN = ("build", "image_shape", "settings", "augment", "standardize", "random_state")


class Tunable(NamedTuple):
    """A model that settings are sought for."""

    estimator: Callable[[tuple[int, int, int], int], Any]  # of the images' shape and the classes
    known: frozenset[str]  # settings that it has
    grid: dict[str, list[Any]]  # what is tried where nothing is said
    draws: Settings  # and what random draws go over: (low, high) is log-uniform
    axis: str  # the setting that the picture goes along
    named: Callable[[Settings], Settings]  # settings under the estimator's names


def tunable(model: str, seed: int, fixed: Mapping[str, Any]) -> Tunable:
    """The model of that name.

    Parameters
    ----------
    model : str
        knn, svm, softmax, or a network as `training.build` knows it.
    seed : int
        Decides what its fits draw.
    fixed : mapping
        For a network: what all of its settings share, such as ``epochs`` or ``hidden``.

    Raises
    ------
    ValueError
        An unknown model, options of networks for another model, or a setting that it does not have.
    """
    if model in CLASSICAL:
        if fixed:
            option = next(iter(fixed)).replace("_", "-")
            raise ValueError(f"--{option}: for networks, and {model} is none")
        return CLASSICAL[model](seed)
    if is_pattern(model) or model in ARCHITECTURES:
        return _network(model, seed, fixed)
    raise ValueError(
        f"MODEL: expected {', '.join([*CLASSICAL, *ARCHITECTURES])} or a pattern, got {model!r}"
    )


def _neighbours(_seed: int) -> Tunable:
    return Tunable(
        lambda _shape, _classes: KNeighborsClassifier(),
        frozenset(KNeighborsClassifier().get_params()),
        {"metric": ["l1", "l2"], "n_neighbors": [1, 3, 5, 8, 10, 12, 15, 20, 50, 100]},
        {"metric": ["l1", "l2"], "n_neighbors": (1, 100)},
        "n_neighbors",
        dict,
    )


def _linear(kind: type, grid: list[float], draws: tuple[float, float]) -> Callable[[int], Tunable]:
    """A linear model behind its preprocessing, so that this is fitted in each fold."""

    def made(seed: int) -> Tunable:
        steps = [
            ("range", RangeScaler()),
            ("mean", MeanSubtraction()),
            ("classifier", kind(random_state=seed)),
        ]
        return Tunable(
            lambda _shape, _classes: Pipeline(steps),
            frozenset(kind().get_params()),
            {"alpha": grid},
            {"alpha": draws, "learning_rate_init": (3e-4, 1e-2)},
            "alpha",
            lambda settings: {f"{STEP}{name}": value for name, value in settings.items()},
        )

    return made


CLASSICAL: dict[str, Callable[[int], Tunable]] = {
    "knn": _neighbours,
    "svm": _linear(LinearSVMClassifier, [0.0001, 0.001, 0.01, 0.03, 0.1, 0.3, 1.0], (1e-4, 1.0)),
    "softmax": _linear(
        SoftmaxClassifier, [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1], (1e-4, 1e-1)
    ),
}


class Trial(NetworkClassifier):
    """A network whose loss may grow beyond all numbers: it then scores 0, and the search goes on."""

    def fit(self, X: Any, y: Any) -> Trial:
        self.diverged_ = False
        try:
            super().fit(X, y)
        except FloatingPointError:
            self.diverged_ = True
        return self

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        return 0.0 if self.diverged_ else float(super().score(X, y, sample_weight))


def _network(model: str, seed: int, fixed: Mapping[str, Any]) -> Tunable:
    of_layers = PATTERN_SETTINGS if is_pattern(model) else ARCHITECTURES[model].settings
    of_training = set(Trial().get_params()) - set(OF_THE_RUN)
    known = frozenset({*of_layers, *of_training})
    augment = fixed.get("augment")
    shared = {name: value for name, value in fixed.items() if name != "augment"}
    for name in shared:
        if name not in known:
            raise ValueError(f"--{name.replace('_', '-')}: {model} has no such setting")

    def named(settings: Settings) -> Settings:
        settings = {**shared, **settings}
        layers = {name: settings.pop(name) for name in of_layers if name in settings}
        return {**settings, "settings": layers}

    def estimator(shape: tuple[int, int, int], classes: int) -> Trial:
        changes = None if augment is None else augmentation_named(augment, shape[1:], classes)
        return Trial(
            model,
            image_shape=shape,
            augment=changes,
            standardize=shape[0] == 3,
            random_state=seed,
        )

    return Tunable(
        estimator,
        known,
        {"lr": [0.0003, 0.001, 0.003, 0.01]},
        {"lr": (1e-4, 3e-2), "weight_decay": (1e-6, 1e-3)},
        "lr",
        named,
    )
