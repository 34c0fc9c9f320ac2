"""A network and its training as a scikit-learn classifier. Needs the `train` extra.

The package imports this module when its class is asked for, once scikit-learn is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin  # noqa: TID253
from sklearn.utils import check_random_state  # noqa: TID253
from sklearn.utils.multiclass import check_classification_targets  # noqa: TID253
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data  # noqa: TID253

from tinygrad_cv import functional as F
from tinygrad_cv.data import DataLoader, TensorDataset
from tinygrad_cv.data.augment import Compose, Normalize, SampleRandom
from tinygrad_cv.engine.grad_mode import no_grad
from tinygrad_cv.engine.random import default_generator
from tinygrad_cv.engine.tensor import wrap
from tinygrad_cv.training.architectures import build as build_named
from tinygrad_cv.training.evaluation import device_of
from tinygrad_cv.training.recipe import optimizer_named, regularizer_named, schedule_named
from tinygrad_cv.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tinygrad_cv.engine.tensor import Tensor
    from tinygrad_cv.nn import Module

BATCH = 500  # images a forward pass when predicting


class NetworkClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # no types there
    """A network that is built and trained by ``fit``, for scikit-learn's searches and scores.

    Parameters
    ----------
    build : str or callable
        A name that `training.build` knows (``"mlp"``, ``"convnet"``, a pattern, …), or
        ``build(shape, classes, **settings)``, which gives a Module.
    image_shape : (channels, rows, columns), optional
        What a row of X is an image of; default (1, 1, features) for rows, and what they are for images.
    settings : dict, optional
        For the network: ``filters``, ``hidden``, ``dropout``, …
    epochs, batch_size : int
    optimizer, lr, momentum, weight_decay
        As `training.optimizer_named`.
    schedule : str
        As `training.schedule_named`.
    regularizer : str, optional
        As `training.regularizer_named`, such as ``"l2:1e-4"``.
    augment : Augmentation, optional
        What is done to training images.
    standardize : bool
        Bring each channel to mean 0 and variance 1, by the numbers of the training images.
    random_state : int, RandomState or None
        Decides weights, order, augmentation and dropout.

    Attributes
    ----------
    classes_ : ndarray
    model_ : Module
        The trained network.
    history_ : History
        Its validation columns are over the first hundred training images.

    Notes
    -----
    Bytes are divided by 255; everything else is computed as it is, in float32. Images are standardized
    after they were augmented, since colours are changed in [0, 1] and what lies around an image is black.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = X.argmax(axis=1)
    >>> net = NetworkClassifier(settings={"hidden": 16}, random_state=0, epochs=100, lr=0.02)
    >>> net.fit(X, y).score(X, y) > 0.9
    True
    """

    def __init__(
        self,
        build: str | Callable[..., Module] = "mlp",
        *,
        image_shape: tuple[int, int, int] | None = None,
        settings: dict[str, Any] | None = None,
        epochs: int = 10,
        batch_size: int = 50,
        optimizer: str = "adam",
        lr: float | None = None,
        momentum: float | None = None,
        weight_decay: float | None = None,
        schedule: str = "cosine",
        regularizer: str | None = None,
        augment: Any = None,
        standardize: bool = False,
        random_state: Any = None,
    ) -> None:
        self.build = build
        self.image_shape = image_shape
        self.settings = settings
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.regularizer = regularizer
        self.augment = augment
        self.standardize = standardize
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> NetworkClassifier:
        """Build a network and train it.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features) or (N, C, H, W)
        y : array-like, shape (n_samples,)
            Labels of any kind.

        Returns
        -------
        The estimator.

        Raises
        ------
        ValueError
            NaN, no rows, targets that are no classes or fewer than two, or a parameter that cannot be.
        FloatingPointError
            The loss is no longer finite.
        """
        X, y = validate_data(self, X, y, dtype="numeric", allow_nd=True)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                "NetworkClassifier needs samples of at least 2 classes in the data, but the data "
                f"contains only one class: {self.classes_[0]!r}"
            )
        images = self._images(X)
        self.normalize_ = _normalize(images) if self.standardize else None
        seed = int(check_random_state(self.random_state).randint(2**31))
        before = default_generator.get_state()
        default_generator.manual_seed(seed)
        try:
            self._train(images, codes.astype(np.int64), seed)
        finally:
            default_generator.set_state(before)
        return self

    def _train(self, images: NDArray[np.float32], codes: NDArray[np.int64], seed: int) -> None:
        shape, settings = images.shape[1:], self.settings or {}
        if callable(self.build):
            self.model_ = self.build(shape, len(self.classes_), **settings)
        else:
            self.model_ = build_named(self.build, shape, len(self.classes_), settings)
        update = optimizer_named(
            self.optimizer, self.model_.parameters(), self.lr, self.momentum, self.weight_decay
        )
        changes = [change for change in (self.augment, self.normalize_) if change is not None]
        batches = DataLoader(
            TensorDataset(images, codes),
            self.batch_size,
            shuffle=True,
            seed=seed,
            augment=Compose(changes) if changes else None,
        )
        some = DataLoader(TensorDataset(images[:100], codes[:100]), 100, augment=self.normalize_)
        penalty = None if self.regularizer is None else regularizer_named(self.regularizer)
        trainer = Trainer(
            self.model_,
            update,
            schedule=schedule_named(self.schedule, update, self.epochs),
            regularizer=penalty,
        )
        self.history_ = trainer.fit(batches, some, self.epochs)
        if trainer.interrupted:
            raise KeyboardInterrupt
        self.n_iter_ = len(self.history_)
        self.model_.eval()

    @no_grad()
    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Probability of each class, (n_samples, n_classes)."""
        check_is_fitted(self, "model_")
        images = self._images(validate_data(self, X, reset=False, allow_nd=True))
        place = device_of(self.model_)
        batches = [self._standardized(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
        parts = [F.softmax(self.model_(batch.to(place)), dim=1).cpu().numpy() for batch in batches]
        return np.concatenate(parts)

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest class, (n_samples,)."""
        best = self.predict_proba(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[best]
        return labels

    def _standardized(self, images: NDArray[np.float32]) -> Tensor:
        if self.normalize_ is None:
            return wrap(images)
        return wrap(self.normalize_(images, SampleRandom(0, np.arange(len(images)))))

    def _images(self, X: NDArray[Any]) -> NDArray[np.float32]:
        if X.ndim not in (2, 4):
            raise ValueError(f"NetworkClassifier: X must be rows or N x C x H x W, got {X.shape}")
        shape = self.image_shape
        if shape is None:
            shape = (1, 1, X.shape[1]) if X.ndim == 2 else X.shape[1:]
        if X[0].size != np.prod(shape):
            raise ValueError(
                f"NetworkClassifier: rows of {X[0].size} features are no images {tuple(shape)}"
            )
        images = X.reshape(len(X), *shape).astype(np.float32)
        if X.dtype == np.uint8:
            images /= np.float32(255)
        return images


def _normalize(images: NDArray[np.float32]) -> Normalize:
    """What brings these images to mean 0 and variance 1; a channel of one value is only moved."""
    mean, std = (
        getattr(images, what)(axis=(0, 2, 3), dtype=np.float64) for what in ("mean", "std")
    )
    return Normalize(mean.tolist(), np.where(std > 0, std, 1).tolist())
