"""``tinygrad-cv tune``: chooses hyperparameters by cross-validation on training images."""

from __future__ import annotations

import ast
import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from tinygrad_cv.cli.data_sets import NAMES, Rows, load
from tinygrad_cv.cli.numbers import numbers
from tinygrad_cv.training.architectures import ARCHITECTURES, is_pattern
from tinygrad_cv.training.recipe import OPTIMIZERS, SCHEDULES

if TYPE_CHECKING:
    from tinygrad_cv.cli.search import Score
    from tinygrad_cv.cli.tunable import Tunable

COMMA = re.compile(r",(?![^\[]*\])")  # outside brackets


def tune(
    model: Annotated[
        str,
        typer.Argument(
            help=f"knn, svm, softmax; or a network: {', '.join(ARCHITECTURES)}, or its layers as a "
            "pattern that begins with INPUT."
        ),
    ],
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
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Of each training; this and what follows is for networks."),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images a step.")] = None,
    optimizer: Annotated[
        str | None, typer.Option(help=f"The update: {', '.join(OPTIMIZERS)}.")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(help=f"How the learning rate falls: {', '.join(SCHEDULES)}.")
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="Shrinks weights at each step.")
    ] = None,
    filters: Annotated[
        str | None, typer.Option(help="Of the CONVs: a number, or one a block: 32,64,128.")
    ] = None,
    hidden: Annotated[
        str | None, typer.Option(help="Outputs of the hidden FCs: a number, or one each: 120,84.")
    ] = None,
    dropout: Annotated[float | None, typer.Option(help="Probability to drop.")] = None,
    augment: Annotated[
        str | None, typer.Option(help="What is done to training images, such as crop:4,flip.")
    ] = None,
) -> None:
    """Try settings by cross-validation, and measure the best once on the test images.

    The training images are cut into folds. Each setting is fitted on all but one and scored on that
    one, in turn; the setting with the best mean is fitted on all training images, and only then are
    the test images looked at, once. Linear models see pixels scaled to [-1, 1] with the mean of their
    own training folds subtracted.

    One search of nearest neighbours serves every k, so that each k is tried with each of the other
    settings. A network whose loss is no longer finite scores 0; colour images are standardized by the
    training folds.

    Writes validation.csv (a row for each setting) and validation.png.

    Example: tinygrad-cv tune knn --data digits --set n_neighbors=1,3,5 --set metric=l1,l2

    Example: tinygrad-cv tune softmax --data cifar10 --draws 20 --set alpha=0.0001:0.1

    Example: tinygrad-cv tune mlp --epochs 5 --set lr=0.001,0.003,0.01 --set hidden=100,[300,100]

    Example: tinygrad-cv tune convnet --data cifar10 --train-images 5000 --folds 3 --filters 16,32,64 --draws 10
    """
    from sklearn.model_selection import StratifiedKFold

    import tinygrad_cv as tg
    from tinygrad_cv.cli.progress import bar
    from tinygrad_cv.cli.search import search
    from tinygrad_cv.cli.tunable import tunable

    fixed = {
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "schedule": schedule,
        "weight_decay": weight_decay,
        "filters": numbers("--filters", filters),
        "hidden": numbers("--hidden", hidden),
        "dropout": dropout,
        "augment": augment,
    }
    sought = tunable(model, seed, {name: v for name, v in fixed.items() if v is not None})
    candidates, counts = _candidates(model, sought, values or [], draws, seed)
    threads = tg.get_num_threads()
    workers = jobs or threads
    rows = load(data, data_root, train_images, None, seed)
    title = "pattern" if is_pattern(model) else model
    folder = out or Path("runs") / f"tune-{title}-{data}"
    folder.mkdir(parents=True, exist_ok=True)  # before the work, so that a refusal costs no time
    typer.echo(
        f"{model} on {data} ({rows.source}): {len(candidates) * max(len(counts), 1)} settings, "
        f"{folds} folds of {len(rows.X):,} training images, {workers} processes, seed {seed}"
    )
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with bar(f"tune {title}", len(candidates), "settings") as advance:
        scores = search(
            sought.estimator(rows.shape, len(rows.classes)), candidates, rows.X, rows.y,
            folds=splitter, jobs=workers, threads=threads, named=sought.named, counts=counts,
            progress=advance,
        )  # fmt: skip
    _report(scores, sought.axis, f"{title} on {data}", folder)
    best = max(scores, key=lambda score: score.mean)  # the first of equals
    _test(best, sought, rows)


def _candidates(
    model: str, sought: Tunable, texts: list[str], draws: int | None, seed: int
) -> tuple[list[dict[str, Any]], list[int]]:
    """Settings to try; each k of nearest neighbours apart, since one search serves all."""
    from sklearn.model_selection import ParameterGrid, ParameterSampler

    space: dict[str, Any] = dict(sought.grid if draws is None else sought.draws)
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value:
            raise ValueError(f"--set: expected NAME=VALUE,VALUE,… got {text!r}")
        if name not in sought.known:
            raise ValueError(f"--set: {model} has no setting {name!r}")
        space[name] = (
            _range_of(text, value) if ":" in value else [_value(v) for v in COMMA.split(value)]
        )
    if draws is None:
        ranges = [name for name, value in space.items() if isinstance(value, tuple)]
        if ranges:
            raise ValueError(f"--set: a range for {ranges[0]} needs --draws")
        counts = space.pop("n_neighbors", []) if model == "knn" else []
        return list(ParameterGrid(space)), _counts(counts)
    sampler = ParameterSampler(_distributions(space), draws, random_state=seed)
    drawn = [{name: _plain(value) for name, value in one.items()} for one in sampler]
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


def _plain(value: Any) -> Any:
    """NumPy's numbers, which the sampler draws, as Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _range_of(text: str, value: str) -> tuple[Any, Any]:
    low, high = (_value(end) for end in value.split(":", 1))
    are_numbers = all(isinstance(end, (int, float)) for end in (low, high))
    if not are_numbers or not 0 < low < high:
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


def _report(scores: list[Score], axis: str, title: str, folder: Path) -> None:
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
    _draw(scores, axis, folder / "validation.png", f"{title}, {count} folds")
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
    taken = {repr(score.settings[parameter]) for score in scores}
    drawn = len(varied) > 1 and len(taken) == len(scores)
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


def _test(best: Score, sought: Tunable, rows: Rows) -> None:
    """Fit the chosen setting on all training images and look at the test images, once."""
    chosen = sought.estimator(rows.shape, len(rows.classes))
    chosen.set_params(**sought.named(best.settings))
    accuracy = chosen.fit(rows.X, rows.y).score(rows.test_X, rows.test_y)
    typer.echo(f"chosen   {_text(best.settings)} ({100 * best.mean:.2f} % in cross-validation)")
    typer.echo(f"test accuracy {100 * accuracy:.2f} % ({len(rows.test_X):,} images)")
