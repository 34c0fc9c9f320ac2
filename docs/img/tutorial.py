"""Draws the pictures of the tutorial: python docs/img/tutorial.py"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.data.preprocessing import MeanSubtraction, RangeScaler
from tinygrad_cv.linear_model import LinearSVMClassifier
from tinygrad_cv.neighbors import KNeighborsClassifier, NearestNeighbors
from tinygrad_cv.viz import drawing
from tinygrad_cv.viz.figure import axes_grid, figure, show, write

HERE = Path(__file__).parent
LINE, SLOPE = "#0b5394", "#e69138"


def neighbours(path: Path) -> None:
    """Test digits, the last one with a nearest neighbour of another class, and their five nearest."""
    training, test = tg.data.digits(train=True), tg.data.digits(train=False)
    (X, y), (test_X, test_y) = training.arrays(), test.arrays()
    chosen = [0, 1, 2, 12]
    _, nearest = NearestNeighbors(n_neighbors=5, metric="l2").fit(X).kneighbors(test_X[chosen])
    made = figure(6.6, 5)
    axes = axes_grid(made, 6 * len(chosen), 6)
    for row, number in enumerate(chosen):
        said = [(test_X[number], f"test: {test_y[number]}")]
        said += [(X[i], f"{rank}. {y[i]}") for rank, i in enumerate(nearest[row], 1)]
        for axis, (pixels, title) in zip(axes[6 * row :], said, strict=False):
            show(axis, pixels.reshape(1, 28, 28) / 255, title)
    write(made, path)


def validation(path: Path) -> None:
    """Accuracy of k nearest neighbours over five folds of 2,500 digits."""
    from sklearn.model_selection import StratifiedKFold

    X, y = (part[:2500] for part in tg.data.digits(train=True).arrays())
    ks = [1, 3, 5, 9, 15, 30]
    accuracy = np.zeros((len(ks), 5))
    for fold, (learn, hold) in enumerate(StratifiedKFold(5).split(X, y)):
        classifier = KNeighborsClassifier(metric="l2").fit(X[learn], y[learn])
        for i, found in enumerate(classifier.predict_for(X[hold], ks).values()):
            accuracy[i, fold] = (found == y[hold]).mean()
    tg.viz.draw_validation({"l2": (ks, accuracy)}, path, "k", "2,500 digits, five folds")


def templates(path: Path) -> None:
    """The rows of a linear SVM's W."""
    from sklearn.pipeline import make_pipeline

    X, y = tg.data.digits(train=True).arrays()
    svm = make_pipeline(RangeScaler(), MeanSubtraction(), LinearSVMClassifier(random_state=0))
    tg.viz.templates(svm.fit(X, y), path)


def neuron(path: Path) -> None:
    """A sigmoid neuron with two inputs as a circuit."""
    values = {"w0": 2.0, "x0": -1.0, "w1": -3.0, "x1": -2.0, "w2": -3.0}
    w = {name: tg.tensor(value, requires_grad=True) for name, value in values.items()}
    with tg.viz.record() as circuit:
        f = 1 / (1 + (-(w["w0"] * w["x0"] + w["w1"] * w["x1"] + w["w2"])).exp())
        f.backward()
    path.write_text(drawing.plain_svg(circuit.name(**w)), encoding="utf-8")


def activations(path: Path) -> None:
    """Activation functions and their derivatives."""
    functions = {
        "sigmoid": F.sigmoid,
        "tanh": F.tanh,
        "ReLU": F.relu,
        "leaky ReLU, 0.1": lambda x: F.leaky_relu(x, 0.1),
    }
    made = figure(8.8, 2.5)
    for axis, (name, function) in zip(made.subplots(1, 4), functions.items(), strict=True):
        x = tg.tensor(np.linspace(-4, 4, 400), requires_grad=True)
        out = function(x)
        out.sum().backward()
        axis.plot(x.tolist(), out.tolist(), color=LINE, label="value")
        axis.plot(x.tolist(), x.grad.tolist(), "--", color=SLOPE, label="derivative")
        axis.set_title(name, fontsize=10)
        axis.set_ylim(-1.2, 2)
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=8)
    made.axes[0].legend(frameon=False, fontsize=8)
    write(made, path)


def lenet(maps: Path, robustness: Path) -> None:
    """What a trained LeNet's first filters make of a digit, and what it withstands."""
    tg.manual_seed(0)
    training, test = tg.data.digits(train=True), tg.data.digits(train=False)
    net = tg.models.LeNet5()
    adam = tg.optim.Adam(net.parameters(), lr=0.003)
    batches = tg.data.DataLoader(training, 50, shuffle=True, seed=0)
    tg.training.Trainer(net, adam).fit(batches, tg.data.DataLoader(test, 500), 3)
    tg.viz.draw_activations(net, test[:1][0], maps)
    tg.viz.draw_robustness(tg.training.robustness(net, test), robustness)


if __name__ == "__main__":
    neighbours(HERE / "tutorial-neighbours.png")
    validation(HERE / "tutorial-knn.png")
    templates(HERE / "tutorial-templates.png")
    neuron(HERE / "tutorial-neuron.svg")
    activations(HERE / "tutorial-activations.png")
    lenet(HERE / "tutorial-activations-lenet.png", HERE / "tutorial-robustness.png")
