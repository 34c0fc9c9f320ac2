"""What is seen of a model on a GPU (emulated) is what is seen of it on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn, optim, viz
from tinygrad_cv.training import Trainer

IMAGES, LABELS = tg.rand(3, 1, 8, 8, generator=tg.Generator(0)), tg.tensor([0, 2, 1])


def seen(model):
    return {
        "saliency": viz.saliency(model, IMAGES),
        "grad_cam": viz.grad_cam(model, IMAGES, LABELS),
        "occlusion_map": viz.occlusion_map(model, IMAGES[:1]),
        "activation_maps": viz.activation_maps(model, IMAGES),
        "last_features": viz.last_features(model, IMAGES),
        "predictions": viz.predictions(model, [(IMAGES, LABELS)]).chances,
        "loss_landscape": viz.loss_landscape(model, (IMAGES, LABELS), points=3).losses,
    }


@pytest.mark.usefixtures("cupy")
def test_a_model_on_a_gpu_is_seen_as_on_the_cpu(tmp_path):
    tg.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 3))
    want = seen(model)
    model.to("cuda")
    for name, values in seen(model).items():
        np.testing.assert_allclose(values, want[name], rtol=1e-4, atol=1e-6, err_msg=name)
    viz.draw_filters(model, tmp_path / "filters.png")
    viz.draw_activations(model, IMAGES[:1].cuda(), tmp_path / "maps.png")
    viz.draw_explanations(model, IMAGES.cuda(), LABELS, "abc", tmp_path / "why.png")
    watch = viz.UpdateHistogram(every=2)
    sgd = optim.SGD(model.parameters(), lr=0.1)
    batches = [(IMAGES, LABELS)] * 2
    Trainer(model, sgd, callbacks=[watch]).fit(batches, batches, 1)
    watch.draw(tmp_path / "updates.png")
    assert all(isinstance(update, np.ndarray) for update in watch.updates.values())
