"""Image classification before networks: nearest neighbours, then linear classifiers.

    python examples/classical_path.py                   # the digits inside the package, a minute
    python examples/classical_path.py --data cifar10    # some minutes more
    python examples/classical_path.py --help

One path, from bytes to a figure that may be believed: compare images pixel by pixel; choose k and the
distance on validation images; see by cross-validation how sure that choice is; score linearly instead
with a support vector machine and with softmax, their regularization chosen likewise; look at what the
linear classifiers have learnt. The test images are looked at in the last step alone, once for each
classifier. Figures land in a folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline

import tinygrad_cv as tg
from tinygrad_cv.data.preprocessing import MeanSubtraction, RangeScaler
from tinygrad_cv.linear_model import LinearSVMClassifier, SoftmaxClassifier
from tinygrad_cv.neighbors import KNeighborsClassifier

KS = [1, 3, 5, 8, 10, 15, 20, 50]
ALPHAS = [0.0003, 0.003, 0.03, 0.3]
FOLDS = 4


def validate_k(X, y, seed):
    """Hold a fifth of the training images out; try every k and both distances on them."""
    X, held_out, y, held_out_y = train_test_split(
        X, y, test_size=0.2, random_state=seed, stratify=y
    )
    print(f"1. one split: {len(X):,} images to compare with, {len(held_out):,} held out")
    for metric in ("l1", "l2"):
        predictions = KNeighborsClassifier(metric=metric).fit(X, y).predict_for(held_out, KS)
        shares = {k: (labels == held_out_y).mean() for k, labels in predictions.items()}
        print(f"   {metric}: " + "  ".join(f"k={k} {100 * s:.1f} %" for k, s in shares.items()))


def cross_validate_k(X, y, seed, folder):
    """Each fold is held out in turn: the mean decides, the spread says how much it means."""
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(X, y))
    curves = {}
    for metric in ("l1", "l2"):
        accuracies = np.empty((len(KS), FOLDS))
        for fold, (learn, held_out) in enumerate(folds):
            classifier = KNeighborsClassifier(metric=metric).fit(X[learn], y[learn])
            predictions = classifier.predict_for(X[held_out], KS)  # every k from one search
            accuracies[:, fold] = [(predictions[k] == y[held_out]).mean() for k in KS]
        curves[metric] = KS, accuracies
    tg.viz.draw_validation(curves, folder / "knn.png", "n_neighbors", f"kNN, {FOLDS} folds")
    means = {
        (m, k): a for m, (_, each) in curves.items() for k, a in zip(KS, each.mean(1), strict=True)
    }
    metric, k = max(means, key=means.get)
    print(f"2. cross-validation: {metric}, k={k}, {100 * means[metric, k]:.2f} %; see knn.png")
    return KNeighborsClassifier(k, metric=metric).fit(X, y)


def cross_validate_linear(name, classifier, X, y, seed, folder):
    """Regularization by cross-validation; the mean image is that of each fold's training images."""
    pipeline = make_pipeline(RangeScaler(), MeanSubtraction(), classifier)
    strength = f"{type(classifier).__name__.lower()}__alpha"
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    search = GridSearchCV(pipeline, {strength: ALPHAS}, cv=folds).fit(X, y)
    accuracies = np.transpose([search.cv_results_[f"split{f}_test_score"] for f in range(FOLDS)])
    tg.viz.draw_validation(
        {name: (ALPHAS, accuracies)}, folder / f"{name}.png", "alpha", f"{name}, {FOLDS} folds"
    )
    best = search.best_params_[strength]
    print(f"   {name}: alpha={best}, {100 * search.best_score_:.2f} %; see {name}.png")
    return search.best_estimator_


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=["digits", "mnist", "cifar10"], default="digits")
    parser.add_argument("--data-root", type=Path, help="folder with the data set's files")
    parser.add_argument("--images", type=int, default=10_000, help="training images to use (10000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/classical-path"))
    options = parser.parse_args()
    root = () if options.data == "digits" else (options.data_root,)
    training, test = (getattr(tg.data, options.data)(*root, train=part) for part in (True, False))
    X, y = training.arrays()
    chosen = np.random.default_rng(options.seed).permutation(len(X))[: options.images]
    X, y = X[chosen], y[chosen]
    options.out.mkdir(parents=True, exist_ok=True)
    print(f"{options.data}: {len(X):,} training and {len(test):,} test images; bytes, as they are")

    validate_k(X, y, options.seed)
    fitted = {"knn": cross_validate_k(X, y, options.seed, options.out)}
    print("3. linear classifiers, regularization by cross-validation")
    for name, classifier in [
        ("svm", LinearSVMClassifier(random_state=options.seed)),
        ("softmax", SoftmaxClassifier(random_state=options.seed)),
    ]:
        fitted[name] = cross_validate_linear(name, classifier, X, y, options.seed, options.out)
        tg.viz.templates(fitted[name], options.out / f"{name}-templates.png", names=test.classes)
    print("4. templates: each class's row of W as an image; see svm-templates.png")

    test_X, test_y = test.arrays()
    for name, classifier in fitted.items():
        print(f"5. test accuracy, {name}: {100 * classifier.score(test_X, test_y):.2f} %")
    print(f"figures in {options.out}")


if __name__ == "__main__":
    main()
