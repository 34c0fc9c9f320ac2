"""A trained network in a folder: its weights, and what is needed to build it again."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_cv.data.standardize import Standardize
from tinygrad_cv.serialization import load, load_metadata, save
from tinygrad_cv.training.architectures import build

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from tinygrad_cv.nn import Module

WEIGHTS = "model.safetensors"
HISTORY = "history.csv"
CURVES = "curves.png"


def save_run(
    folder: str | os.PathLike[str],
    model: Module,
    architecture: str,
    images: Any,
    settings: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> Path:
    """Write the weights of a network and what is needed to build and use it again.

    Parameters
    ----------
    folder : path-like
    model : Module
    architecture : str
        A name or pattern, as `build` knows it.
    images : ImageDataset or ImageFolder
        What it learned from; if they are standardized, by what numbers is kept.
    settings : mapping, optional
        As they were given to `build`.
    data : mapping, optional
        The arguments of `data.named` that give its data set again.

    Returns
    -------
    Path
        The file.
    """
    path = Path(folder) / WEIGHTS
    channels, height, width = images.shape
    metadata = {
        "architecture": architecture,
        "channels": str(channels),
        "height": str(height),
        "width": str(width),
        "classes": "\n".join(str(name) for name in images.classes),
        "settings": json.dumps(dict(settings or {})),
        "data": json.dumps(None if data is None else dict(data)),
    }
    if isinstance(images.transform, Standardize):
        metadata["standardize"] = json.dumps([images.transform.mean, images.transform.std])
    save(model.state_dict(), path, metadata)
    return path


def load_run(folder: str | os.PathLike[str]) -> tuple[Module, dict[str, Any]]:
    """The trained network of a run, in evaluation mode, and what its images look like.

    Returns
    -------
    model : Module
    description : dict
        ``classes`` (list of names), ``shape`` (channels, height, width), ``architecture``,
        ``settings``, ``transform``, a `Standardize` or None, that its images need, and ``data``, the
        arguments of `data.named` or None.

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
        channels, height, width = (int(metadata[n]) for n in ("channels", "height", "width"))
        shape = channels, height, width
        classes = metadata["classes"].split("\n")
        settings = json.loads(metadata.get("settings", "{}"))
        data = json.loads(metadata.get("data", "null"))
        numbers = json.loads(metadata.get("standardize", "null"))
        transform = None if numbers is None else Standardize(*numbers)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path}: not written by a training run of tinygrad_cv") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # they were said when it was trained
            model = build(architecture, shape, len(classes), settings)
        model.load_state_dict(load(path))
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: does not fit {architecture}: {error}") from error
    model.eval()
    return model, {
        "classes": classes,
        "shape": shape,
        "architecture": architecture,
        "settings": settings,
        "transform": transform,
        "data": data,
    }
