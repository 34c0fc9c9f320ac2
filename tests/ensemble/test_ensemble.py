"""Ensembles: averages are those of the definitions, and reports say who did how well."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn, optim
from tinygrad_cv.ensemble import Ensemble, Report, Snapshots, WeightAverage, update_bn
from tinygrad_cv.training import Callback, Checkpoint, NetworkClassifier, Trainer, resume


def clusters(count=90, seed=0, spread=2.5):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    centres = np.array([[4, 0], [-4, 4], [0, -5]], np.float32)
    return centres[labels] + spread * rng.standard_normal((count, 2)).astype(np.float32), labels


def loader(seed=0, **options):
    return tg.data.DataLoader(tg.data.TensorDataset(*clusters(seed=seed)), 15, **options)


def network():
    return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def trained(callbacks=(), epochs=4):
    tg.manual_seed(0)
    model = network()
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.3), callbacks=callbacks)
    trainer.fit(loader(shuffle=True, seed=1), loader(1), epochs)
    return model


class Trail(Callback):
    """Every step's and every epoch's parameters."""

    def __init__(self):
        self.steps, self.epochs = [], []

    def on_batch_end(self, trainer, images):
        self.steps.append([p.numpy().copy() for p in trainer.model.parameters()])

    def on_epoch_end(self, trainer, epoch):
        self.epochs.append(self.steps[-1])


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_probabilities_are_averaged_not_scores():
    tg.manual_seed(0)
    members = [nn.Linear(2, 3), nn.Linear(2, 3)]
    points, _ = clusters()
    scores = [points @ m.weight.numpy().T + m.bias.numpy() for m in members]
    want = (softmax(scores[0]) + softmax(scores[1])) / 2
    both = Ensemble(members)
    np.testing.assert_allclose(both.predict_proba(tg.from_numpy(points)), want, rtol=1e-5)
    np.testing.assert_array_equal(both.predict(points), want.argmax(axis=1))
    assert not np.allclose(want, softmax((scores[0] + scores[1]) / 2), rtol=1e-3)


def test_the_report_has_each_members_accuracy_and_its_own():
    tg.manual_seed(0)
    members = [nn.Linear(2, 3) for _ in range(3)]
    points, labels = clusters()
    report = Ensemble(members).evaluate(loader())
    each = [softmax(points @ m.weight.numpy().T + m.bias.numpy()) for m in members]
    assert report.members == [pytest.approx((p.argmax(1) == labels).mean()) for p in each]
    assert report.accuracy == pytest.approx((np.mean(each, axis=0).argmax(1) == labels).mean())
    assert report == Ensemble(members).evaluate(points, labels)
    assert report.mean == pytest.approx(np.mean(report.members))
    assert report.best == max(report.members)
    assert str(Report([0.5, 0.75], 0.8)) == (
        "members 50.00, 75.00 %, mean 62.50 %, best 75.00 %; together 80.00 %"
    )


def test_members_predict_in_evaluation_mode_and_keep_their_mode():
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 3))
    points, _ = clusters()
    both = Ensemble([model, model])
    np.testing.assert_array_equal(both.predict_proba(points), both.predict_proba(points))
    assert model.training


def test_seeds_give_different_members_and_the_same_ensemble_again():
    def made():
        return Ensemble.from_seeds(
            network,
            lambda model, seed: Trainer(model, optim.SGD(model.parameters(), lr=0.3)).fit(
                loader(shuffle=True, seed=seed), loader(1), 2
            ),
            seeds=(0, 1),
        )

    first, second = made(), made()
    points, _ = clusters(seed=2)
    np.testing.assert_array_equal(first.predict_proba(points), second.predict_proba(points))
    weights = [m[0].weight.numpy() for m in first.members]
    assert not np.array_equal(*weights)


def test_snapshots_are_the_newest_epochs_weights():
    trail, snapshots = Trail(), Snapshots(every=2, keep=2)
    model = trained([trail, snapshots], epochs=6)
    assert len(snapshots.states) == 2
    for member, epoch in zip(snapshots.ensemble(model).members, (3, 5), strict=True):
        for parameter, want in zip(member.parameters(), trail.epochs[epoch], strict=True):
            np.testing.assert_array_equal(parameter.numpy(), want)


def test_swa_is_the_mean_over_the_epochs_after_start():
    trail, average = Trail(), WeightAverage(start=1)
    model = trained([trail, average])
    made = average.model(model, loader())
    for i, parameter in enumerate(made.parameters()):
        want = np.mean([epoch[i] for epoch in trail.epochs[1:]], axis=0)
        np.testing.assert_allclose(parameter.numpy(), want, rtol=1e-5, atol=1e-6)
    assert len(average.snapshots.states) == 3


def test_ema_follows_its_formula_with_a_warm_up():
    trail, average = Trail(), WeightAverage(decay=0.9)
    model = trained([trail, average])
    want = [p.copy() for p in trail.steps[0]]
    for t, step in enumerate(trail.steps, start=1):
        d = min(0.9, (1 + t) / (10 + t))
        want = [d * a + (1 - d) * w for a, w in zip(want, step, strict=True)]
    for parameter, value in zip(average.model(model, loader()).parameters(), want, strict=True):
        np.testing.assert_allclose(parameter.numpy(), value, rtol=1e-4, atol=1e-5)


def test_the_average_has_statistics_of_its_own():
    average = WeightAverage()
    model = trained([average])
    made = average.model(model, [(tg.from_numpy(clusters()[0]), None)])
    hidden = clusters()[0] @ made[0].weight.numpy().T + made[0].bias.numpy()
    np.testing.assert_allclose(
        made[1].running_mean.numpy(), hidden.mean(axis=0), rtol=1e-3, atol=1e-4
    )
    np.testing.assert_allclose(made[1].running_var.numpy(), hidden.var(axis=0, ddof=1), rtol=1e-3)
    assert not np.allclose(made[1].running_mean.numpy(), model[1].running_mean.numpy())


def test_update_bn_takes_all_batches_alike_and_leaves_the_rest():
    norm = nn.BatchNorm1d(2, momentum=0.3)
    model = nn.Sequential(norm, nn.Dropout(0.5)).eval()
    batches = [tg.randn(10, 2) for _ in range(3)]
    update_bn(batches, model)
    want = np.mean([b.numpy().mean(axis=0) for b in batches], axis=0)
    np.testing.assert_allclose(norm.running_mean.numpy(), want, rtol=1e-5, atol=1e-6)
    assert norm.momentum == 0.3
    assert not norm.training
    update_bn([], nn.Linear(1, 1))  # nothing to estimate


def test_the_averages_report_compares_with_the_epochs():
    average = WeightAverage(start=1)
    model = trained([average])
    report = average.evaluate(model, loader(), loader(2))
    assert len(report.members) == 3
    assert report.members[-1] == tg.training.evaluate(model, loader(2)).accuracy
    made = average.model(model, loader())
    assert report.accuracy == tg.training.evaluate(made, loader(2)).accuracy


class StopAt(Callback):
    def __init__(self, step):
        self.step = step

    def on_batch_end(self, trainer, images):
        if trainer.steps == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "make",
    [lambda: WeightAverage(decay=0.9), WeightAverage, Snapshots],
    ids=["ema", "swa", "snaps"],
)
def test_a_resumed_run_averages_what_the_unbroken_one_does(tmp_path, make):
    def run(folder, stop=None):
        tg.manual_seed(0)
        model, kept = network(), make()
        sgd = optim.SGD(model.parameters(), lr=0.3)
        callbacks = [kept, Checkpoint(folder, every=1), StopAt(stop)]
        trainer = Trainer(model, sgd, callbacks=callbacks)
        resume(trainer, folder)
        trainer.fit(loader(shuffle=True, seed=1), loader(1), 4 - len(trainer.history))
        state = kept.state_dict()
        return [a for s in state.get("states", [state.get("average")]) for a in s.values()]

    want = run(tmp_path / "unbroken")
    run(tmp_path / "broken", stop=15)
    for array, wanted in zip(run(tmp_path / "broken"), want, strict=True):
        np.testing.assert_array_equal(array, wanted)


def test_the_best_settings_of_a_search_are_fitted_and_averaged():
    from sklearn.model_selection import GridSearchCV

    points, labels = clusters()
    names = np.array(["a", "b", "c"])[labels]
    search = GridSearchCV(
        NetworkClassifier("mlp", settings={"hidden": 8}, epochs=3, random_state=0),
        {"lr": [1e-6, 0.01, 0.03]},
        cv=2,
    ).fit(points, names)
    both = Ensemble.from_search(search, points, names, top=2)
    assert sorted(m.lr for m in both.members) == [0.01, 0.03]
    want = np.mean([m.predict_proba(points) for m in both.members], axis=0)
    np.testing.assert_array_equal(both.predict(points), np.array(["a", "b", "c"])[want.argmax(1)])
    report = both.evaluate(points, names)
    assert report.members == [pytest.approx(m.score(points, names)) for m in both.members]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Ensemble([]), ValueError, "at least one member"),
        (
            lambda: Ensemble([3]),
            TypeError,
            "member 0 must be a Module or have predict_proba, got int",
        ),
        (lambda: Ensemble([nn.Linear(2, 3)]).evaluate([]), ValueError, "no images to evaluate on"),
        (lambda: Ensemble.from_search(None, None, None), ValueError, "the search was not fitted"),
        (lambda: Ensemble.from_search(None, None, None, 0), ValueError, "top must be at least 1"),
        (lambda: Snapshots(every=0), ValueError, "Snapshots: every must be at least 1, got 0"),
        (lambda: WeightAverage(decay=1.0), ValueError, r"decay must be in \[0, 1\), got 1\.0"),
        (lambda: WeightAverage(start=-1), ValueError, "start must be at least 0, got -1"),
        (lambda: WeightAverage().model(network(), []), ValueError, "no weights were averaged yet"),
    ],
)
def test_what_cannot_be_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
