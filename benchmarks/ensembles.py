"""Each kind of ensemble beside its members: LeNet on the packed digits, over seeds.

Prints a line for each kind and seed: the members' mean accuracy, the best member's, and the ensemble's
own, on the 2,000 test images; report.py makes the table with their spread of the JSON.
"""

from __future__ import annotations

import time

import _harness as harness
import numpy as np

import tinygrad_cv as tg
from tinygrad_cv.ensemble import Ensemble, Snapshots, WeightAverage
from tinygrad_cv.training import NetworkClassifier, Trainer

IMAGES, EPOCHS = 3000, 6  # few, so that members differ and err


def images():
    train, test = tg.data.named("digits")
    some = np.random.default_rng(0).permutation(len(train))[:IMAGES]
    return tg.data.Subset(train, some), test, train.images[some], train.labels[some]


def fit(model, part, seed, *callbacks, cycles=None):
    adam = tg.optim.Adam(model.parameters(), lr=0.003)
    kinds = tg.optim.lr_scheduler
    schedule = (
        kinds.CosineAnnealingLR(adam, EPOCHS)
        if cycles is None
        else kinds.CosineAnnealingWarmRestarts(adam, EPOCHS // cycles)
    )
    batches = tg.data.DataLoader(part, 50, shuffle=True, seed=seed)
    check = tg.data.DataLoader(tg.data.Subset(part, range(100)), 100)
    Trainer(model, adam, schedule=schedule, callbacks=callbacks).fit(batches, check, EPOCHS)
    return batches


def seeds(part, test, seed, _search):
    many = Ensemble.from_seeds(
        tg.models.LeNet5, lambda m, s: fit(m, part, s), range(100 * seed, 100 * seed + 4)
    )
    return many.evaluate(test)


def search(_part, test, seed, data):
    from sklearn.model_selection import GridSearchCV

    base = NetworkClassifier("lenet", epochs=3, random_state=seed)
    found = GridSearchCV(
        base, {"lr": [0.001, 0.003], "batch_size": [25, 50, 100]}, cv=2, refit=False
    )
    found.fit(*data)
    return Ensemble.from_search(found, *data, top=4).evaluate(test)


def snapshots(part, test, seed, _search):
    tg.manual_seed(seed)
    model, kept = tg.models.LeNet5(), Snapshots(every=2, keep=3)
    fit(model, part, seed, kept, cycles=3)
    return kept.ensemble(model).evaluate(test)


def average(decay):
    def run(part, test, seed, _search):
        tg.manual_seed(seed)
        model, mean = tg.models.LeNet5(), WeightAverage(decay, start=2, members=4)
        adam = tg.optim.Adam(
            model.parameters(), lr=0.003
        )  # steps of one size: averaging settles them
        batches = tg.data.DataLoader(part, 50, shuffle=True, seed=seed)
        check = tg.data.DataLoader(tg.data.Subset(part, range(100)), 100)
        Trainer(model, adam, callbacks=[mean]).fit(batches, check, EPOCHS)
        return mean.evaluate(model, batches, test)

    return run


KINDS = {
    "four seeds": seeds,
    "four best of a search": search,
    "three snapshots of a run": snapshots,
    "mean of the epochs' weights (SWA)": average(None),
    "moving mean of the weights (EMA)": average(0.99),
}


def main():
    parser = harness.parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    kinds = KINDS
    if options.quick:
        options.seeds, kinds = options.seeds[:1], {"three snapshots of a run": snapshots}
    options.rounds = len(options.seeds)
    if (
        options.threads is not None
    ):  # accuracies, not times: scikit-learn's runtime may be beside ours
        tg.set_num_threads(options.threads)
    part, test, *data = images()
    test = tg.data.DataLoader(test, 500)
    rows = []
    for name, run in kinds.items():
        for seed in options.seeds:
            start = time.perf_counter()
            report = run(part, test, seed, data)
            seconds = time.perf_counter() - start
            print(f"{name}, seed {seed}: {report}; {seconds:.0f} s", flush=True)
            row = {"name": name, "seed": seed, "members": report.members}
            rows.append({**row, "accuracy": report.accuracy, "seconds": round(seconds, 1)})
    if options.json:
        harness.write_json(options, "ensembles", rows, None)


if __name__ == "__main__":
    main()
