"""The support vector machine: the right class shall score higher than the others by a margin."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.functional import multiclass_svm_loss, relu
from tinygrad_cv.linear_model.classifier import LinearClassifier, is_number

FORMULATIONS = ("weston_watkins", "ovr")


class LinearSVMClassifier(LinearClassifier):
    """f(x) = W x + b with a hinge loss: the mean loss + alpha R(W), by mini-batch descent.

    Parameters
    ----------
    multi_class : {"weston_watkins", "ovr"}
        The loss of a row: Σ_{j != y} max(0, s_j - s_y + delta) over all classes at once, or one
        against the rest, Σ_j max(0, delta - t_j s_j) with t_y = 1 and -1 elsewhere.
    delta : float
        The margin.
    penalty : {"l2", "l1", "elasticnet"} or None
        R(W): 1/2 Σ w², Σ |w|, or l1_ratio Σ |w| + (1 - l1_ratio) / 2 Σ w². b is not penalised,
        except with `bias_trick`, where it is a column of W.
    alpha : float
        The strength of the penalty.
    l1_ratio : float
        The share of Σ |w| in "elasticnet".
    learning_rate : {"cosine", "constant", "exponential", "inverse"} or callable
        How the step size falls over the epochs: to 0 along a cosine, not at all, to a hundredth by
        equal factors, as 1 / (1 + epoch); or what makes a schedule of `tinygrad_cv.optim.lr_scheduler`
        from an optimizer, say ``lambda optimizer: StepLR(optimizer, 5)``.
    learning_rate_init : float, optional
        The first step size. None: 2 / (1 + mean |x|²), which suits features of any scale.
    momentum : float
    max_iter : int
        Epochs: passes over the rows.
    batch_size : int
    bias_trick : bool
        Fold b into W: a constant 1 is appended to x.
    random_state : int, RandomState or None
        Decides the order of the rows.

    Attributes
    ----------
    coef_ : ndarray, shape (n_classes, n_features)
        W, a row for each class, also for two classes.
    intercept_ : ndarray, shape (n_classes,)
        b.
    classes_ : ndarray, shape (n_classes,)
    loss_curve_ : list of float
        The mean over each epoch of loss + penalty.
    n_iter_, n_features_in_ : int

    Notes
    -----
    The defaults are for images with the mean subtracted, scaled to about [-1, 1]
    (`tinygrad_cv.data.preprocessing`). Scores are no probabilities; scikit-learn's
    ``CalibratedClassifierCV`` makes such of them.

    References
    ----------
    Weston & Watkins 1999; CS231n notes, "Linear classification".

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[-1.0, 0.0], [-2.0, 1.0], [1.0, 0.0], [2.0, 1.0]])
    >>> LinearSVMClassifier(random_state=0).fit(rows, ["a", "a", "b", "b"]).predict([[3.0, 0.0]])
    array(['b'], dtype='<U1')
    """

    def __init__(
        self,
        *,
        multi_class: str = "weston_watkins",
        delta: float = 1.0,
        penalty: str | None = "l2",
        alpha: float = 0.01,
        l1_ratio: float = 0.5,
        learning_rate: Any = "cosine",
        learning_rate_init: float | None = None,
        momentum: float = 0.9,
        max_iter: int = 20,
        batch_size: int = 256,
        bias_trick: bool = False,
        random_state: Any = None,
    ) -> None:
        self.multi_class = multi_class
        self.delta = delta
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.momentum = momentum
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.bias_trick = bias_trick
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.multi_class not in FORMULATIONS:
            raise ValueError(
                f"The 'multi_class' parameter of LinearSVMClassifier must be one of "
                f"{list(FORMULATIONS)}. Got {self.multi_class!r} instead."
            )
        if not (is_number(self.delta) and self.delta > 0):
            raise ValueError(
                "The 'delta' parameter of LinearSVMClassifier must be a number above 0. "
                f"Got {self.delta!r} instead."
            )

    def _data_loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        if self.multi_class == "weston_watkins":
            return multiclass_svm_loss(scores, labels, float(self.delta))
        signs = np.full(scores.shape, -1, scores.detach().numpy().dtype)
        signs[np.arange(len(signs)), labels.numpy()] = 1
        return relu(float(self.delta) - scores * wrap(signs)).sum(1).mean()
