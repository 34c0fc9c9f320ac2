"""Nothing is left out: every function that PyTorch has a layer for has one here."""

from __future__ import annotations

import importlib
import inspect

import pytest

from tinygrad_cv import functional as F
from tinygrad_cv import nn

# Where PyTorch calls the layer otherwise than its function.
OTHERWISE = {
    "binary_cross_entropy": "BCELoss",
    "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
    "cross_entropy": "CrossEntropyLoss",
    "kl_div": "KLDivLoss",
    "interpolate": "Upsample",
    "scaled_dot_product_attention": "MultiheadAttention",
}
# In PyTorch, too, these are functions alone; dimensions tell apart the kinds of norm.
NO_LAYER = {"normalize", "conv_output_size"}
BY_DIMENSION = {"batch_norm": ("1d", "2d"), "instance_norm": ("1d", "2d")}
FAMILIES = (
    "activation", "adaptive_pool", "attention", "conv", "conv_transpose", "interpolation", "loss",
    "margin_loss", "normalization", "pool", "regression_loss", "regularization", "similarity",
    "windows",
)  # fmt: skip


def functions():
    """The public functions of the families that networks are built of."""
    for family in FAMILIES:
        module = importlib.import_module(f"tinygrad_cv.functional.{family}")
        for name, value in vars(module).items():
            own = inspect.isfunction(value) and value.__module__ == module.__name__
            if own and name in F.__all__ and name not in NO_LAYER:
                yield name


@pytest.mark.parametrize("name", list(functions()))
def test_every_function_has_a_layer(name):
    layers = {layer.lower() for layer in nn.__all__}
    wanted = OTHERWISE.get(name, name.replace("_", "")).lower()
    for suffix in BY_DIMENSION.get(name, ("",)):
        assert wanted + suffix in layers


# What the texts build networks of, by PyTorch's names (MulticlassSVMLoss and Maxout are ours).
EXPECTED = [
    "Linear",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "MaxPool2d",
    "AvgPool2d",
    "LPPool2d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "LayerNorm",
    "GroupNorm",
    "InstanceNorm2d",
    "LocalResponseNorm",
    "Dropout",
    "Dropout2d",
    "Flatten",
    "Identity",
    "Upsample",
    "PixelShuffle",
    "Embedding",
    "MultiheadAttention",
    "Maxout",
    "MulticlassSVMLoss",
    "Sequential",
    "ModuleList",
    "ModuleDict",
]


@pytest.mark.parametrize("name", EXPECTED)
def test_the_layers_of_the_texts_are_there(name):
    assert name in nn.__all__
    assert issubclass(getattr(nn, name), nn.Module)


def test_public_names_are_listed_once():
    assert len(set(nn.__all__)) == len(nn.__all__)


@pytest.mark.torch
def test_names_and_first_arguments_are_pytorchs():
    """Every layer that PyTorch has takes its arguments in its order, as far as it has them."""
    torch = pytest.importorskip("torch")
    shared = [
        name
        for name in nn.__all__
        if inspect.isclass(getattr(nn, name)) and hasattr(torch.nn, name)
    ]
    assert len(shared) > 80
    for name in shared:
        ours, theirs = (_positional(getattr(lib, name)) for lib in (nn, torch.nn))
        theirs = [argument for argument in theirs if argument not in ("size_average", "reduce")]
        common = min(len(ours), len(theirs))
        assert ours[:common] == theirs[:common], name


def _positional(kind):
    """Arguments that may be given by place, without those for where the numbers are kept."""
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD,)
    names = [p.name for p in parameters if p.kind in kinds]
    return [name for name in names if name not in ("device", "dtype")]
