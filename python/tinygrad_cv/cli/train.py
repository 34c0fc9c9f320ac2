"""``tinygrad-cv train``: trains a network on a data set and keeps weights, history and curves."""

from __future__ import annotations

import copy
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinygrad_cv.cli import config_file
from tinygrad_cv.cli.numbers import numbers
from tinygrad_cv.data.augment.named import NAMES as AUGMENTATIONS
from tinygrad_cv.training.architectures import ARCHITECTURES, is_pattern
from tinygrad_cv.training.recipe import OPTIMIZERS, SCHEDULES

if TYPE_CHECKING:
    from tinygrad_cv.data import DataLoader, ImageDataset, ImageFolder, Subset
    from tinygrad_cv.nn import Module
    from tinygrad_cv.optim import Optimizer
    from tinygrad_cv.training import Callback, Checkpoint, Trainer

    Images = ImageDataset | ImageFolder

VALIDATION_SHARE = 0.1
CHECKPOINTS, LEARNING_RATES = "checkpoints", "learning-rates.png"  # in the run's folder
# What a resumed run may be given anew: it changes how long, where and beside what the run computes.
MAY_CHANGE = {
    "epochs", "workers", "resume", "checkpoint_every", "log", "config", "data_root", "device", "out",
    "stream", "find_lr",
}  # fmt: skip
MODELS = ", ".join(ARCHITECTURES)
DATA = "digits (inside the package), mnist, fashion_mnist, cifar10, cifar100 (downloaded once)"


