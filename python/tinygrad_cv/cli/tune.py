"""``tinygrad-cv tune``: chooses hyperparameters by cross-validation on training images."""

from __future__ import annotations

import ast
import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinygrad_cv.cli.data_sets import NAMES, Rows, load

if TYPE_CHECKING:
    from tinygrad_cv.cli.search import Score

# What is tried, and over which values random draws go: (low, high) is log-uniform.
GRIDS: dict[str, dict[str, list[Any]]] = {
    "knn": {"metric": ["l1", "l2"], "n_neighbors": [1, 3, 5, 8, 10, 12, 15, 20, 50, 100]},
    "svm": {"alpha": [0.0001, 0.001, 0.01, 0.03, 0.1, 0.3, 1.0]},
    "softmax": {"alpha": [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1]},
}
DRAWS: dict[str, dict[str, Any]] = {
    "knn": {"metric": ["l1", "l2"], "n_neighbors": (1, 100)},
    "svm": {"alpha": (1e-4, 1.0), "learning_rate_init": (3e-4, 1e-2)},
    "softmax": {"alpha": (1e-4, 1e-1), "learning_rate_init": (3e-4, 1e-2)},
}
ON_AXIS = {"knn": "n_neighbors", "svm": "alpha", "softmax": "alpha"}


def tune(
    model: Annotated[str, typer.Argument(help="knn, svm or softmax.")],
    data: Annotated[str, typer.Option(help=f"{', '.join(NAMES)}.")] = "digits",
    data_root: Annotated[
        Path | None,
        typer.Option(help="Folder with the data set's files, instead of the download."),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Values to try, NAME=V,V,…; with --draws NAME=LOW:HIGH. Again for more names.",
        ),
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(min=1, help="Draw so many settings at random instead of trying a grid."),
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Parts that are held out in turn.")] = 5,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Processes, each with its share of threads. [default: all cores]"),
    ] = None,
    train_images: Annotated[
        int | None, typer.Option(min=2, help="Use so many training images, drawn by the seed.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Decides folds, draws and fits: same seed, same result.")
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for table and picture. [default: runs/tune-MODEL-DATA]"),
    ] = None,
) -> None:
    """Try settings by cross-validation, and measure the best once on the test images.

    The training images are cut into folds. Each setting is fitted on all but one and scored on that
    one, in turn; the setting with the best mean is fitted on all training images, and only then are
    the test images looked at, once. Linear models see pixels scaled to [-1, 1] with the mean of their
    own training folds subtracted.

    One search of nearest neighbours serves every k, so that each k is tried with each of the other
    settings.

    Writes validation.csv (a row for each setting) and validation.png.

    Examples: tinygrad-cv tune knn --data digits --set n_neighbors=1,3,5 --set metric=l1,l2
    tinygrad-cv tune softmax --data cifar10 --draws 20 --set alpha=0.0001:0.1
    """
    from sklearn.model_selection import StratifiedKFold

    import tinygrad_cv as tg
    from tinygrad_cv.cli.progress import bar
    from tinygrad_cv.cli.search import search

    if model not in GRIDS:
        raise ValueError(f"MODEL: expected one of {', '.join(GRIDS)}, got {model!r}")
    candidates, counts = _candidates(model, values or [], draws, seed)
    threads = tg.get_num_threads()
    workers = jobs or threads
    rows = load(data, data_root, train_images, None, seed)
    folder = out or Path("runs") / f"tune-{model}-{data}"
    folder.mkdir(parents=True, exist_ok=True)  # before the work, so that a refusal costs no time
    typer.echo(
        f"{model} on {data} ({rows.source}): {len(candidates) * max(len(counts), 1)} settings, "
        f"{folds} folds of {len(rows.X):,} training images, {workers} processes, seed {seed}"
    )
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with bar(f"tune {model}", len(candidates), "settings") as advance:
        found = search(
            _estimator(model, seed), [_named(model, one) for one in candidates], rows.X, rows.y,
            folds=splitter, jobs=workers, threads=threads, counts=counts, progress=advance,
        )  # fmt: skip
    scores = [score.without_prefix("classifier__") for score in found]
    _report(scores, model, data, folder)
    best = max(scores, key=lambda score: score.mean)  # the first of equals
    _test(best, model, rows, seed)


def _estimator(model: str, seed: int) -> Any:
    """What is fitted: for linear models behind their preprocessing, so that it is fitted in each fold."""
    from sklearn.pipeline import Pipeline

    from tinygrad_cv.data.preprocessing import MeanSubtraction, RangeScaler
    from tinygrad_cv.linear_model import LinearSVMClassifier, SoftmaxClassifier
    from tinygrad_cv.neighbors import KNeighborsClassifier

    if model == "knn":
        return KNeighborsClassifier()
    linear = LinearSVMClassifier if model == "svm" else SoftmaxClassifier
    return Pipeline(
        [
            ("range", RangeScaler()),
            ("mean", MeanSubtraction()),
            ("classifier", linear(random_state=seed)),
        ]
    )


