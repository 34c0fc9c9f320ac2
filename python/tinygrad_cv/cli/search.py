"""Cross-validated searches with scikit-learn's own, the candidates of a batch side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.model_selection import GridSearchCV

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


class Score(NamedTuple):
    """What one setting reached on each held-out fold."""

    settings: dict[str, Any]
    folds: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Over the folds."""
        return float(self.folds.mean())


class AccuracyForEachK:
    """A scorer for nearest neighbours: accuracy for every k, from one search of each fold."""

    def __init__(self, counts: Sequence[int]) -> None:
        self.counts = list(counts)

    def __call__(self, classifier: Any, X: Any, y: Any) -> dict[str, float]:
        predictions = classifier.predict_for(X, self.counts)
        return {str(k): float((labels == y).mean()) for k, labels in predictions.items()}


class _InBatches(GridSearchCV):
    """GridSearchCV that says how far it is: candidates are evaluated `at_once` by `at_once`."""

    at_once = 1
    progress: Callable[[int], None] | None = None

    def __getstate__(self) -> Any:
        # scikit-learn hands the search to its workers, who need no bar on a terminal.
        return {name: v for name, v in super().__getstate__().items() if name != "progress"}

    def _run_search(self, evaluate_candidates: Callable[[list[Any]], Any]) -> None:
        for begin in range(0, len(self.param_grid), self.at_once):
            batch = self.param_grid[begin : begin + self.at_once]
            evaluate_candidates([{name: v[0] for name, v in one.items()} for one in batch])
            if self.progress is not None:
                self.progress(len(batch))


def search(
    estimator: Any,
    candidates: Sequence[dict[str, Any]],
    X: Any,
    y: Any,
    *,
    folds: Any,
    jobs: int,
    threads: int,
    named: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    counts: Sequence[int] = (),
    progress: Callable[[int], None] | None = None,
) -> list[Score]:
    """Cross-validate each candidate's settings.

    Parameters
    ----------
    estimator : scikit-learn estimator
    candidates : sequence of dict
        Settings to try.
    X, y : ndarray
        Training rows alone.
    folds : cross-validation splitter
    jobs : int
        Processes; each computes on its share of the threads.
    threads : int
        To share.
    named : callable
        Settings under the names that the estimator has for them.
    counts : sequence of int
        For nearest neighbours: each k, scored in one pass.
    progress : callable, optional
        Called with the number of candidates that are done.

    Returns
    -------
    list of Score
        For each candidate, and k; as they were given.

    Raises
    ------
    ValueError
        An estimator refuses a setting.
    """
    from joblib import parallel_config

    grid = [{name: [value] for name, value in named(one).items()} for one in candidates]
    scorer = AccuracyForEachK(counts) if counts else None
    found = _InBatches(
        estimator, grid, scoring=scorer, cv=folds, n_jobs=jobs, refit=False, error_score="raise"
    )
    found.at_once, found.progress = max(jobs, 1), progress
    share = {"inner_max_num_threads": max(1, threads // jobs)} if jobs > 1 else {}
    with parallel_config("loky", n_jobs=jobs, **share):
        found.fit(X, y)
    names = [str(k) for k in counts] or ["score"]
    return [
        Score(
            {**settings, **({"n_neighbors": int(name)} if counts else {})},
            np.array(
                [found.cv_results_[f"split{f}_test_{name}"][i] for f in range(found.n_splits_)]
            ),
        )
        for i, settings in enumerate(candidates)
        for name in names
    ]