def train(
    context: typer.Context,
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
    augment: Annotated[
        str | None,
        typer.Option(
            help=f"What is done to training images, such as crop:4,flip: {', '.join(AUGMENTATIONS)}."
        ),
    ] = None,
    stream: Annotated[
        bool | None,
        typer.Option(
            "--stream/--no-stream",
            help="Read the images of a folder when a batch asks for them.",
            show_default="where they would fill over a quarter of the memory",
        ),
    ] = None,
    on_error: Annotated[
        str,
        typer.Option(
            help="A file of a folder that is no image, or of another size, stops the run (raise) or "
            "is left out and named at the end (skip)."
        ),
    ] = "raise",
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Threads that prepare images ahead of the steps; 0 prepares them in between.",
            show_default="0, or 1 where images are read from files",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on from the newest checkpoint of the same command's run."
        ),
    ] = False,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Steps from one checkpoint to the next.",
            show_default="only after each epoch",
        ),
    ] = None,
    log: Annotated[
        list[str] | None,
        typer.Option(help="Write the steps' losses as well: csv, tensorboard. Again for both."),
    ] = None,
    find_lr: Annotated[
        bool,
        typer.Option(
            "--find-lr",
            help="Train no epoch: raise the learning rate from step to step, draw the loss over it "
            "and suggest one.",
        ),
    ] = False,
    config: Annotated[  # noqa: ARG001  its callback reads the file
        Path | None,
        typer.Option(
            help="YAML or TOML file with options; the command line's own go first.",
            callback=config_file.read,
            is_eager=True,
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Decides weights, split and order: same seed, same result.")
    ] = 0,
    device: Annotated[str, typer.Option(help="Where to compute: cpu, cuda, cuda:1.")] = "cpu",
    amp: Annotated[
        str | None,
        typer.Option(
            help="What a GPU rounds the factors of products and convolutions to: float16 (with a "
            "scaled loss), bfloat16.",
            show_default="nothing",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for weights, history and curves.", show_default="runs/MODEL-DATA"
        ),
    ] = None,
) -> None:
    """Train a network; the test images are looked at once, at the end.

    A tenth of the training images, drawn by the seed, is kept for validation. Ctrl-C stops after
    the step at hand and saves what there is. A run that was killed goes on, to the same bits, with
    --resume added to its command. Another --epochs, --workers, --log, --checkpoint-every, --device or
    --data-root is then taken as given (a schedule is stretched to the new number of epochs); any
    other change is refused.

    Example: tinygrad-cv train lenet --data digits --epochs 10

    Example: tinygrad-cv train convnet --data cifar10 --optimizer nesterov --schedule onecycle --schedule-unit step

    Example: tinygrad-cv train resnet20 --data pictures --stream --on-error skip --workers 2 --find-lr

    Example: tinygrad-cv train resnet20 --data cifar10 --device cuda --amp float16

    Example: tinygrad-cv train mlp --hidden 300,100 --dropout 0.3 --regularizer l2:1e-4

    Example: tinygrad-cv train "INPUT -> [CONV -> RELU -> POOL]*2 -> FC" --data fashion_mnist
    """
    import tinygrad_cv as tg
    from tinygrad_cv.cli.progress import Progress
    from tinygrad_cv.engine.device import require_device
    from tinygrad_cv.training import (
        Checkpoint,
        optimizer_named,
        regularizer_named,
        schedule_named,
    )

    require_device(device)
    if amp is not None:
        tg.autocast(device, amp)  # refuses what it cannot do, before any work
    settings = {
        "filters": numbers("--filters", filters),
        "kernel_size": numbers("--kernel-size", kernel_size),
        "padding": numbers("--padding", padding),
        "hidden": numbers("--hidden", hidden),
        "dropout": dropout,
        "fit": fit,
    }
    settings = {name: value for name, value in settings.items() if value is not None}
    penalty = None if regularizer is None else regularizer_named(regularizer)
    training, test = _images(data, data_root, seed, standardize, stream, on_error)
    tg.manual_seed(seed)
    network = _built(model, training, settings).to(device)
    learn, validate = tg.data.random_split(
        training, [1 - VALIDATION_SHARE, VALIDATION_SHARE], tg.Generator(seed)
    )
    batches = _batches(training, learn, batch_size, seed, augment, workers)
    update = optimizer_named(optimizer, network.parameters(), lr, momentum, weight_decay)
    title = "pattern" if is_pattern(model) else model
    name = Path(data).name or data
    folder = out or Path("runs") / f"{title}-{name}"
    if find_lr:
        folder.mkdir(parents=True, exist_ok=True)
        _find_lr(network, update, batches, folder / LEARNING_RATES, f"{title} on {name}")
        return
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
        amp=amp,
    )
    folder.mkdir(parents=True, exist_ok=True)  # before training, so that a refusal costs no time
    options = {**_decisive(context.params), "--data": name, "--lr": first_lr}
    checkpoint = Checkpoint(folder / CHECKPOINTS, checkpoint_every, options=options)
    # Last: a step that is in a checkpoint is then in the logs.
    trainer.callbacks = [Progress(len(learn)), *_loggers(folder, log or []), checkpoint]
    if resume:
        _resume(trainer, checkpoint)
    rules = [f", {penalty}" if penalty else "", f", max-norm {max_norm:g}" if max_norm else ""]
    typer.echo(
        f"{model} on {name}: {len(learn):,} training, {len(validate):,} validation and "
        f"{len(test):,} test images; batch {batch_size}, {type(update).__name__}, "
        f"lr {first_lr:g}, {schedule}{''.join(rules)}, seed {seed}"
    )
    if len(trainer.history) < epochs:
        trainer.fit(batches, tg.data.DataLoader(validate, 500), epochs - len(trainer.history))
    source = {
        "name": data,
        "root": None if data_root is None else str(data_root),
        "seed": seed,
        "on_error": on_error,
    }
    _keep(trainer, folder, model, f"{title} on {name}", training, settings, source)
    if trainer.interrupted:
        typer.echo(f"stopped after {len(trainer.history)} of {epochs} epochs; {folder} is saved")
        raise typer.Exit(130)
    result = tg.training.evaluate(network, tg.data.DataLoader(test, 500))
    for path, wrong in sorted(getattr(training, "broken", {}).items()):
        typer.echo(f"note: left out {path}: {wrong}", err=True)
    typer.echo(f"test accuracy {100 * result.accuracy:.2f} % ({result.count:,} images)")


def _decisive(given: dict[str, Any]) -> dict[str, Any]:
    """The options that a run's numbers depend on, by their names on the command line."""
    return {
        "MODEL" if name == "model" else f"--{name.replace('_', '-')}": value
        for name, value in given.items()
        if name not in MAY_CHANGE
    }


