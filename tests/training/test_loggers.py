"""Numbers of a run in files."""

from __future__ import annotations

import csv
import errno
import os
import resource
import struct

import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn, optim
from tinygrad_cv.training import Callback, CSVLogger, TensorBoardLogger, Trainer


def run(callbacks, steps_before=0, epochs=2):
    tg.manual_seed(0)
    model = nn.Linear(4, 3)
    sgd = optim.SGD(model.parameters(), lr=0.5)
    data = tg.data.TensorDataset(tg.rand(20, 4), tg.randint(3, (20,)))
    batches = tg.data.DataLoader(data, 5)
    trainer = Trainer(
        model,
        sgd,
        schedule=optim.lr_scheduler.ExponentialLR(sgd, 0.5),
        regularizer=nn.regularizers.L2(0.5),
        callbacks=callbacks,
    )
    trainer.steps = steps_before
    trainer.fit(batches, batches, epochs)
    return trainer


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_data_and_regularization_loss_are_apart(tmp_path):
    trainer = run([CSVLogger(tmp_path / "steps.csv", every=1)])
    table = rows(tmp_path / "steps.csv")
    assert [int(row["step"]) for row in table] == list(range(1, 9))
    assert float(table[-1]["data_loss"]) == trainer.last_loss
    assert float(table[-1]["regularization_loss"]) == trainer.last_penalty
    tg.manual_seed(0)
    first = nn.Linear(4, 3).weight.numpy()
    assert float(table[0]["regularization_loss"]) == pytest.approx((first**2).sum() / 4, rel=1e-5)
    assert [float(row["learning_rate"]) for row in table] == [0.5] * 4 + [0.25] * 4
    for epoch, row in enumerate(trainer.history):
        part = table[4 * epoch : 4 * epoch + 4]
        assert row.train_loss == pytest.approx(sum(float(r["data_loss"]) for r in part) / 4)
        penalty = sum(float(r["regularization_loss"]) for r in part) / 4
        assert row.train_penalty == pytest.approx(penalty)


def test_a_resumed_table_goes_on_after_its_step(tmp_path):
    path = tmp_path / "steps.csv"
    run([CSVLogger(path, every=1)])
    with open(path, "a") as file:
        file.write("9,0.1")  # the cut row of a killed run
    run([CSVLogger(path, every=2)], steps_before=6, epochs=1)
    assert [int(row["step"]) for row in rows(path)] == [1, 2, 3, 4, 5, 6, 8, 10]
    run([CSVLogger(path, every=2)], epochs=1)
    assert [int(row["step"]) for row in rows(path)] == [2, 4]


def test_a_full_disk_names_the_table(tmp_path):
    class FullDisk:
        def write(self, content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self):
            pass

    class FillAt(Callback):
        def on_batch_end(self, trainer, images):
            if trainer.steps == 3:
                logger._file.close()
                logger._file = FullDisk()

    logger = CSVLogger(tmp_path / "steps.csv", every=1)
    with pytest.raises(OSError, match=r"No space left on device: .*steps\.csv"):
        run([FillAt(), logger])
    assert [int(row["step"]) for row in rows(tmp_path / "steps.csv")] == [1, 2]


def test_another_table_is_not_written_over_when_resuming(tmp_path):
    (tmp_path / "steps.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"steps\.csv: not a table of steps"):
        run([CSVLogger(tmp_path / "steps.csv")], steps_before=3)
    assert (tmp_path / "steps.csv").read_text() == "a,b\n1,2\n"


def records(folder):
    """What the event files hold; a record is length, checksum, event, checksum, the last may be cut."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        content = path.read_bytes()
        while len(content) >= 16:
            (length,) = struct.unpack("<Q", content[:8])
            if len(content) < 16 + length:
                break
            found.append(Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
    return found


def events(folder):
    """Scalars of the event files by name."""
    found = {}
    for event in records(folder):
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_tensorboard_reads_every_measure(tmp_path):
    trainer = run([TensorBoardLogger(tmp_path, every=2)])
    found = events(tmp_path)
    assert [step for step, _ in found["loss/data"]] == [2, 4, 6, 8]
    assert found["loss/data"][-1][1] == pytest.approx(trainer.last_loss)
    assert found["loss/regularization"][-1][1] == pytest.approx(trainer.last_penalty)
    assert [step for step, _ in found["validation/accuracy"]] == [4, 8]
    assert found["train/loss"][1][1] == pytest.approx(trainer.history[1].train_loss)


def test_what_a_resumed_run_does_again_is_dropped_from_older_events(tmp_path):
    from tensorboardX.proto.event_pb2 import SessionLog

    run([TensorBoardLogger(tmp_path)], steps_before=7, epochs=1)
    starts = [event for event in records(tmp_path) if event.HasField("session_log")]
    assert [(event.step, event.session_log.status) for event in starts] == [(8, SessionLog.START)]


def test_events_that_find_no_room_end_the_run(tmp_path):
    """The system refuses the write, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: .*tfevents"):
            run([TensorBoardLogger(tmp_path, every=1)], epochs=200)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(events(tmp_path)["loss/data"]) > 50


@pytest.mark.parametrize("kind", [CSVLogger, TensorBoardLogger])
def test_no_step_is_refused(tmp_path, kind):
    with pytest.raises(ValueError, match=f"{kind.__name__}: every must be at least 1, got 0"):
        kind(tmp_path, every=0)
