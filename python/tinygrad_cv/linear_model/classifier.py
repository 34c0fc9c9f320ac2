"""What the linear classifiers share: scores W x + b, and mini-batch descent of loss + penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.functional import linear
from tinygrad_cv.nn.regularizers import L1, L2, ElasticNet, Regularizer
from tinygrad_cv.optim import SGD
from tinygrad_cv.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    InverseTimeLR,
    LRScheduler,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

PENALTIES = ("l2", "l1", "elasticnet", None)
SCHEDULES = ("cosine", "constant", "exponential", "inverse")


class LinearClassifier(ClassifierMixin, BaseEstimator):
    """Base class; a subclass defines `__init__` and `_data_loss`."""

    penalty: str | None
    alpha: float
    l1_ratio: float
    learning_rate: Any
    learning_rate_init: float | None
    momentum: float
    max_iter: int
    batch_size: int
    bias_trick: bool
    random_state: Any

    def _data_loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of a batch."""
        raise NotImplementedError(f"{type(self).__name__} must define _data_loss")

    def fit(self, X: Any, y: Any) -> Any:
        """Learn W and b from nothing.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
            float32 and uint8 are computed in float32, all else in float64.
        y : array-like, shape (n_samples,)
            Labels of any kind.

        Returns
        -------
        The estimator.

        Raises
        ------
        ValueError
            NaN, no rows, targets that are no classes or fewer than two, a parameter that cannot be.
        FloatingPointError
            The loss is no longer finite: the steps are too long.
        """
        X, codes = self._checked(X, y, None)
        self._begin(X)
        optimizer = SGD(self._parameters, lr=self._step, momentum=self.momentum)
        schedule = self._schedule(optimizer)
        random = check_random_state(self.random_state)
        for _ in range(self.max_iter):
            self._epoch(X, codes, optimizer, random)
            if schedule is not None:
                schedule.step()
        self._show()
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Any:
        """One more epoch, over these rows, with the step size `learning_rate_init`.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
        y : array-like, shape (n_samples,)
        classes : array-like, optional
            All labels that will ever come; needed in the first call, and then the same or None.

        Returns
        -------
        The estimator.

        Raises
        ------
        ValueError
            As `fit`; no classes in the first call, others later, or a label that is not among them.
        FloatingPointError
            The loss is no longer finite.
        """
        first = not hasattr(self, "classes_")
        if first and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        known = np.unique(classes) if first else self.classes_
        if classes is not None and not np.array_equal(np.unique(classes), known):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: "
                f"{known!r}"
            )
        X, codes = self._checked(X, y, known, reset=first)
        if first or not hasattr(self, "_optimizer"):
            if first:
                self._begin(X)
            self._optimizer = SGD(self._parameters, lr=self._step, momentum=self.momentum)
            self._random = check_random_state(self.random_state)
        self._epoch(X, codes, self._optimizer, self._random)
        self._show()
        return self

    def decision_function(self, X: Any) -> NDArray[Any]:
        """Scores W x + b, (n_samples, n_classes); for two classes the second's minus the first's."""
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> NDArray[Any]:
        """The label with the highest score, the smallest of equals; shape (n_samples,)."""
        best = self._scores(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[best]
        return labels

    def _scores(self, X: Any) -> NDArray[Any]:
        check_is_fitted(self, "coef_")
        X = validate_data(self, X, reset=False, dtype=_dtype_for(X))
        scores: NDArray[Any] = X @ self.coef_.T.astype(X.dtype) + self.intercept_.astype(X.dtype)
        return scores

    def _checked(self, X: Any, y: Any, classes: Any, reset: bool = True) -> tuple[Any, Any]:
        """Rows, and labels as numbers; sets classes_."""
        self._check_parameters()
        X, y = validate_data(self, X, y, dtype=_dtype_for(X), order="C", reset=reset)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if classes is None:
            self.classes_, codes = np.unique(y, return_inverse=True)
        else:
            unknown = np.setdiff1d(y, classes)
            if unknown.size:
                raise ValueError(f"The target label(s) {unknown} in y do not exist in the classes")
            self.classes_ = classes
            codes = np.searchsorted(classes, y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes in the data, but the "
                f"data contains only one class: {self.classes_[0]!r}"
            )
        return X, codes

    def _check_parameters(self) -> None:
        name = type(self).__name__
        allowed: list[tuple[str, bool, str]] = [
            ("penalty", self.penalty in PENALTIES, f"one of {list(PENALTIES)}"),
            ("alpha", is_number(self.alpha) and self.alpha >= 0, "a number of at least 0"),
            ("l1_ratio", is_number(self.l1_ratio) and 0 <= self.l1_ratio <= 1, "between 0 and 1"),
            (
                "learning_rate",
                callable(self.learning_rate) or self.learning_rate in SCHEDULES,
                f"one of {list(SCHEDULES)} or a callable",
            ),
            (
                "learning_rate_init",
                self.learning_rate_init is None
                or (is_number(self.learning_rate_init) and self.learning_rate_init > 0),
                "a number above 0 or None",
            ),
            (
                "momentum",
                is_number(self.momentum) and 0 <= self.momentum < 1,
                "at least 0, below 1",
            ),
            ("max_iter", _count(self.max_iter), "an int of at least 1"),
            ("batch_size", _count(self.batch_size), "an int of at least 1"),
        ]
        for parameter, fits, wanted in allowed:
            if not fits:
                raise ValueError(
                    f"The {parameter!r} parameter of {name} must be {wanted}. "
                    f"Got {getattr(self, parameter)!r} instead."
                )

    def _begin(self, X: NDArray[Any]) -> None:
        classes, features = len(self.classes_), X.shape[1] + bool(self.bias_trick)
        weight = Tensor(np.zeros((classes, features), X.dtype), requires_grad=True)
        self._parameters = [weight]
        if not self.bias_trick:
            self._parameters.append(Tensor(np.zeros(classes, X.dtype), requires_grad=True))
        self.__dict__.pop("_optimizer", None)  # partial_fit's, of parameters that are no more
        self.loss_curve_: list[float] = []
        self.n_iter_ = 0
        # The curvature of the loss grows with the rows' squared length: a step of 2 / (1 + |x|^2)
        # is long and still stable, whatever the features' scale.
        squares = np.einsum("ij,ij->i", X, X, dtype=np.float64)
        self._step = self.learning_rate_init or float(2 / (1 + squares.mean()))

    def _schedule(self, optimizer: SGD) -> LRScheduler | None:
        if callable(self.learning_rate):
            made: LRScheduler = self.learning_rate(optimizer)
            return made
        if self.learning_rate == "cosine":
            return CosineAnnealingLR(optimizer, T_max=self.max_iter)
        if self.learning_rate == "exponential":
            return ExponentialLR(optimizer, gamma=0.01 ** (1 / self.max_iter))
        return InverseTimeLR(optimizer, 1.0) if self.learning_rate == "inverse" else None

    def _regularizer(self) -> Regularizer | None:
        if self.penalty is None or self.alpha == 0:
            return None
        if self.penalty == "l2":
            return L2(self.alpha)
        if self.penalty == "l1":
            return L1(self.alpha)
        share = self.l1_ratio
        return ElasticNet(l1=self.alpha * share, l2=self.alpha * (1 - share) / 2)

    def _epoch(self, X: NDArray[Any], codes: NDArray[Any], optimizer: SGD, random: Any) -> None:
        regularizer = self._regularizer()
        weight, bias = self._parameters[0], (*self._parameters[1:], None)[0]
        order, total = random.permutation(len(X)), 0.0
        for begin in range(0, len(X), self.batch_size):
            rows = order[begin : begin + self.batch_size]
            batch = X[rows]
            if self.bias_trick:
                batch = np.concatenate([batch, np.ones((len(rows), 1), X.dtype)], axis=1)
            loss = self._data_loss(linear(wrap(batch), weight, bias), wrap(codes[rows]))
            if regularizer is not None:
                loss = loss + regularizer([weight])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        self.n_iter_ += 1
        if not np.isfinite(total):
            raise FloatingPointError(
                f"{type(self).__name__}: the loss is {total} in epoch {self.n_iter_}: "
                f"learning_rate_init {self._step:g} is too large"
            )
        self.loss_curve_.append(total / len(X))

    def _show(self) -> None:
        """Set coef_ and intercept_ from the parameters."""
        weight = self._parameters[0].detach().numpy().copy()
        if self.bias_trick:
            self.coef_, self.intercept_ = weight[:, :-1], weight[:, -1]
        else:
            self.coef_, self.intercept_ = weight, self._parameters[1].detach().numpy().copy()


def _dtype_for(X: Any) -> Any:
    if getattr(X, "dtype", None) == np.uint8:
        return np.float32
    return (np.float64, np.float32)


def is_number(value: Any) -> bool:
    """Whether a parameter is a number."""
    return isinstance(value, (int, float, np.number))


def _count(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and int(value) >= 1