def _images(
    data: str,
    root: Path | None,
    seed: int,
    standardize: bool | None,
    stream: bool | None,
    on_error: str,
) -> tuple[Images, Images]:
    """The training and the test images of a data set."""
    import tinygrad_cv as tg

    if on_error not in ("raise", "skip"):
        raise ValueError(f"--on-error: expected raise or skip, got {on_error!r}")
    if stream and not Path(data).is_dir():
        raise ValueError(f"--stream: for a folder of images, and {data} is none")
    try:
        training, test = tg.data.named(data, root, seed=seed, stream=stream, on_error=on_error)
    except ValueError as error:
        raise ValueError(f"--data: {str(error).removeprefix('named: ')}") from error
    if standardize is None:
        standardize = training.shape[0] == 3
    if standardize:
        some = training
        if isinstance(some, tg.data.ImageFolder):  # one or two thousand, of every class, say enough
            step = max(1, len(some) // 1000)
            some = some.part(range(0, len(some), step)).in_memory()
        training.transform = test.transform = tg.data.Standardize.of(some)
    return training, test


def _built(model: str, images: Images, settings: dict[str, Any]) -> Module:
    """The network; what it departs from the rules of thumb in is said in a line each."""
    from tinygrad_cv.training import build

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        network = build(model, images.shape, len(images.classes), settings)
    for warning in said:
        typer.echo(f"note: {warning.message}", err=True)
    return network


def _batches(
    images: Images,
    learn: Subset,
    batch_size: int,
    seed: int,
    augment: str | None,
    workers: int | None,
) -> DataLoader:
    """The batches that are learned from; augmented ones are standardized last."""
    import tinygrad_cv as tg
    from tinygrad_cv.data.augment import Compose, Normalize, named

    part, changes = learn, None
    if augment is not None:
        # Before standardization, since colours are changed in [0, 1].
        plain = copy.copy(images)
        plain.transform = None
        part = tg.data.Subset(plain, learn.indices)
        changes = named(augment, images.shape[1:], len(images.classes))
        if isinstance(images.transform, tg.data.Standardize):
            last = Normalize(images.transform.mean, images.transform.std)
            changes = Compose([changes, last])
    if workers is None:
        # In memory: cut and augmented on all cores in less time than a thread beside the step costs it.
        workers = int(isinstance(images, tg.data.ImageFolder))
    return tg.data.DataLoader(
        part, batch_size, shuffle=True, seed=seed, augment=changes, num_workers=workers
    )


def _find_lr(
    network: Module, update: Optimizer, batches: DataLoader, path: Path, title: str
) -> None:
    """Try learning rates, draw what they did, and say which to begin with."""
    from tinygrad_cv.training import find_learning_rate
    from tinygrad_cv.viz import draw_learning_rates

    found = find_learning_rate(network, update, batches)
    draw_learning_rates(found, path, title)
    typer.echo(f"picture  {path}")
    typer.echo(
        f"tried {found.rates[0]:.1e} to {found.rates[-1]:.1e}; begin with --lr "
        f"{found.suggestion:.2g}, a tenth of where the loss was least"
    )


def _loggers(folder: Path, names: list[str]) -> list[Callback]:
    """What keeps the steps' numbers."""
    from tinygrad_cv.training import CSVLogger, TensorBoardLogger

    made: list[Callback] = []
    for name in sorted(set(names)):
        if name == "csv":
            made.append(CSVLogger(folder / "steps.csv"))
        elif name == "tensorboard":
            made.append(TensorBoardLogger(folder / "tensorboard"))
        else:
            raise ValueError(f"--log: expected csv or tensorboard, got {name!r}")
    return made


def _resume(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """Take up the newest checkpoint, and say from where the run goes on."""
    from tinygrad_cv.training import resume

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        path = resume(trainer, checkpoint.folder, checkpoint.options)
    for warning in said:
        typer.echo(f"note: {warning.message}", err=True)
    if path is None:
        typer.echo(f"nothing to resume in {checkpoint.folder}: starting anew")
    else:
        typer.echo(f"going on from {path}, after {trainer.steps:,} steps")


def _keep(
    trainer: Trainer,
    folder: Path,
    model: str,
    title: str,
    images: Images,
    settings: dict[str, Any],
    source: dict[str, Any],
) -> None:
    """Write weights, history and curves, and say where they are."""
    from tinygrad_cv.training import save_run
    from tinygrad_cv.training.run import CURVES, HISTORY
    from tinygrad_cv.viz import draw_curves

    path = save_run(folder, trainer.model, model, images, settings, source)
    typer.echo(f"weights  {path}")
    trainer.history.write_csv(folder / HISTORY)
    typer.echo(f"history  {folder / HISTORY}")
    if trainer.history:
        draw_curves(trainer.history, folder / CURVES, title)
        typer.echo(f"curves   {folder / CURVES}")
