"""``pytest --device=cuda-emulated`` (or ``cuda``): the suite again, with its tensors on a GPU.

A test that takes part runs with the GPU as the default device: what it makes of lists, NumPy arrays and shapes
lies there, and so do the parameters of its layers. At three places, and no others, the host's arrays meet the
device's, which the library leaves to its user: a test's `.numpy()` of a tensor on the GPU gives a copy of its
values, a NumPy array beside a tensor goes to the GPU, and so does what `from_numpy` makes.
What a folder or file tests that does not take part is said once, in the summary.
"""

from __future__ import annotations

import collections
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

TESTS = Path(__file__).parents[1]
# What is about the host alone: folders, files and functions below tests/, with the reason.
HOST_ALONE = {
    "backends": "kernels; those of the GPU have tests of their own in backends/cuda",
    "benchmarks": "tables of timings",
    "cli": "the command line has a test of its own with --device",
    "cuda_emulator": "the emulator itself",
    "data": "images and labels are NumPy's until a batch goes to the model",
    "docs": "text",
    "engine/test_device.py::test_the_default_device_is_the_cpu_and_can_only_be_one_that_is_there": "what is left alone here is what it tests",
    "engine/test_exposure.py": "memory shared with NumPy",
    "engine/test_memory.py": "memory shared with NumPy",
    "engine/test_printing.py": "a GPU's tensors name their device as well: test_cuda.py",
    "engine/test_shortcuts.py": "shortcuts are for NumPy's arrays",
    "engine/test_tensor.py::test_dlpack": "memory shared with NumPy",
    "engine/test_tensor.py::test_numpy_reads_a_tensor_without_gradient": "memory shared with NumPy",
    "engine/test_threads.py": "threads of the CPU",
    "ensemble": "training loops around models that are tested by themselves",
    "examples": "scripts",
    "functional/conventions/test_graph.py::test_numpy_array_changed_before_backward": "memory shared with NumPy",
    "functional/conventions/test_graph.py::test_numpy_of_a_tensor_that_requires_a_gradient": "memory shared with NumPy",
    "functional/test_numpy_names.py": "NumPy's functions called on tensors",
    "functional/test_properties.py::test_a_gpu_that_is_not_there": "machines without a GPU",
    "functional/test_properties.py::test_as_tensor_copies_only_what_it_must": "memory shared with NumPy",
    "gates/test_kernels.py": "when a kernel of the CPU is worth its call",
    "linear_model": "estimators with scikit-learn's interface take NumPy arrays",
    "neighbors": "estimators with scikit-learn's interface take NumPy arrays",
    "optim/test_torch.py::test_the_loss_under_a_schedule_takes_pytorchs_way": "a schedule gives numbers of the host's to optimizers whose runs take part",
    "sanitizers": "C++ kernels",
    "test_aliases.py": "names",
    "test_cuda.py": "moves between devices itself",
    "test_files.py": "files of the package",
    "test_imports.py": "imports",
    "test_openmp.py": "threads of the CPU",
    "test_port.py": "files of another library",
    "test_serialization.py": "files",
    "training/test_checkpoint.py::test_a_run_killed_again_and_again_gives_the_same_bits": "processes of their own, on the CPU",
    "training/test_kill_and_resume.py": "processes of their own, on the CPU",
    "viz": "pictures",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--device", default="cpu", choices=["cpu", "cuda", "cuda-emulated"],
        help="where the tests' tensors lie: the emulator runs the GPU's kernels on the CPU",
    )  # fmt: skip


def reason_to_stay(file: Path, function: str = "") -> tuple[str, str] | None:
    """What does not take part that a test belongs to, and why; None: it does take part."""
    if not file.is_relative_to(TESTS):
        return file.name, "documentation"
    parts = file.relative_to(TESTS).parts
    places = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    for where in (*places, f"{places[-1]}::{function}"):
        if where in HOST_ALONE:
            return where, HOST_ALONE[where]
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("device") == "cpu":
        return
    reasons = [reason_to_stay(item.path, item.name.partition("[")[0]) for item in items]
    config.stash[LEFT] = collections.Counter(filter(None, reasons))
    both = list(zip(items, reasons, strict=True))
    config.hook.pytest_deselected(items=[item for item, reason in both if reason])
    items[:] = [item for item, reason in both if not reason]


LEFT = pytest.StashKey[collections.Counter[tuple[str, str]]]()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    counts = config.stash.get(LEFT, None)
    if counts:
        terminalreporter.section(f"left out with --device={config.getoption('device')}")
        for (where, why), count in sorted(counts.items()):
            terminalreporter.line(f"{count:5} in {where}: {why}")


def check_refused(call: Callable[[], Any], error: Any, match: str = "") -> None:
    """The call raises `error`; on a GPU it may give NaN instead, for an index, label or value outside.

    The host would have to wait for the GPU to see it (functional/bounds.py).
    """
    import tinygrad_cv as tg

    try:
        found = call()
    except error as said:
        text = str(said)
    else:
        assert tg.get_default_device().type == "cuda", f"{error} was not raised"
        assert found.isnan().any()
        return
    assert text
    assert re.search(match, text)


@pytest.fixture(autouse=True)
def _on_device(request: pytest.FixtureRequest) -> Any:
    """The GPU as the default device of a test that takes part."""
    device = request.config.getoption("device")
    if device == "cpu":
        yield
        return
    monkeypatch = pytest.MonkeyPatch()
    if device == "cuda-emulated":
        import standin

        monkeypatch.setitem(sys.modules, "cupy", request.getfixturevalue("_standin_module"))
        monkeypatch.setattr(standin.Cuda, "schedule", 0)
    with monkeypatch.context() as patch:
        _meet(patch)
        import tinygrad_cv as tg

        tg.set_default_device("cuda")
        yield
        tg.set_default_device("cpu")
    monkeypatch.undo()


def _meet(patch: pytest.MonkeyPatch) -> None:
    """Let the arrays of host and device meet at the places that the module's docstring names."""
    import tinygrad_cv as tg

    numpy, from_numpy = tg.Tensor.numpy, tg.from_numpy

    def copied(self: Any) -> Any:
        by_a_test = not sys._getframe(1).f_globals["__name__"].startswith("tinygrad_cv.")
        return numpy(self.detach().cpu() if by_a_test and self.is_cuda else self)

    def moved(array: Any) -> Any:
        return from_numpy(array).cuda()

    patch.setattr(tg.Tensor, "numpy", copied)
    for name, module in list(sys.modules.items()):
        if name.startswith("tinygrad_cv") and vars(module).get("from_numpy") is from_numpy:
            patch.setattr(module, "from_numpy", moved)
