"""Whole networks."""

from __future__ import annotations

from tinygrad_cv.models.convnet import ConvNet, convnet
from tinygrad_cv.models.lenet import LeNet5
from tinygrad_cv.models.mlp import mlp
from tinygrad_cv.models.mobilenet import MobileNetV2, mobilenet_v2
from tinygrad_cv.models.resnet import (
    CifarResNet,
    ResNet,
    resnet18,
    resnet20,
    resnet34,
    resnet50,
)
from tinygrad_cv.models.vgg import VGG, AlexNet, alexnet, vgg11, vgg16

__all__ = [
    "VGG",
    "AlexNet",
    "CifarResNet",
    "ConvNet",
    "LeNet5",
    "MobileNetV2",
    "ResNet",
    "alexnet",
    "convnet",
    "mlp",
    "mobilenet_v2",
    "resnet18",
    "resnet20",
    "resnet34",
    "resnet50",
    "vgg11",
    "vgg16",
]
