"""The whole state of a training run: what is kept of it, and how a trainer takes it up again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.random import Generator, default_generator
from tinygrad_cv.training.history import Epoch, History

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tinygrad_cv.nn import Module
    from tinygrad_cv.training.trainer import Callback, Trainer


@dataclass
class Progress:
    """What an epoch has brought so far: batches, images, sums over images, and seconds."""

    batches: int = 0
    count: int = 0
    loss: float = 0.0
    penalty: float = 0.0
    right: int = 0
    seconds: float = 0.0


def state_of(trainer: Trainer) -> dict[str, Any]:
    """The state, as `Trainer.state_dict` gives it."""
    schedule = trainer.schedule
    return {
        "kinds": _kinds(trainer),
        "model": trainer.model.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "scaler": trainer.scaler.state_dict(),
        "schedule": None if schedule is None else schedule.state_dict(),
        "steps": trainer.steps,
        "history": [list(row) for row in trainer.history],
        "progress": asdict(trainer.progress),
        "random": {
            "default": default_generator.get_state(),
            "loader": trainer.loader_state,
            "layers": {name: g.get_state() for name, g in generators(trainer.model)},
        },
        "callbacks": [callback.state_dict() for callback in _remembering(trainer)],
    }


def restore(trainer: Trainer, state: Mapping[str, Any]) -> None:
    """Take the state up, as `Trainer.load_state_dict` promises."""
    _check(trainer, state)
    trainer.model.load_state_dict(state["model"])
    trainer.optimizer.load_state_dict(state["optimizer"])
    trainer.scaler.load_state_dict(state["scaler"])
    if trainer.schedule is not None:
        trainer.schedule.load_state_dict(state["schedule"])
        # The schedule sets step sizes anew; the optimizer's own are those that the run had.
        trainer.optimizer.load_state_dict(state["optimizer"])
    trainer.steps = int(state["steps"])
    trainer.history = History(Epoch(*row) for row in state["history"])
    trainer.progress = Progress(**state["progress"])
    random = state["random"]
    for name, generator in generators(trainer.model):
        generator.set_state(random["layers"][name])
    default_generator.set_state(random["default"])
    trainer.loader_state = random["loader"]
    trainer.resumed = {"loader": random["loader"], "default": random["default"]}
    for callback, kept in zip(_remembering(trainer), state["callbacks"], strict=True):
        callback.load_state_dict(kept)


def _kinds(trainer: Trainer) -> dict[str, Any]:
    """Of what the run is made; another run's state would be taken up in vain."""
    return {
        "model": type(trainer.model).__name__,
        "optimizer": type(trainer.optimizer).__name__,
        "schedule": type(trainer.schedule).__name__,
        "schedule_unit": trainer.schedule_unit,
        "amp": trainer.amp,
        "callbacks": [type(callback).__name__ for callback in _remembering(trainer)],
    }


def _remembering(trainer: Trainer) -> list[Callback]:
    """The callbacks that have a state."""
    return [callback for callback in trainer.callbacks if callback.state_dict()]


def _check(trainer: Trainer, state: Mapping[str, Any]) -> None:
    """Refuse what does not fit before anything is changed."""
    where = "Trainer.load_state_dict"
    for name, own in _kinds(trainer).items():
        kept = state["kinds"][name]
        if kept != own:
            raise ValueError(f"{where}: the state is of {name} {kept!r} but this run has {own!r}")
    own_shapes = {name: t.shape for name, t in trainer.model.state_dict().items()}
    kept_shapes = {name: tuple(np.shape(_array(t))) for name, t in state["model"].items()}
    for name in own_shapes.keys() | kept_shapes.keys():
        own, kept = own_shapes.get(name), kept_shapes.get(name)
        if own != kept:
            raise ValueError(f"{where}: the state's {name} is {kept} but this model's is {own}")


def _array(tensor: Any) -> Any:
    return getattr(tensor, "array", tensor)


def generators(model: Module) -> Iterator[tuple[str, Generator]]:
    """The generators that layers hold, by the layer's name and the attribute's."""
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, Generator):
                yield f"{path}.{name}", value
