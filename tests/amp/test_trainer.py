"""The trainer in mixed precision on the emulated GPU: its scaler, and a run that goes on from its state."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.training.checkpoint import read_checkpoint, write_checkpoint


def batches():
    rng = np.random.default_rng(0)
    images = tg.tensor(rng.standard_normal((24, 20)).astype(np.float32))
    labels = tg.tensor(rng.integers(0, 3, 24))
    return tg.data.DataLoader(tg.data.TensorDataset(images, labels), 8, shuffle=True, seed=1)


def steep(scores, labels):
    """So steep a loss that 2^16 times its gradients, and half of that, leave float16's range."""
    return 20 * tg.functional.cross_entropy(scores, labels)


def trainer(amp, device="cuda"):
    tg.manual_seed(0)
    net = tg.nn.Sequential(tg.nn.Linear(20, 9), tg.nn.ReLU(), tg.nn.Linear(9, 3)).to(device)
    return tg.training.Trainer(net, tg.optim.Adam(net.parameters(), lr=0.05), steep, amp=amp)


def weights(run):
    return {name: t.cpu().numpy() for name, t in run.model.state_dict().items()}


@pytest.mark.usefixtures("cupy")
def test_a_run_in_float16_goes_on_to_the_same_bits(tmp_path):
    whole, first, second = (trainer("float16") for _ in range(3))
    whole.fit(batches(), batches(), 3)
    assert whole.scaler.get_scale() < 2.0**16  # steps were left out
    counted = whole.optimizer.state_dict()["state"][0]["step"]
    assert int(counted) < whole.steps == 9
    first.fit(batches(), batches(), 1)
    write_checkpoint(tmp_path / "state.safetensors", first.state_dict())
    second.load_state_dict(read_checkpoint(tmp_path / "state.safetensors"))
    assert second.scaler.state_dict() == first.scaler.state_dict()
    second.fit(batches(), batches(), 2)
    assert second.scaler.state_dict() == whole.scaler.state_dict()
    for name, values in weights(whole).items():
        np.testing.assert_array_equal(weights(second)[name], values)


@pytest.mark.usefixtures("cupy")
def test_precisions_give_their_own_weights():
    runs = {amp: trainer(amp) for amp in (None, "float16", "bfloat16")}
    for amp, run in runs.items():
        run.fit(batches(), batches(), 2)
        assert run.history[-1].train_loss < run.history[0].train_loss
        assert run.scaler.is_enabled() == (amp == "float16")
    ends = [weights(run)["0.weight"] for run in runs.values()]
    assert not np.array_equal(ends[0], ends[1])
    assert not np.array_equal(ends[1], ends[2])
    np.testing.assert_allclose(ends[0], ends[2], atol=0.05)


@pytest.mark.usefixtures("cupy")
def test_a_state_of_another_precision_is_refused():
    state = trainer("float16").state_dict()
    with pytest.raises(ValueError, match="the state is of amp 'float16' but this run has None"):
        trainer(None).load_state_dict(state)


def test_a_model_on_the_cpu_is_refused():
    with pytest.raises(RuntimeError, match="the CPU computes float32 in float32"):
        trainer("float16", "cpu")


@pytest.mark.usefixtures("cupy")
def test_another_dtype_is_refused():
    with pytest.raises(ValueError, match="dtype must be 'float16' or 'bfloat16', got 'half'"):
        trainer("half")
