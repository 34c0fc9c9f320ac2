"""The training loop: what it learns, records and tells, and how it fails."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn, optim
from tinygrad_cv.training import Callback, Epoch, History, Trainer, evaluate, load_run, save_run


def clusters(count: int = 60, seed: int = 0):
    """Three well separated clouds of points, as a data set."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    centres = np.array([[4, 0], [-4, 4], [0, -5]], np.float32)
    points = centres[labels] + rng.standard_normal((count, 2)).astype(np.float32)
    return tg.data.TensorDataset(points, labels)


def trainer_for(data, callbacks=(), lr=0.1):
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = optim.SGD(model.parameters(), lr=lr)
    batches = tg.data.DataLoader(data, 10, shuffle=True, seed=1)
    return Trainer(model, optimizer, callbacks=callbacks), batches


def test_fit_learns_and_records_every_epoch():
    data = clusters()
    trainer, batches = trainer_for(data)
    history = trainer.fit(batches, tg.data.DataLoader(clusters(seed=1), 60), epochs=20)
    assert [row.epoch for row in history] == list(range(1, 21))
    assert history[-1].validation_accuracy > 0.95
    assert history[-1].train_loss < history[0].train_loss / 2
    assert trainer.steps == 20 * 6
    assert history[0].learning_rate == 0.1


def test_a_schedule_takes_a_step_an_epoch():
    trainer, batches = trainer_for(clusters())
    trainer.schedule = optim.lr_scheduler.StepLR(trainer.optimizer, step_size=1, gamma=0.5)
    history = trainer.fit(batches, batches, epochs=3)
    assert [row.learning_rate for row in history] == [0.1, 0.05, 0.025]


def test_a_schedule_may_take_a_step_an_update():
    trainer, batches = trainer_for(clusters())
    schedule = optim.lr_scheduler.StepLR(trainer.optimizer, step_size=6, gamma=0.5)
    trainer = Trainer(trainer.model, trainer.optimizer, schedule=schedule, schedule_unit="step")
    history = trainer.fit(batches, batches, epochs=3)  # of 6 updates each
    assert schedule.last_epoch == 18
    assert [row.learning_rate for row in history] == [0.05, 0.025, 0.0125]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_plateau_is_seen_in_the_validation(mode):
    class Seen(optim.lr_scheduler.ReduceLROnPlateau):
        def step(self, metrics):
            seen.append(metrics)
            super().step(metrics)

    seen = []
    trainer, batches = trainer_for(clusters())
    trainer.schedule = Seen(trainer.optimizer, mode)
    history = trainer.fit(batches, tg.data.DataLoader(clusters(seed=1), 60), epochs=2)
    field = "validation_loss" if mode == "min" else "validation_accuracy"
    assert seen == [getattr(row, field) for row in history]


def test_units_that_cannot_be():
    trainer, _ = trainer_for(clusters())
    with pytest.raises(ValueError, match="schedule_unit must be 'epoch' or 'step', got 'batch'"):
        Trainer(trainer.model, trainer.optimizer, schedule_unit="batch")
    plateau = optim.lr_scheduler.ReduceLROnPlateau(trainer.optimizer)
    with pytest.raises(ValueError, match="a plateau is seen in the validation"):
        Trainer(trainer.model, trainer.optimizer, schedule=plateau, schedule_unit="step")


def test_a_penalty_is_learned_from_and_not_recorded():
    """One step from the same weights: w moves by lr times the penalty's gradient more."""
    data = clusters(10)
    plain, batches = trainer_for(data)
    before = plain.model[0].weight.numpy().copy()
    first = plain.fit(batches, batches, epochs=1)
    held, batches = trainer_for(data)
    held.regularizer = nn.regularizers.L2(0.5)
    second = held.fit(batches, batches, epochs=1)
    want = plain.model[0].weight.numpy() - 0.1 * 0.5 * before
    np.testing.assert_allclose(held.model[0].weight.numpy(), want, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(held.model[0].bias.numpy(), plain.model[0].bias.numpy())
    assert first[0].train_loss == second[0].train_loss


def test_max_norm_holds_after_every_update():
    class Lengths(Callback):
        def on_batch_end(self, trainer, images):
            rows = np.linalg.norm(trainer.model[2].weight.numpy(), axis=1)
            longest.append(rows.max())

    longest = []
    trainer, batches = trainer_for(clusters(), [Lengths()])
    trainer.max_norm = 0.4
    trainer.fit(batches, batches, epochs=2)
    assert max(longest) == pytest.approx(0.4, rel=1e-5)
    with pytest.raises(ValueError, match="Trainer: max_norm must be above 0, got -1"):
        Trainer(trainer.model, trainer.optimizer, max_norm=-1.0)


def test_fit_goes_on_where_it_stopped():
    trainer, batches = trainer_for(clusters())
    trainer.fit(batches, batches, epochs=2)
    history = trainer.fit(batches, batches, epochs=1)
    assert [row.epoch for row in history] == [1, 2, 3]


def test_recorded_accuracy_is_that_of_the_predictions():
    data = clusters()
    trainer, batches = trainer_for(data)
    trainer.fit(batches, batches, epochs=3)
    points, labels = (t.numpy() for t in data.tensors)
    scores = trainer.model(tg.from_numpy(points)).detach().numpy()
    result = evaluate(trainer.model, tg.data.DataLoader(data, 7))
    assert result.accuracy == pytest.approx((scores.argmax(1) == labels).mean())
    shifted = scores - scores.max(1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    assert result.loss == pytest.approx(-logs[np.arange(len(labels)), labels].mean(), rel=1e-5)
    assert result.count == 60


def test_evaluate_leaves_the_mode_as_it_was():
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 3))
    batches = tg.data.DataLoader(clusters(), 10)
    first, second = evaluate(model, batches), evaluate(model, batches)
    assert first == second  # dropout is off
    assert model.training
    model.eval()
    evaluate(model, batches)
    assert not model.training


