"""``tinygrad-cv knn``: nearest neighbours on a data set, beside published figures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from tinygrad_cv.cli.data_sets import NAMES, Rows, load

# One neighbour, all 50,000 x 10,000 images of the original CIFAR-10 (CS231n course notes).
PUBLISHED = {("cifar10", "l1", 1): "38.6 %", ("cifar10", "l2", 1): "35.4 %"}


def knn(
    data: Annotated[str, typer.Option(help=f"{', '.join(NAMES)}.")] = "cifar10",
    data_root: Annotated[
        Path | None,
        typer.Option(help="Folder with the data set's files, instead of the download."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="l1, l2, cosine, dot, chebyshev, hamming, …; again for more. [default: l1 and l2]"
        ),
    ] = None,
    k: Annotated[
        list[int] | None,
        typer.Option("--k", "-k", min=1, help="Neighbours that vote; again for more. [default: 1]"),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="How neighbours count: uniform, or distance (1 / distance).")
    ] = "uniform",
    train_images: Annotated[
        int | None, typer.Option(min=1, help="Use so many training images, drawn by the seed.")
    ] = None,
    test_images: Annotated[
        int | None, typer.Option(min=1, help="Use so many test images, drawn by the seed.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides which images are drawn.")] = 0,
) -> None:
    """Label each test image as its nearest training images are labelled.

    Nothing is learnt: each test image is compared with every training image, pixel by pixel, and
    the k nearest vote. Prints accuracy for each metric and k (all k come from one search), beside
    the published figure where there is one, and which images were used.

    Choose k and the metric on validation data: `tinygrad-cv tune knn`.

    Example: tinygrad-cv knn --data cifar10 --metric l1 -k 1 -k 5
    """
    rows = load(data, data_root, train_images, test_images, seed)
    typer.echo(
        f"{data} ({rows.source}): {len(rows.X):,} training and {len(rows.test_X):,} test images of "
        f"{rows.X.shape[1]:,} bytes"
    )
    typer.echo(
        f"{'metric':12s} {'k':>4s} {'test accuracy':>14s} {'published':>10s} {'seconds':>8s}  data"
    )
    for name in metric or ["l1", "l2"]:
        _measure(rows, data, name, sorted(set(k or [1])), weights)


def _measure(rows: Rows, data: str, metric: str, counts: list[int], weights: str) -> None:
    """One search, and a line for each k."""
    from tinygrad_cv.cli.progress import bar
    from tinygrad_cv.neighbors import KNeighborsClassifier

    classifier: Any = KNeighborsClassifier(counts[-1], metric=metric, weights=weights)
    classifier.fit(rows.X, rows.y)
    t0 = time.perf_counter()
    with bar(f"{metric} search", len(rows.test_X), "images") as advance:
        predictions = classifier.predict_for(rows.test_X, counts, progress=advance)
    seconds = time.perf_counter() - t0
    for count, labels in predictions.items():
        accuracy = 100 * (labels == rows.test_y).mean()
        published = PUBLISHED.get((data, metric, count), "-") if rows.whole else "-"
        used = f"{len(rows.X):,} x {len(rows.test_X):,}, {rows.source}"
        typer.echo(
            f"{metric:12s} {count:4d} {accuracy:12.2f} % {published:>10s} {seconds:8.1f}  {used}"
        )
