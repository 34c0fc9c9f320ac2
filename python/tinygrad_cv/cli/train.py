"""``tinygrad-cv train``: trains a network on a data set and keeps weights, history and curves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tinygrad_cv.training import Trainer

VALIDATION_SHARE = 0.1


def train(
    model: Annotated[str, typer.Argument(help="The network: lenet.")],
    data: Annotated[
        str,
        typer.Option(
            help="digits (10,000 images inside the package) or mnist (60,000, downloaded once)."
        ),
    ] = "digits",
    data_root: Annotated[
        Path | None,
        typer.Option(help="Folder with the data set's files, instead of the download."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 10,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 50,
    lr: Annotated[float, typer.Option(help="Learning rate of Adam.")] = 0.003,
    schedule: Annotated[
        str, typer.Option(help="How the learning rate falls: cosine (to 0 at the end) or constant.")
    ] = "cosine",
    seed: Annotated[
        int, typer.Option(min=0, help="Decides weights, split and order: same seed, same result.")
    ] = 0,
    device: Annotated[str, typer.Option(help="Where to compute: cpu.")] = "cpu",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for weights, history and curves. [default: runs/MODEL-DATA]"),
    ] = None,
) -> None:
    """Train a network; the test images are looked at once, at the end.

    A tenth of the training images, drawn by the seed, is kept for validation. Ctrl-C stops after
    the step at hand and saves what there is.

    Example: tinygrad-cv train lenet --data digits --epochs 10
    """
    import tinygrad_cv as tg
    from tinygrad_cv.cli.progress import Progress
    from tinygrad_cv.engine.device import require_device
    from tinygrad_cv.training import Trainer
    from tinygrad_cv.training.run import build

    require_device(device)
    training, test = _images(data, data_root)
    folder = out or Path("runs") / f"{model}-{data}"
    tg.manual_seed(seed)
    network = build(model, training.images.shape[1], len(training.classes))
    learn, validate = tg.data.random_split(
        training, [1 - VALIDATION_SHARE, VALIDATION_SHARE], tg.Generator(seed)
    )
    adam = tg.optim.Adam(network.parameters(), lr=lr)
    trainer = Trainer(
        network,
        adam,
        schedule=_schedule(schedule, adam, epochs),
        callbacks=[Progress(len(learn))],
    )
    folder.mkdir(parents=True, exist_ok=True)  # before training, so that a refusal costs no time
    typer.echo(
        f"{model} on {data}: {len(learn):,} training, {len(validate):,} validation and "
        f"{len(test):,} test images; batch {batch_size}, Adam, lr {lr:g}, {schedule}, seed {seed}"
    )
    trainer.fit(
        tg.data.DataLoader(learn, batch_size, shuffle=True, seed=seed),
        tg.data.DataLoader(validate, 500),
        epochs,
    )
    _keep(trainer, folder, model, data, training)
    if trainer.interrupted:
        typer.echo(f"stopped after {len(trainer.history)} of {epochs} epochs; {folder} is saved")
        raise typer.Exit(130)
    result = tg.training.evaluate(network, tg.data.DataLoader(test, 500))
    typer.echo(f"test accuracy {100 * result.accuracy:.2f} % ({result.count:,} images)")


def _images(data: str, root: Path | None) -> tuple[Any, Any]:
    """The training and the test images of a data set."""
    import tinygrad_cv as tg

    if data == "digits":
        if root is not None:
            raise ValueError("--data-root: the digits are inside the package")
        return tg.data.digits(train=True), tg.data.digits(train=False)
    if data == "mnist":
        return tg.data.mnist(root, train=True), tg.data.mnist(root, train=False)
    raise ValueError(f"--data: expected digits or mnist, got {data!r}")


def _schedule(name: str, optimizer: Any, epochs: int) -> Any:
    from tinygrad_cv.optim.lr_scheduler import CosineAnnealingLR

    if name == "constant":
        return None
    if name == "cosine":
        return CosineAnnealingLR(optimizer, T_max=epochs)
    raise ValueError(f"--schedule: expected cosine or constant, got {name!r}")


def _keep(trainer: Trainer, folder: Path, model: str, data: str, images: Any) -> None:
    """Write weights, history and curves, and say where they are."""
    from tinygrad_cv.training.run import CURVES, HISTORY, save_run
    from tinygrad_cv.viz import draw_curves

    typer.echo(f"weights  {save_run(folder, trainer.model, model, images)}")
    trainer.history.write_csv(folder / HISTORY)
    typer.echo(f"history  {folder / HISTORY}")
    if trainer.history:
        draw_curves(trainer.history, folder / CURVES, f"{model} on {data}")
        typer.echo(f"curves   {folder / CURVES}")