def test_evaluate_refuses_nothing():
    with pytest.raises(ValueError, match="no images"):
        evaluate(nn.Linear(2, 3), [])


def test_callbacks_hear_of_everything_in_order():
    heard = []

    class Listener(Callback):
        def on_fit_start(self, trainer):
            heard.append("start")

        def on_batch_end(self, trainer, images):
            heard.append(images)

        def on_epoch_end(self, trainer, epoch):
            heard.append(f"epoch {epoch.epoch}")

        def on_fit_end(self, trainer):
            heard.append("end")

    trainer, batches = trainer_for(clusters(25), [Listener()])
    trainer.fit(batches, batches, epochs=1)
    assert heard == ["start", 10, 10, 5, "epoch 1", "end"]


def test_ctrl_c_ends_the_run_with_what_there_is():
    class Interrupt(Callback):
        def on_batch_end(self, trainer, images):
            if trainer.steps == 8:
                raise KeyboardInterrupt

    trainer, batches = trainer_for(clusters(), [Interrupt()])
    history = trainer.fit(batches, batches, epochs=5)
    assert trainer.interrupted
    assert len(history) == 1


def test_an_infinite_loss_is_said_with_step_and_layer():
    trainer, batches = trainer_for(clusters())
    with tg.no_grad():
        trainer.model[2].weight.array[...] = np.float32(3e38)
    with pytest.raises(FloatingPointError, match=r"at step 0; layer 2 is the first"):
        trainer.fit(batches, batches, epochs=1)


def test_bad_images_and_parameters_are_named():
    data = clusters()
    trainer, batches = trainer_for(data)
    trainer.model[0].bias.array[0] = np.nan
    with pytest.raises(FloatingPointError, match=r"parameter 0\.bias holds NaN"):
        trainer.fit(batches, batches, epochs=1)
    trainer, batches = trainer_for(data)
    data.tensors[0].array[:] = np.nan
    with pytest.raises(FloatingPointError, match="the images hold NaN"):
        trainer.fit(batches, batches, epochs=1)


def test_fit_refuses_no_epochs_and_no_batches():
    trainer, batches = trainer_for(clusters())
    with pytest.raises(ValueError, match="epochs must be at least 1, got 0"):
        trainer.fit(batches, batches, epochs=0)
    empty = tg.data.DataLoader(clusters(3), 10, drop_last=True)
    with pytest.raises(ValueError, match="no batch"):
        trainer.fit(empty, batches, epochs=1)


def test_history_survives_its_file(tmp_path):
    rows = History([Epoch(1, 2.3, 0.1, 2.2, 0.125, 0.01, 1.5, 1000.0)])
    rows.write_csv(tmp_path / "history.csv")
    assert History.read_csv(tmp_path / "history.csv") == rows


def test_history_refuses_another_file(tmp_path):
    (tmp_path / "history.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"history\.csv: not a history"):
        History.read_csv(tmp_path / "history.csv")


def test_a_saved_run_predicts_the_same(tmp_path):
    tg.manual_seed(0)
    model = tg.models.LeNet5()
    data = tg.data.digits(train=False)
    save_run(tmp_path, model, "lenet", data)
    loaded, description = load_run(tmp_path)
    images = data[:4][0].to(tg.get_default_device())
    np.testing.assert_array_equal(loaded(images).detach().numpy(), model(images).detach().numpy())
    assert description["shape"] == (1, 28, 28)
    assert description["classes"] == [str(n) for n in range(10)]
    assert not loaded.training


def test_a_run_of_a_pattern_keeps_its_settings_and_its_standardization(tmp_path):
    data = tg.data.digits(train=False)
    data.transform = tg.data.Standardize.of(data)
    pattern = "INPUT -> CONV -> BN -> RELU -> POOL -> FC -> RELU -> DROPOUT -> FC"
    settings = {"filters": [3], "kernel_size": 5, "hidden": 7, "dropout": 0.25}
    model = tg.training.build(pattern, (1, 28, 28), 10, settings)
    images = data[:4][0].to(tg.get_default_device())
    model(images)  # batch normalisation's statistics move
    save_run(tmp_path, model, pattern, data, settings)
    loaded, description = load_run(tmp_path)
    assert repr(loaded) == repr(model)
    want = model.eval()(images).detach().numpy()
    np.testing.assert_array_equal(loaded(images).detach().numpy(), want)
    assert description["architecture"] == pattern
    assert description["settings"] == settings
    assert description["transform"].mean == data.transform.mean
    assert description["transform"].std == data.transform.std


def test_load_run_refuses_weights_without_a_description(tmp_path):
    tg.save({"a": tg.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="not written by a training run"):
        load_run(tmp_path)
