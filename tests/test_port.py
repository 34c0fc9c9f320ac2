"""A script as PyTorch users write it moves over by its import lines alone."""

from __future__ import annotations

import re

import pytest

SCRIPT = """\
import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(0)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

images = 0.3 * torch.randn(160, 1, 8, 8)
labels = torch.randint(0, 2, (160,))
for image, label in zip(images, labels):  # a bright row or a bright column
    at = torch.randint(0, 8, (1,)).item()
    image[0, at, :] += 1.0 if label == 0 else 0.0
    image[0, :, at] += label.float()
train_set, test_set = random_split(TensorDataset(images, labels), [120, 40])

class Net(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 8, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.dropout = nn.Dropout(0.1)
        self.fc = nn.Linear(8 * 4 * 4, classes)

    def forward(self, x):
        x = self.features(x)
        x = x.view(x.size(0), -1)
        return self.fc(self.dropout(x))

model = Net().to(device)
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=0.02, weight_decay=1e-4)
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=8, gamma=0.5)
losses = []
for epoch in range(12):
    model.train()
    running_loss = 0.0
    for x, y in DataLoader(train_set, batch_size=20, shuffle=True):
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=5.0)
        optimizer.step()
        running_loss += loss.item() * x.size(0)
    scheduler.step()
    losses.append(running_loss / len(train_set))

model.eval()
correct = 0
with torch.no_grad():
    for x, y in DataLoader(test_set, batch_size=40):
        probabilities = F.softmax(model(x.to(device)), dim=1)
        correct += (probabilities.argmax(dim=1).cpu() == y).sum().item()
twin = Net()
twin.load_state_dict(model.state_dict())
twin.eval()
same = torch.equal(twin(x), model(x))
"""


def moved(script: str) -> str:
    """The script with other import lines; no other line may change."""
    lines = script.splitlines()
    for i, line in enumerate(lines):
        if re.match(r"(import|from) torch\b", line):
            other = line.replace("torch", "tinygrad_cv", 1)
            lines[i] = f"{other} as torch" if line == "import torch" else other
    return "\n".join(lines)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(SCRIPT, id="torch", marks=pytest.mark.torch),
        pytest.param(moved(SCRIPT), id="tinygrad_cv"),
    ],
)
def test_script_learns(script):
    names = {"__name__": "script"}
    exec(compile(script, "script", "exec"), names)
    assert names["losses"][-1] < names["losses"][0] / 2
    assert names["correct"] >= 36  # of 40
    assert names["same"]
    assert names["scheduler"].get_last_lr() == [0.01]
    state = names["model"].state_dict()
    assert [(name, tuple(value.shape)) for name, value in state.items()] == [
        ("features.0.weight", (8, 1, 3, 3)),
        ("features.0.bias", (8,)),
        ("fc.weight", (2, 128)),
        ("fc.bias", (2,)),
    ]
