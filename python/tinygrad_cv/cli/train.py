"""``tinygrad-cv train``: trains a network on a data set and keeps weights, history and curves."""

from __future__ import annotations

import re
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinygrad_cv.training.architectures import ARCHITECTURES, is_pattern
from tinygrad_cv.training.recipe import OPTIMIZERS, SCHEDULES

if TYPE_CHECKING:
    from tinygrad_cv.data import ImageDataset
    from tinygrad_cv.nn import Module
    from tinygrad_cv.training import Trainer

VALIDATION_SHARE = 0.1
MODELS = ", ".join(ARCHITECTURES)
DATA = "digits (inside the package), mnist, fashion_mnist, cifar10, cifar100 (downloaded once)"


def train(
    model: Annotated[
        str,
        typer.Argument(
            help=f"The network: {MODELS}; or its layers as a pattern that begins with INPUT."
        ),
    ],
    data: Annotated[
        str,
        typer.Option(help=f"{DATA}, or a folder of images, a folder in it for each class."),
    ] = "digits",
    data_root: Annotated[
        Path | None,
        typer.Option(help="Folder with the data set's files, instead of the download."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 10,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 50,
    optimizer: Annotated[str, typer.Option(help=f"The update: {', '.join(OPTIMIZERS)}.")] = "adam",
    lr: Annotated[
        float | None,
        typer.Option(help="Learning rate.", show_default="0.003 for adam, 0.05 for sgd, …"),
    ] = None,
    momentum: Annotated[
        float | None,
        typer.Option(help="Of sgd, nesterov, rmsprop and lars.", show_default="0.9, for rmsprop 0"),
    ] = None,
    weight_decay: Annotated[
        float | None,
        typer.Option(help="Shrinks weights at each step.", show_default="the optimizer's"),
    ] = None,
    schedule: Annotated[
        str, typer.Option(help=f"How the learning rate falls: {', '.join(SCHEDULES)}.")
    ] = "cosine",
    schedule_unit: Annotated[
        str, typer.Option(help="Whether it falls after each epoch or each step: epoch, step.")
    ] = "epoch",
    regularizer: Annotated[
        str | None,
        typer.Option(help="A penalty on weights: l2:1e-4, l1:1e-5 or elastic:1e-5,1e-4."),
    ] = None,
    max_norm: Annotated[
        float | None, typer.Option(help="Longest that a unit's incoming weights may be.")
    ] = None,
    label_smoothing: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the target spread over all classes.")
    ] = 0.0,
    dropout: Annotated[
        float | None,
        typer.Option(help="Probability to drop, in mlp, convnet and where DROPOUT stands."),
    ] = None,
    filters: Annotated[
        str | None, typer.Option(help="Of the CONVs: a number, or one a block: 32,64,128.")
    ] = None,
    kernel_size: Annotated[
        str | None, typer.Option(help="Sides of the CONVs' filters: a number, or one a block.")
    ] = None,
    padding: Annotated[
        str | None, typer.Option(help="Zeros around the CONVs' input: a number, or one a block.")
    ] = None,
    hidden: Annotated[
        str | None, typer.Option(help="Outputs of the hidden FCs: a number, or one each: 120,84.")
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option(help="Whether sizes that are not whole are refused (strict) or cut (floor)."),
    ] = None,
    standardize: Annotated[
        bool | None,
        typer.Option(
            "--standardize/--no-standardize",
            help="Bring each channel to mean 0 and variance 1.",
            show_default="for colour images",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Decides weights, split and order: same seed, same result.")
    ] = 0,
    device: Annotated[str, typer.Option(help="Where to compute: cpu.")] = "cpu",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for weights, history and curves.", show_default="runs/MODEL-DATA"
        ),
    ] = None,
) -> None:
    """Train a network; the test images are looked at once, at the end.

    A tenth of the training images, drawn by the seed, is kept for validation. Ctrl-C stops after
    the step at hand and saves what there is.

    Example: tinygrad-cv train lenet --data digits --epochs 10

    Example: tinygrad-cv train convnet --data cifar10 --optimizer nesterov --schedule onecycle --schedule-unit step

    Example: tinygrad-cv train mlp --hidden 300,100 --dropout 0.3 --regularizer l2:1e-4

    Example: tinygrad-cv train "INPUT -> [CONV -> RELU -> POOL]*2 -> FC" --data fashion_mnist
    """
    import tinygrad_cv as tg
    from tinygrad_cv.cli.progress import Progress
    from tinygrad_cv.engine.tensor import require_device
    from tinygrad_cv.training import optimizer_named, regularizer_named, schedule_named

    require_device(device)
    settings = {
        "filters": _numbers("--filters", filters),
        "kernel_size": _numbers("--kernel-size", kernel_size),
        "padding": _numbers("--padding", padding),
        "hidden": _numbers("--hidden", hidden),
        "dropout": dropout,
        "fit": fit,
    }
    settings = {name: value for name, value in settings.items() if value is not None}
    penalty = None if regularizer is None else regularizer_named(regularizer)
    training, test = _images(data, data_root, seed, standardize)
    tg.manual_seed(seed)
    network = _built(model, training, settings)
    learn, validate = tg.data.random_split(
        training, [1 - VALIDATION_SHARE, VALIDATION_SHARE], tg.Generator(seed)
    )
    batches = tg.data.DataLoader(learn, batch_size, shuffle=True, seed=seed)
    update = optimizer_named(optimizer, network.parameters(), lr, momentum, weight_decay)
    first_lr = update.param_groups[0]["lr"]
    horizon = epochs * (len(batches) if schedule_unit == "step" else 1)
    loss = tg.functional.cross_entropy
    trainer = tg.training.Trainer(
        network,
        update,
        partial(loss, label_smoothing=label_smoothing) if label_smoothing else loss,
        schedule_named(schedule, update, horizon),
        schedule_unit=schedule_unit,
        regularizer=penalty,
        max_norm=max_norm,
        callbacks=[Progress(len(learn))],
    )
    title = "pattern" if is_pattern(model) else model
    name = Path(data).name or data
    folder = out or Path("runs") / f"{title}-{name}"
    folder.mkdir(parents=True, exist_ok=True)  # before training, so that a refusal costs no time
    rules = [f", {penalty}" if penalty else "", f", max-norm {max_norm:g}" if max_norm else ""]
    typer.echo(
        f"{model} on {name}: {len(learn):,} training, {len(validate):,} validation and "
        f"{len(test):,} test images; batch {batch_size}, {type(update).__name__}, "
        f"lr {first_lr:g}, {schedule}{''.join(rules)}, seed {seed}"
    )
    trainer.fit(batches, tg.data.DataLoader(validate, 500), epochs)
    _keep(trainer, folder, model, f"{title} on {name}", training, settings)
    if trainer.interrupted:
        typer.echo(f"stopped after {len(trainer.history)} of {epochs} epochs; {folder} is saved")
        raise typer.Exit(130)
    result = tg.training.evaluate(network, tg.data.DataLoader(test, 500))
    typer.echo(f"test accuracy {100 * result.accuracy:.2f} % ({result.count:,} images)")


