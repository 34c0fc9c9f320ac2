"""The softmax classifier: multinomial logistic regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.functional import cross_entropy
from tinygrad_cv.linear_model.classifier import LinearClassifier

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tinygrad_cv.engine.tensor import Tensor


class SoftmaxClassifier(LinearClassifier):
    """f(x) = W x + b with cross-entropy: the mean loss + alpha R(W), by mini-batch descent.

    Parameters
    ----------
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
    (`tinygrad_cv.data.preprocessing`).

    References
    ----------
    CS231n notes, "Linear classification", section on the Softmax classifier.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[-1.0, 0.0], [-2.0, 1.0], [1.0, 0.0], [2.0, 1.0]])
    >>> classifier = SoftmaxClassifier(random_state=0).fit(rows, ["a", "a", "b", "b"])
    >>> classifier.predict_proba([[3.0, 0.0]]).round().tolist()
    [[0.0, 1.0]]
    """

    def __init__(
        self,
        *,
        penalty: str | None = "l2",
        alpha: float = 0.001,
        l1_ratio: float = 0.5,
        learning_rate: Any = "cosine",
        learning_rate_init: float | None = None,
        momentum: float = 0.9,
        max_iter: int = 20,
        batch_size: int = 256,
        bias_trick: bool = False,
        random_state: Any = None,
    ) -> None:
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

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Probabilities of the classes, (n_samples, n_classes): softmax of the scores."""
        scores = self._scores(X)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: NDArray[Any] = powers / powers.sum(axis=1, keepdims=True)
        return shares

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Logarithms of `predict_proba`, finite also where those are 0."""
        scores = self._scores(X)
        scores = scores - scores.max(axis=1, keepdims=True)
        logs: NDArray[Any] = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        return logs

    def _data_loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(scores, labels)
