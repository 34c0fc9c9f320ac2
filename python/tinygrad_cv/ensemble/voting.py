"""Several models that average their predicted probabilities."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_cv import functional as F
from tinygrad_cv.engine.grad_mode import no_grad
from tinygrad_cv.engine.random import manual_seed
from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.nn import Module
from tinygrad_cv.training.evaluation import device_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

BATCH = 500  # images a forward pass


class Report(NamedTuple):
    """Accuracies in [0, 1] on the same images: each member's, and the ensemble's own."""

    members: list[float]
    accuracy: float

    @property
    def mean(self) -> float:
        """Mean of the members' accuracies."""
        return float(np.mean(self.members))

    @property
    def best(self) -> float:
        """The best member's accuracy."""
        return max(self.members)

    def __str__(self) -> str:
        members = ", ".join(f"{100 * a:.2f}" for a in self.members)
        return (
            f"members {members} %, mean {100 * self.mean:.2f} %, best {100 * self.best:.2f} %; "
            f"together {100 * self.accuracy:.2f} %"
        )


class Ensemble:
    """Models whose predicted probabilities are averaged.

    Parameters
    ----------
    members : sequence
        Modules that give scores (N, K), or scikit-learn classifiers with ``predict_proba``.

    Raises
    ------
    ValueError
        No members.
    TypeError
        A member of another kind.

    References
    ----------
    CS231n notes, "Neural networks part 3", section on model ensembles.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> _ = tg.manual_seed(0)
    >>> both = Ensemble([tg.nn.Linear(4, 3), tg.nn.Linear(4, 3)])
    >>> both.predict_proba(tg.zeros(2, 4)).shape
    (2, 3)
    """

    def __init__(self, members: Sequence[Any]) -> None:
        self.members = list(members)
        if not self.members:
            raise ValueError("Ensemble: expected at least one member")
        for i, member in enumerate(self.members):
            if not isinstance(member, Module) and not hasattr(member, "predict_proba"):
                raise TypeError(
                    f"Ensemble: member {i} must be a Module or have predict_proba, got "
                    f"{type(member).__name__}"
                )

    @classmethod
    def from_seeds(
        cls,
        build: Callable[[], Module],
        train: Callable[[Module, int], Any],
        seeds: Iterable[int] = (0, 1, 2, 3),
    ) -> Ensemble:
        """The same network from different starting weights.

        Parameters
        ----------
        build : callable
            Makes a network; called after ``manual_seed(seed)``.
        train : callable
            ``train(model, seed)`` trains it.
        seeds : iterable of int
        """
        members = []
        for seed in seeds:
            manual_seed(seed)
            model = build()
            train(model, seed)
            members.append(model)
        return cls(members)

    @classmethod
    def from_states(cls, model: Module, states: Iterable[Mapping[str, Any]]) -> Ensemble:
        """Copies of a network with the given states, such as those of a run's `Snapshots`."""
        members = []
        for state in states:
            member = copy.deepcopy(model)
            member.load_state_dict(state)
            members.append(member)
        return cls(members)

    @classmethod
    def from_search(cls, search: Any, X: Any, y: Any, top: int = 5) -> Ensemble:
        """The best settings of a scikit-learn search, each fitted on all of X and y.

        Parameters
        ----------
        search : GridSearchCV or RandomizedSearchCV
            After ``fit``; its estimators have ``predict_proba``.
        X, y : array-like
            What it searched on.
        top : int

        Raises
        ------
        ValueError
            Fewer than one setting, or a search that was not fitted.
        """
        from sklearn.base import clone

        if top < 1:
            raise ValueError(f"Ensemble: top must be at least 1, got {top}")
        if not hasattr(search, "cv_results_"):
            raise ValueError("Ensemble: the search was not fitted; call its fit first")
        ranks = search.cv_results_["rank_test_score"]
        settings = search.cv_results_["params"]
        order = np.argsort(ranks, kind="stable")[:top]
        return cls(
            [clone(search.estimator).set_params(**settings[i]).fit(X, y) for i in order.tolist()]
        )

    def predict_proba(self, images: Any) -> NDArray[Any]:
        """Mean of the members' probabilities, shape (N, K)."""
        each = [_probabilities(member, images) for member in self.members]
        return np.mean(each, axis=0)

    def predict(self, images: Any) -> NDArray[Any]:
        """The likeliest class of each image; estimators' own labels where these are the members."""
        classes = getattr(self.members[0], "classes_", None)
        best = self.predict_proba(images).argmax(axis=1)
        return best if classes is None else np.asarray(classes)[best]

    def evaluate(self, images: Any, labels: Any = None) -> Report:
        """Accuracy of each member and of all together.

        Parameters
        ----------
        images : Tensor, array, or iterable of (images, labels) such as a `DataLoader`
        labels : Tensor or array, optional
            Where images are given alone.

        Raises
        ------
        ValueError
            No images.
        """
        batches = images if labels is None else [(images, labels)]
        right = np.zeros(len(self.members) + 1)
        count = 0
        classes = getattr(self.members[0], "classes_", None)
        for some, given in batches:
            wanted = np.asarray(getattr(given, "array", given))
            each = [_probabilities(member, some) for member in self.members]
            for i, chances in enumerate([*each, np.mean(each, axis=0)]):
                best = chances.argmax(axis=1)
                found = best if classes is None else np.asarray(classes)[best]
                right[i] += int((found == wanted).sum())
            count += len(wanted)
        if not count:
            raise ValueError("Ensemble: no images to evaluate on")
        *members, own = (right / count).tolist()
        return Report(members, own)


@no_grad()
def _probabilities(member: Any, images: Any) -> NDArray[Any]:
    if not isinstance(member, Module):
        return np.asarray(member.predict_proba(getattr(images, "array", images)))
    batch = images if isinstance(images, Tensor) else wrap(np.asarray(images))
    place = device_of(member)
    training = member.training
    member.eval()
    try:
        parts = [
            F.softmax(member(batch[start : start + BATCH].to(place)), dim=1).cpu().numpy()
            for start in range(0, len(batch), BATCH)
        ]
    finally:
        member.train(training)
    return np.concatenate(parts)
