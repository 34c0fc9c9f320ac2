"""Attention: outputs that are means of values, weighted by how well queries and keys agree."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinygrad_cv import functional as F
from tinygrad_cv.nn import init
from tinygrad_cv.nn.checks import check_at_least
from tinygrad_cv.nn.linear import Linear
from tinygrad_cv.nn.module import Module
from tinygrad_cv.nn.parameter import Parameter

if TYPE_CHECKING:
    from tinygrad_cv.engine.random import Generator
    from tinygrad_cv.engine.tensor import Tensor


class MultiheadAttention(Module):
    """softmax(Q K^T / sqrt(D)) V in several heads, each on its own projection of D features.

    Parameters
    ----------
    embed_dim : int
        E, features of queries and outputs.
    num_heads : int
        Divides E; D is E / num_heads.
    dropout : float
        Probability to drop a weight while training.
    bias : bool
        Whether the projections have biases.
    add_bias_kv : bool
        Whether a learned key and value are added to the sequence.
    add_zero_attn : bool
        Whether a key and value of zeros are.
    kdim, vdim : int, optional
        Features of keys and values; default E.
    batch_first : bool
        Whether sequences are (N, L, E) rather than (L, N, E).
    device, dtype : optional
        Of the parameters; default CPU, float32.
    generator : Generator, optional
        Draws the starting values and what is dropped.

    Raises
    ------
    ValueError
        Heads that do not divide E, or shapes that do not fit.

    References
    ----------
    Vaswani et al. 2017, "Attention is all you need".

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> attention = MultiheadAttention(8, 2, batch_first=True)
    >>> x = tg.randn(3, 5, 8)
    >>> out, weights = attention(x, x, x)
    >>> out.shape, weights.shape
    ((3, 5, 8), (3, 5, 5))
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        check_at_least("MultiheadAttention", 1, embed_dim=embed_dim, num_heads=num_heads)
        if embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: embed_dim={embed_dim} is not a multiple of "
                f"num_heads={num_heads}"
            )
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.head_dim = embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.batch_first, self.add_zero_attn = batch_first, add_zero_attn
        self.generator = generator

        def made(*shape: int) -> Parameter:
            return Parameter(F.empty(shape, dtype=dtype, device=device))

        together = self.kdim == self.vdim == embed_dim
        self.q_proj_weight = None if together else made(embed_dim, embed_dim)
        self.k_proj_weight = None if together else made(embed_dim, self.kdim)
        self.v_proj_weight = None if together else made(embed_dim, self.vdim)
        self.in_proj_weight = made(3 * embed_dim, embed_dim) if together else None
        self.in_proj_bias = made(3 * embed_dim) if bias else None
        self.bias_k = made(1, 1, embed_dim) if add_bias_kv else None
        self.bias_v = made(1, 1, embed_dim) if add_bias_kv else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, device, dtype, generator=generator)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw new starting values, as PyTorch's: Xavier's uniform, biases of zero."""
        for weight in (
            self.in_proj_weight,
            self.q_proj_weight,
            self.k_proj_weight,
            self.v_proj_weight,
        ):
            if weight is not None:
                init.xavier_uniform_(weight, generator=generator)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                init.xavier_normal_(extra, generator=generator)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Outputs, and the weights of the means.

        Parameters
        ----------
        query : Tensor, shape (L, N, E), (N, L, E) with batch_first, or (L, E)
        key, value : Tensor, shapes likewise with S for L and kdim, vdim for E
        key_padding_mask : Tensor, shape (N, S) or (S,), bool or float, optional
            True for keys to be left out; floats are added to the scores.
        need_weights : bool
            Otherwise None stands for the weights.
        attn_mask : Tensor, shape (L, S) or (N num_heads, L, S), bool or float, optional
            True for pairs to be left out; floats are added to the scores.
        average_attn_weights : bool
            Whether the weights are the mean over the heads, (N, L, S), or all, (N, heads, L, S).
        is_causal : bool
            A hint that `attn_mask` is the causal one, which must be given.
        """
        if is_causal and attn_mask is None:
            raise ValueError("MultiheadAttention: is_causal is a hint; give attn_mask itself")
        self._check(query, key, value)
        batched = query.ndim == 3
        same = query is key and key is value
        query, key, value = (self._time_first(x) for x in (query, key, value))
        q, k, v = self._projected(query, key, value, same)
        if self.bias_k is not None and self.bias_v is not None:
            width = (1, k.shape[1], self.embed_dim)
            k = F.cat([k, self.bias_k.expand(width)])
            v = F.cat([v, self.bias_v.expand(width)])
        if self.add_zero_attn:
            zeros = F.zeros((1, k.shape[1], self.embed_dim), dtype=k.dtype)
            k, v = F.cat([k, zeros]), F.cat([v, zeros])
        weights = self._weights(q, k, attn_mask, key_padding_mask)
        dropped = F.dropout(weights, self.dropout, self.training, generator=self.generator)
        length, count = q.shape[:2]
        out = dropped @ self._heads(v)
        out = self.out_proj(out.transpose(0, 1).reshape(length, count, self.embed_dim))
        out = out.squeeze(1) if not batched else out.transpose(0, 1) if self.batch_first else out
        if not need_weights:
            return out, None
        each = dropped.reshape(count, self.num_heads, length, -1)
        shown = each.mean(1) if average_attn_weights else each
        return out, shown if batched else shown.squeeze(0)

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        wanted = {"query": self.embed_dim, "key": self.kdim, "value": self.vdim}
        for (name, features), x in zip(wanted.items(), (query, key, value), strict=True):
            if x.ndim not in (2, 3) or x.ndim != query.ndim or x.shape[-1] != features:
                raise ValueError(
                    f"MultiheadAttention: {name} {x.shape} should have {features} features and, as "
                    "query, key and value alike, 2 or 3 dimensions"
                )

    def _time_first(self, x: Tensor) -> Tensor:
        """As (L, N, E)."""
        if x.ndim == 2:
            return x.unsqueeze(1)
        return x.transpose(0, 1) if self.batch_first else x

    def _projected(self, query: Tensor, key: Tensor, value: Tensor, same: bool) -> list[Tensor]:
        biases: Any = (None, None, None)
        if self.in_proj_bias is not None:
            biases = self.in_proj_bias.chunk(3)
        if self.in_proj_weight is None:
            matrices: Any = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        elif same:
            return list(F.linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, -1))
        else:
            matrices = self.in_proj_weight.chunk(3)
        return [
            F.linear(x, w, b) for x, w, b in zip((query, key, value), matrices, biases, strict=True)
        ]

    def _heads(self, x: Tensor) -> Tensor:
        """(L, N, E) as (N heads, L, D)."""
        length, count = x.shape[:2]
        return x.reshape(length, count * self.num_heads, self.head_dim).transpose(0, 1)

    def _weights(
        self, q: Tensor, k: Tensor, attn_mask: Tensor | None, padding: Tensor | None
    ) -> Tensor:
        """The weights, (N heads, L, S)."""
        scores = self._heads(q * (1 / math.sqrt(self.head_dim))) @ self._heads(k).mT
        added = scores.shape[-1]
        if attn_mask is not None:
            scores = _masked(scores, _widened(attn_mask, added))
        if padding is not None:
            rows = padding if padding.ndim == 2 else padding.unsqueeze(0)
            rows = _widened(rows, added).repeat_interleave(self.num_heads, 0).unsqueeze(1)
            scores = _masked(scores, rows)
        return F.softmax(scores, -1)


def _masked(scores: Tensor, mask: Tensor) -> Tensor:
    """Scores without what the mask leaves out, or with what it adds."""
    if mask.dtype.kind == "b":
        return scores.masked_fill(mask, -math.inf)
    return scores + mask


def _widened(mask: Tensor, length: int) -> Tensor:
    """The mask with room for keys that were added at the end: they are always seen."""
    missing = length - mask.shape[-1]
    return F.pad(mask, (0, missing)) if missing else mask