def _numbers(option: str, text: str | None) -> int | list[int] | None:
    """One whole number, or a list of them."""
    if text is None:
        return None
    if not re.fullmatch(r"\s*\d+\s*(,\s*\d+\s*)*", text):
        raise ValueError(f"{option}: expected a whole number or a list such as 32,64, got {text!r}")
    values = [int(part) for part in text.split(",")]
    return values if len(values) > 1 else values[0]


def _images(
    data: str, root: Path | None, seed: int, standardize: bool | None
) -> tuple[ImageDataset, ImageDataset]:
    """The training and the test images of a data set."""
    import tinygrad_cv as tg

    try:
        training, test = tg.data.named(data, root, seed=seed)
    except ValueError as error:
        raise ValueError(f"--data: {str(error).removeprefix('named: ')}") from error
    if standardize is None:
        standardize = training.images.shape[1] == 3
    if standardize:
        training.transform = test.transform = tg.data.Standardize.of(training)
    return training, test


def _built(model: str, images: ImageDataset, settings: dict[str, Any]) -> Module:
    """The network; what it departs from the rules of thumb in is said in a line each."""
    from tinygrad_cv.training import build

    _, channels, height, width = images.images.shape
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        network = build(model, (channels, height, width), len(images.classes), settings)
    for warning in said:
        typer.echo(f"note: {warning.message}", err=True)
    return network


def _keep(
    trainer: Trainer,
    folder: Path,
    model: str,
    title: str,
    images: ImageDataset,
    settings: dict[str, Any],
) -> None:
    """Write weights, history and curves, and say where they are."""
    from tinygrad_cv.training import save_run
    from tinygrad_cv.training.run import CURVES, HISTORY
    from tinygrad_cv.viz import draw_curves

    typer.echo(f"weights  {save_run(folder, trainer.model, model, images, settings)}")
    trainer.history.write_csv(folder / HISTORY)
    typer.echo(f"history  {folder / HISTORY}")
    if trainer.history:
        draw_curves(trainer.history, folder / CURVES, title)
        typer.echo(f"curves   {folder / CURVES}")
