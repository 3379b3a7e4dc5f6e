"""ResNet v1 as in the Caffe networks of He et al., made from torchvision's modules.

Source: the prototxt files of https://github.com/KaimingHe/deep-residual-networks.
"""

from __future__ import annotations

import torchvision
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet


def resnet_v1(name: str, num_classes: int) -> ResNet:
    """``resnet50``, ``resnet101`` or ``resnet152`` with the strides and the first pooling of the prototxt.

    Stride 2 is in the first 1x1 convolution of a block. Only ResNet-50 has a bias in its first convolution. The first
    pooling has no padding and rounds its output size up, so a 112 x 112 map becomes 56 x 56.
    """
    network = torchvision.models.get_model(name, num_classes=num_classes)
    for block in network.modules():
        if isinstance(block, Bottleneck):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
    if name == "resnet50":
        network.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(network.conv1.bias)
    network.maxpool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    return network
