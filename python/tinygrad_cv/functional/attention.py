"""Attention, and tables of vectors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine import memory
from tinygrad_cv.engine.device import on_gpu
from tinygrad_cv.engine.masking import maybe_any
from tinygrad_cv.engine.tensor import wrap
from tinygrad_cv.functional.activation import softmax
from tinygrad_cv.functional.bounds import nan_where, within
from tinygrad_cv.functional.choice import where as where_
from tinygrad_cv.functional.linalg import matmul
from tinygrad_cv.functional.methods import require_float
from tinygrad_cv.functional.norms import vector_norm
from tinygrad_cv.functional.regularization import dropout
from tinygrad_cv.gates.chain import Damp, Keep
from tinygrad_cv.gates.indexing import Index, add_at

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(q k^T scale + mask) v: each query's mean of the values, weighted by how keys fit it.

    Parameters
    ----------
    query : Tensor, shape (…, L, E), float
    key : Tensor, shape (…, S, E)
    value : Tensor, shape (…, S, V)
    attn_mask : Tensor, broadcast to (…, L, S), optional
        Bools: which keys count; floats: added to the scores.
    dropout_p : float
        Part of the weights that is dropped, always: say 0 when not training.
    is_causal : bool
        Query i sees the keys up to i only; not together with `attn_mask`.
    scale : float, optional
        Default 1 / sqrt(E).
    enable_gqa : bool
        Let each head of key and value serve several heads (dimension -3) of the queries.

    Returns
    -------
    Tensor, shape (…, L, V)

    Raises
    ------
    ValueError
        Shapes that do not fit, or a mask beside `is_causal`.

    Notes
    -----
    A query that may see no key gets zeros.

    References
    ----------
    Vaswani et al. 2017, "Attention is all you need".
    """
    name = "scaled_dot_product_attention"
    require_float(name, query, key, value)
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ValueError(f"{name}: query, key and value need at least 2 dimensions")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"{name}: query {query.shape}, key {key.shape} and value {value.shape} must have shapes "
            "(…, L, E), (…, S, E) and (…, S, V)"
        )
    if enable_gqa:
        key, value = _for_all_heads(query, key), _for_all_heads(query, value)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = matmul(query * factor, key.transpose(-2, -1))
    allowed: Any = None
    if is_causal:
        if attn_mask is not None:
            raise ValueError(f"{name}: give either attn_mask or is_causal")
        allowed = np.tri(*scores.shape[-2:], dtype=bool, like=scores.array)
    elif attn_mask is not None and attn_mask.dtype == np.bool_:
        allowed = attn_mask.array
    elif attn_mask is not None:
        scores = scores + attn_mask
    if attn_mask is None and on_gpu(scores.array):
        # Every query sees a key, unless scores are infinite: not worth a mask, for which see `_weights`.
        weights = softmax(_allowed(scores, allowed), -1)
    else:
        weights = _weights(_allowed(scores, allowed))
    if dropout_p:
        weights = dropout(weights, dropout_p)
    return matmul(weights, value)


def _allowed(scores: Tensor, allowed: Any) -> Tensor:
    """Minus infinity in the place of scores that are not allowed."""
    return scores if allowed is None else where_(wrap(allowed), scores, -math.inf)


def _weights(scores: Tensor) -> Tensor:
    """The softmax over the keys whose scores are not minus infinity; zeros where there are none."""
    seen = (scores.array != -math.inf).any(axis=-1, keepdims=True)
    if not maybe_any(~seen):
        return softmax(scores, -1)
    return Keep(seen)(softmax(where_(wrap(seen), scores, 0.0), -1))


def _for_all_heads(query: Tensor, x: Tensor) -> Tensor:
    """Key or value heads repeated until there are as many as of the queries."""
    heads = query.shape[-3] if query.ndim > 2 else 0
    if x.ndim < 3 or not x.shape[-3] or heads % x.shape[-3]:
        raise ValueError(
            f"scaled_dot_product_attention: {heads} query heads are not a multiple of those of "
            f"shape {x.shape}"
        )
    return x.repeat_interleave(heads // x.shape[-3], x.ndim - 3)


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of a table that the indices name.

    Parameters
    ----------
    input : Tensor of ints
        Any shape; 0 <= index < rows.
    weight : Tensor, shape (rows, D), float
    padding_idx : int, optional
        This row gets no gradient.
    max_norm : float, optional
        Rows that are named and longer than this are shortened to it, in place, first.
    norm_type : float
        Of which norm.
    scale_grad_by_freq : bool
        Divide the gradient of a row by how often the indices name it.
    sparse : bool
        Must be False: gradients are dense.

    Returns
    -------
    Tensor, shape (*input, D)

    Raises
    ------
    IndexError
        An index outside the table; on a GPU the host does not wait to see it, and its row is NaN.
    TypeError
        Indices that are no ints.
    ValueError
        A table of another number of dimensions, or ``sparse=True``.
    """
    if sparse:
        raise ValueError("embedding: sparse=True is not possible: gradients are dense here")
    if weight.ndim != 2:
        raise ValueError(f"embedding: weight must have shape (rows, D), got {weight.shape}")
    indices, rows = input.array, weight.shape[0]
    if indices.dtype.kind not in "iu":
        raise TypeError(f"embedding: input must hold ints, got {indices.dtype}")
    indices, outside = within(
        indices, 0, rows, weight.dtype,
        lambda i: f"embedding: index {i} is outside the table's rows 0 to {rows - 1}",
    )  # fmt: skip
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise ValueError(f"embedding: padding_idx {padding_idx} but the table has {rows} rows")
        padding_idx %= rows
    if max_norm is not None:
        _shorten(weight, np.unique(indices), max_norm, norm_type)
    out: Tensor = Index(indices.astype(np.int64))(weight)
    if scale_grad_by_freq:
        ones = np.ones_like(indices, np.float64)
        counts = add_at(indices, ones, (rows,))[indices][..., None]
        out = Damp((1 / counts).astype(weight.dtype))(out)
    if padding_idx is not None and weight.requires_grad:
        padding = (indices == padding_idx)[..., None]
        if maybe_any(padding):
            out = Keep(~padding)(out) + wrap(np.where(padding, out.array, 0))
    return nan_where(None if outside is None else outside[..., None], out)


def _shorten(weight: Tensor, rows: Any, max_norm: float, p: float) -> None:
    table = weight.array
    lengths = vector_norm(wrap(table[rows]), p, 1).array
    long = lengths > max_norm
    if long.any():
        table[rows[long]] *= (max_norm / (lengths[long] + 1e-7))[:, None]
        memory.wrote(table)
