"""Modules that hold modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tinygrad_cv.nn import fusion
from tinygrad_cv.nn.module import Module

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Numbered(Module):
    """Modules under the names "0", "1", …"""

    def _parts(self) -> list[Module]:
        return [value for value in self.__dict__.values() if isinstance(value, Module)]

    def _names(self) -> list[str]:
        return [name for name, value in self.__dict__.items() if isinstance(value, Module)]

    def _replace(self, parts: list[Module]) -> None:
        for name in self._names():
            delattr(self, name)
        for part in parts:
            self.append(part)

    def append(self, module: Module) -> Any:
        """Add a module at the end."""
        number = len(self)
        while str(number) in self.__dict__:  # a slice of a Sequential keeps its numbers
            number += 1
        self.register_module(str(number), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add modules at the end."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Add a module before position `index`."""
        parts = self._parts()
        parts.insert(index, module)
        self._replace(parts)
        return self

    def __len__(self) -> int:
        return len(self._parts())

    def __iter__(self) -> Iterator[Module]:
        return iter(self._parts())

    def __contains__(self, module: object) -> bool:
        return any(part is module for part in self._parts())

    def _name_at(self, index: Any) -> str:
        names = self._names()
        if not -len(names) <= index < len(names):
            raise IndexError(f"{type(self).__name__}: index {index} but it holds {len(names)}")
        return names[index]

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, slice):
            return self.__dict__[self._name_at(index)]
        return self._sliced(index)

    def _sliced(self, index: slice) -> Any:
        out = type(self)()
        return out.extend(self._parts()[index])

    def __setitem__(self, index: int, module: Module) -> None:
        self.register_module(self._name_at(index), module)

    def __delitem__(self, index: Any) -> None:
        parts = self._parts()
        if not isinstance(index, slice):
            self._name_at(index)
        del parts[index]
        self._replace(parts)


class Sequential(_Numbered):
    """Modules one after the other: each takes what the one before gives.

    Parameters
    ----------
    *modules : Module
        Named "0", "1", …; or one mapping from names to modules.

    Raises
    ------
    TypeError
        Something that is no module.

    Examples
    --------
    >>> from tinygrad_cv import nn
    >>> nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    Sequential(
      (0): Flatten(start_dim=1, end_dim=-1)
      (1): Linear(in_features=784, out_features=10, bias=True)
    )
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.register_module(name, module)
        else:
            for i, module in enumerate(modules):
                self.register_module(str(i), module)

    def forward(self, input: Any) -> Any:
        return fusion.run(self._parts(), input)

    def _sliced(self, index: slice) -> Sequential:
        # Names stay, so that a part of a network takes a part of its state_dict.
        return Sequential(dict(zip(self._names()[index], self._parts()[index], strict=True)))


class ModuleList(_Numbered):
    """A list of modules whose parameters are seen; it has no ``forward``.

    Examples
    --------
    >>> from tinygrad_cv import nn
    >>> layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, modules: Iterable[Module]) -> ModuleList:
        return self.extend(modules)


class ModuleDict(Module):
    """Modules by name, whose parameters are seen; it has no ``forward``.

    Examples
    --------
    >>> from tinygrad_cv import nn
    >>> heads = nn.ModuleDict({"digit": nn.Linear(84, 10), "even": nn.Linear(84, 2)})
    >>> list(heads)
    ['digit', 'even']
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Any) -> None:
        """Add or replace modules, from a mapping or from pairs of name and module."""
        pairs = modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules
        for name, module in pairs:
            self[name] = module

    def keys(self) -> Iterator[str]:
        """The names, in the order they were added."""
        return (name for name, value in self.__dict__.items() if isinstance(value, Module))

    def values(self) -> Iterator[Module]:
        """The modules."""
        return (value for value in self.__dict__.values() if isinstance(value, Module))

    def items(self) -> Iterator[tuple[str, Module]]:
        """Pairs of name and module."""
        return zip(self.keys(), self.values(), strict=True)

    def pop(self, name: str) -> Module:
        """Remove a module and return it."""
        module = self[name]
        del self[name]
        return module

    def clear(self) -> None:
        """Remove all modules."""
        for name in list(self.keys()):
            delattr(self, name)

    def __len__(self) -> int:
        return sum(1 for _ in self.keys())

    def __iter__(self) -> Iterator[str]:
        return self.keys()

    def __contains__(self, name: object) -> bool:
        return isinstance(self.__dict__.get(str(name)), Module)

    def __getitem__(self, name: str) -> Module:
        if name not in self:
            raise KeyError(f"ModuleDict: no module {name!r}; it has {list(self)}")
        module: Module = self.__dict__[name]
        return module

    def __setitem__(self, name: str, module: Module) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"ModuleDict: {name!r} must be a Module, got {type(module).__name__}")
        self.register_module(name, module)

    def __delitem__(self, name: str) -> None:
        _ = self[name]
        delattr(self, name)
