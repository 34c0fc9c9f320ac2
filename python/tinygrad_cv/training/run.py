"""A trained network in a folder: its weights, and what is needed to build it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_cv.serialization import load, load_metadata, save

if TYPE_CHECKING:
    import os

    from tinygrad_cv.nn import Module

WEIGHTS = "model.safetensors"
HISTORY = "history.csv"
CURVES = "curves.png"


def build(architecture: str, channels: int, classes: int) -> Module:
    """The network of that name, for images of so many channels, with fresh weights.

    Raises
    ------
    ValueError
        An unknown name.
    """
    from tinygrad_cv.models import LeNet5

    architectures = {"lenet": LeNet5}
    if architecture not in architectures:
        raise ValueError(f"model: expected one of {', '.join(architectures)}, got {architecture!r}")
    return architectures[architecture](num_classes=classes, in_channels=channels)


def save_run(folder: str | os.PathLike[str], model: Module, architecture: str, images: Any) -> Path:
    """Write the weights of `model` and what `images`, its data set, looked like; returns the file."""
    path = Path(folder) / WEIGHTS
    _, channels, height, width = images.images.shape
    metadata = {
        "architecture": architecture,
        "channels": str(channels),
        "height": str(height),
        "width": str(width),
        "classes": "\n".join(str(name) for name in images.classes),
    }
    save(model.state_dict(), path, metadata)
    return path


def load_run(folder: str | os.PathLike[str]) -> tuple[Module, dict[str, Any]]:
    """The trained network of a run, in evaluation mode, and what its images look like.

    Returns
    -------
    model : Module
    description : dict
        ``classes`` (list of names), ``shape`` (channels, height, width), ``architecture``.

    Raises
    ------
    FileNotFoundError
        No weights in the folder.
    ValueError
        A file that is cut, no safetensors file, or of another architecture.
    """
    path = Path(folder)
    path = path / WEIGHTS if path.is_dir() else path
    metadata = load_metadata(path)
    try:
        architecture = metadata["architecture"]
        shape = tuple(int(metadata[side]) for side in ("channels", "height", "width"))
        classes = metadata["classes"].split("\n")
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path}: not written by a training run of tinygrad_cv") from error
    model = build(architecture, shape[0], len(classes))
    try:
        model.load_state_dict(load(path))
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: does not fit {architecture}: {error}") from error
    model.eval()
    return model, {"classes": classes, "shape": shape, "architecture": architecture}
