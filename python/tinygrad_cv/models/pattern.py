"""Networks as the texts write them: ``INPUT -> [[CONV -> RELU]*2 -> POOL]*3 -> [FC -> RELU]*1 -> FC``.

A pattern is layers and groups in brackets with arrows between them; ``*3`` repeats what stands
before it, ``*N`` as often as the caller says, ``POOL?`` is there if the caller wants it.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WORDS = (
    "INPUT", "CONV", "BN", "RELU", "LEAKYRELU", "ELU", "SIGMOID", "TANH", "POOL", "DROPOUT", "FC",
)  # fmt: skip

_TOKEN = re.compile(
    r"(?P<arrow>->|=>)|(?P<word>[A-Za-z]+\??)|(?P<open>\[)|(?P<close>\])"
    r"|\*\s*(?P<times>\d+|[A-Za-z]+)|(?P<space>\s+)"
)


class Layer(NamedTuple):
    """A word of the pattern."""

    word: str
    optional: bool
    column: int  # from 1


class Group(NamedTuple):
    """Brackets, or a repeated layer."""

    items: list[Layer | Group]
    times: int


class Step(NamedTuple):
    """A layer of the network, in order."""

    layer: Layer
    block: int  # from 0; blocks are what `filters` and the like have one value for


class _Token(NamedTuple):
    kind: str
    text: str
    column: int


def parse(pattern: str, counts: Mapping[str, int | None]) -> list[Step]:
    """The layers that a pattern stands for, repeated and in order.

    A block is one repetition of an outermost group with a CONV in it, or a CONV outside of groups
    with what follows it.

    Parameters
    ----------
    pattern : str
    counts : mapping of str to int
        What letters such as N stand for.

    Raises
    ------
    ValueError
        A mistake in the pattern: the message says in which column, and what would be right.
    """
    items = _Parser(pattern, counts).whole()
    steps: list[Step] = []
    block = -1
    for item in items:
        for layers in _repetitions(item):
            block += any(layer.word == "CONV" for layer in layers)
            steps += [Step(layer, max(block, 0)) for layer in layers]
    return steps


def mistake(pattern: str, column: int, what: str) -> ValueError:
    """The error that points at a column of the pattern."""
    return ValueError(f"convnet: {what}, in column {column} of {pattern!r}")


def _repetitions(item: Layer | Group) -> Iterator[list[Layer]]:
    if isinstance(item, Layer):
        yield [item]
    else:
        for _ in range(item.times):
            yield [layer for inner in item.items for layer in _flat(inner)]


def _flat(item: Layer | Group) -> list[Layer]:
    return [layer for layers in _repetitions(item) for layer in layers]


class _Parser:
    """Recursive descent: sequence = item (arrow item)*, item = (word | [sequence]) (*times)?"""

    def __init__(self, pattern: str, counts: Mapping[str, int | None]) -> None:
        self.pattern, self.counts = pattern, counts
        self.tokens = list(self._tokens())
        self.at = 0

    def _tokens(self) -> Iterator[_Token]:
        at = 0
        while at < len(self.pattern):
            match = _TOKEN.match(self.pattern, at)
            if match is None:
                raise mistake(self.pattern, at + 1, f"unexpected {self.pattern[at]!r}")
            kind = match.lastgroup or ""
            if kind != "space":
                yield _Token(kind, match[kind], at + 1)
            at = match.end()
        yield _Token("end", "the end", len(self.pattern) + 1)

    def whole(self) -> list[Layer | Group]:
        items = self._sequence()
        if self._now.kind != "end":
            raise self._unexpected("an arrow -> or the end")
        return items

    @property
    def _now(self) -> _Token:
        return self.tokens[self.at]

    def _take(self) -> _Token:
        token = self._now
        self.at += 1
        return token

    def _unexpected(self, wanted: str) -> ValueError:
        token = self._now
        found = token.text if token.kind == "end" else repr(token.text)
        return mistake(self.pattern, token.column, f"expected {wanted}, found {found}")

    def _sequence(self) -> list[Layer | Group]:
        items = [self._item()]
        while self._now.kind == "arrow":
            self._take()
            items.append(self._item())
        return items

    def _item(self) -> Layer | Group:
        item: Layer | Group
        if self._now.kind == "open":
            opened = self._take()
            items = self._sequence()
            if self._now.kind != "close":
                if self._now.kind == "end":
                    raise mistake(self.pattern, opened.column, "this bracket is never closed")
                raise self._unexpected("an arrow -> or a closing bracket ]")
            self._take()
            item = Group(items, self._times(1))
        elif self._now.kind == "word":
            item = self._layer(self._take())
            if self._now.kind == "times":
                item = Group([item], self._times(1))
        else:
            raise self._unexpected("a layer or an opening bracket [")
        return item

    def _times(self, otherwise: int) -> int:
        if self._now.kind != "times":
            return otherwise
        token = self._take()
        if token.text.isdecimal():
            return int(token.text)
        count = self.counts.get(token.text)
        if count is None:
            raise mistake(
                self.pattern, token.column, f"how often is *{token.text}? pass {token.text}="
            )
        return count

    def _layer(self, token: _Token) -> Layer:
        word, optional = token.text.rstrip("?").upper(), token.text.endswith("?")
        if word not in WORDS:
            close = difflib.get_close_matches(word, WORDS, 1)
            hint = f"did you mean {close[0]}?" if close else f"the layers are {', '.join(WORDS)}"
            raise mistake(self.pattern, token.column, f"unknown layer {token.text!r}; {hint}")
        if optional and word != "POOL":
            raise mistake(self.pattern, token.column, f"only POOL may have a '?', not {word}")
        return Layer(word, optional, token.column)