def _named(model: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings under the names that the estimator has for them."""
    return settings if model == "knn" else {f"classifier__{k}": v for k, v in settings.items()}


def _candidates(
    model: str, texts: list[str], draws: int | None, seed: int
) -> tuple[list[dict[str, Any]], list[int]]:
    """Settings to try; each k of nearest neighbours apart, since one search serves all."""
    from sklearn.model_selection import ParameterGrid, ParameterSampler

    space: dict[str, Any] = dict(GRIDS[model] if draws is None else DRAWS[model])
    known = (
        set(_estimator(model, seed).get_params())
        if model == "knn"
        else {name.removeprefix("classifier__") for name in _estimator(model, seed).get_params()}
    )
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value:
            raise ValueError(f"--set: expected NAME=VALUE,VALUE,… got {text!r}")
        if name not in known:
            raise ValueError(f"--set: {model} has no setting {name!r}")
        space[name] = (
            _range_of(text, value) if ":" in value else [_value(v) for v in value.split(",")]
        )
    if draws is None:
        ranges = [name for name, value in space.items() if isinstance(value, tuple)]
        if ranges:
            raise ValueError(f"--set: a range for {ranges[0]} needs --draws")
        counts = space.pop("n_neighbors", []) if model == "knn" else []
        return list(ParameterGrid(space)), _counts(counts)
    drawn = list(ParameterSampler(_distributions(space), draws, random_state=seed))
    if model != "knn":
        return drawn, []
    counts = sorted({one.pop("n_neighbors") for one in drawn})
    settings = [dict(one) for one in {tuple(sorted(one.items())) for one in drawn}]
    return sorted(settings, key=str), _counts(counts)


def _counts(values: list[Any]) -> list[int]:
    for value in values:
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"--set: n_neighbors must be ints of at least 1, got {value!r}")
    return values


def _value(text: str) -> Any:
    """A number, None, True, False, or the text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _range_of(text: str, value: str) -> tuple[Any, Any]:
    low, high = (_value(end) for end in value.split(":", 1))
    numbers = all(isinstance(end, (int, float)) for end in (low, high))
    if not numbers or not 0 < low < high:
        raise ValueError(f"--set: expected NAME=LOW:HIGH with 0 < LOW < HIGH, got {text!r}")
    return low, high


def _distributions(space: dict[str, Any]) -> dict[str, Any]:
    """For scikit-learn's sampler: ranges of ints are uniform, of floats log-uniform."""
    from scipy.stats import loguniform, randint

    made: dict[str, Any] = {}
    for name, value in space.items():
        if not isinstance(value, tuple):
            made[name] = value
        elif all(isinstance(end, int) for end in value):
            made[name] = randint(value[0], value[1] + 1)
        else:
            made[name] = loguniform(*value)
    return made


def _report(scores: list[Score], model: str, data: str, folder: Path) -> None:
    """Print a line for each setting, write the table and draw the picture."""
    for score in scores:
        typer.echo(
            f"{_text(score.settings):40s} {100 * score.mean:6.2f} % ± {100 * score.folds.std():.2f}"
        )
    names = list(dict.fromkeys(name for score in scores for name in score.settings))
    count = len(scores[0].folds)
    table = folder / "validation.csv"
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "mean", "std", *[f"fold{i + 1}" for i in range(count)]])
        for score in scores:
            given = [score.settings.get(name, "") for name in names]
            writer.writerow([*given, score.mean, score.folds.std(), *score.folds])
    typer.echo(f"table    {table}")
    _draw(scores, ON_AXIS[model], folder / "validation.png", f"{model} on {data}, {count} folds")
    typer.echo(f"picture  {folder / 'validation.png'}")


def _draw(scores: list[Score], wanted: str, path: Path, title: str) -> None:
    """Accuracy against one setting; a curve for each combination of the others that differ."""
    from tinygrad_cv.viz import draw_validation

    varied = [
        name for name in scores[0].settings
        if len({repr(score.settings[name]) for score in scores}) > 1
    ]  # fmt: skip
    parameter = wanted if wanted in varied or not varied else varied[0]
    # Random draws share no values of the others: one cloud of points then.
    drawn = len(varied) > 1 and len({score.settings[parameter] for score in scores}) == len(scores)
    curves: dict[str, tuple[list[Any], list[Any]]] = {}
    for score in scores:
        others = {k: v for k, v in score.settings.items() if k != parameter and k in varied}
        values, accuracies = curves.setdefault("" if drawn else _text(others), ([], []))
        values.append(score.settings.get(parameter, ""))
        accuracies.append(score.folds)
    draw_validation(curves, path, parameter, title, joined=not drawn)


def _text(settings: dict[str, Any]) -> str:
    return ", ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in settings.items()
    )


def _test(best: Score, model: str, rows: Rows, seed: int) -> None:
    """Fit the chosen setting on all training images and look at the test images, once."""
    chosen = _estimator(model, seed).set_params(**_named(model, best.settings))
    accuracy = chosen.fit(rows.X, rows.y).score(rows.test_X, rows.test_y)
    typer.echo(f"chosen   {_text(best.settings)} ({100 * best.mean:.2f} % in cross-validation)")
    typer.echo(f"test accuracy {100 * accuracy:.2f} % ({len(rows.test_X):,} images)")
