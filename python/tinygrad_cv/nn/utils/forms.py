"""A fully connected layer as a convolution that computes the same, and back."""

from __future__ import annotations

from tinygrad_cv.nn.conv import Conv2d
from tinygrad_cv.nn.linear import Linear
from tinygrad_cv.nn.parameter import Parameter


def linear_to_conv(linear: Linear, input_shape: tuple[int, int, int] | None = None) -> Conv2d:
    """The convolution whose filters are the rows of a fully connected layer.

    On the input that the layer was made for it gives a 1 x 1 image of the same scores; on a larger
    one it slides, and gives the scores at each position in one pass.

    Parameters
    ----------
    linear : Linear
    input_shape : (channels, rows, columns), optional
        The volume that was flattened for the layer; default (in_features, 1, 1), a 1 x 1
        convolution, for a layer that follows another such.

    Returns
    -------
    Conv2d
        With copies of the weights, without padding.

    Raises
    ------
    ValueError
        A volume of another size than `in_features`.

    References
    ----------
    CS231n notes, "Convolutional networks", section on converting FC layers to CONV layers.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> conv = linear_to_conv(tg.nn.Linear(400, 120), (16, 5, 5))
    >>> conv(tg.zeros(1, 16, 5, 5)).shape, conv(tg.zeros(1, 16, 7, 9)).shape
    ((1, 120, 1, 1), (1, 120, 3, 5))
    """
    channels, rows, columns = input_shape or (linear.in_features, 1, 1)
    if channels * rows * columns != linear.in_features:
        raise ValueError(
            f"linear_to_conv: input_shape {input_shape} holds {channels * rows * columns} numbers "
            f"but the layer has {linear.in_features} in_features"
        )
    conv = Conv2d(
        channels,
        linear.out_features,
        (rows, columns),
        bias=linear.bias is not None,
        dtype=linear.weight.dtype,
    )
    conv.weight = _reshaped(linear.weight, (linear.out_features, channels, rows, columns))
    conv.bias = None if linear.bias is None else _reshaped(linear.bias, linear.bias.shape)
    return conv.train(linear.training)


def conv_to_linear(conv: Conv2d) -> Linear:
    """The fully connected layer whose rows are a convolution's filters.

    It computes what the convolution does on an input of just the filters' size, flattened.

    Parameters
    ----------
    conv : Conv2d
        Without padding, dilation and groups.

    Returns
    -------
    Linear
        With copies of the weights.

    Raises
    ------
    ValueError
        A convolution with padding, dilation or groups.
    """
    if conv.padding not in ((0, 0), "valid") or conv.dilation != (1, 1) or conv.groups != 1:
        raise ValueError(
            "conv_to_linear: only a convolution without padding, dilation and groups sees its "
            f"whole input in one place, got {conv}"
        )
    inputs = conv.weight.numel() // conv.out_channels
    linear = Linear(inputs, conv.out_channels, bias=conv.bias is not None, dtype=conv.weight.dtype)
    linear.weight = _reshaped(conv.weight, (conv.out_channels, inputs))
    linear.bias = None if conv.bias is None else _reshaped(conv.bias, conv.bias.shape)
    return linear.train(conv.training)


def _reshaped(param: Parameter, shape: tuple[int, ...]) -> Parameter:
    return Parameter(param.array.reshape(shape), requires_grad=param.requires_grad)
