"""How the small networks of published Fashion-MNIST figures were trained: the settings of each source, all stated.

The sources print accuracies on the 10,000 test images. Only the notebooks of A. Geron hold
images out: they train on 55,000 of the 60,000.
"""

from __future__ import annotations

from typing import Any

from benchsuite import Mini, Optimizer, Preprocess, Recipe, Schedule

PREPROCESS = Preprocess(28, 28, "bilinear", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
"""Pixels from 0 to 1, as every source has them."""

BOURKE = "mrdbourke/pytorch-deep-learning, 03_pytorch_computer_vision.ipynb"
BOURKE_NOTE = (
    "The printed accuracy is a mean over batches of 32 images, and the last of the 313 batches has 16: no number of "
    "right images gives 83.42651757188499 %, which the notebook prints for model_0"
)
GERON_NOTE = (
    "The second edition leaves out the first 5,000 training images, the third the last 5,000; here the 55,000 are "
    "evenly spaced"
)


def _recipe(name: str, said: str, **fields: Any) -> Recipe:
    defaults: dict[str, Any] = {
        "dataset": "fashion-mnist",
        "preprocess": PREPROCESS,
        "schedule": Schedule(),
        "expected": f"top-1 accuracy {said} %",
        "mini": Mini(fields["epochs"], images=10_000),
    }
    return Recipe(name=name, **(defaults | fields))


_PERCEPTRON = _recipe(
    "lianghong-mlp",
    "90.0500",
    architecture="mlp",
    options=(("hidden", (256, 128, 64)), ("start", "mxnet")),
    epochs=25,
    batch_size=200,
    optimizer=Optimizer("sgd", 0.1, momentum=0.8),
    source="lianghong/fashion_mnist-on-mxnet, README.md and fashion-mnist.py",
    cost="under a minute of one core",
    note="The source prints the accuracy of every epoch, and does not say of which its README quotes one",
)

_BATCHES = {
    "epochs": 3,
    "batch_size": 32,
    "optimizer": Optimizer("sgd", 0.1),
    "accounting": "batch-mean",
    "source": BOURKE,
    "note": BOURKE_NOTE,
}

PERCEPTRONS = (
    _PERCEPTRON,
    _recipe(
        "geron-mlp",
        "88.37",
        architecture="mlp",
        options=(("hidden", (300, 100)), ("start", "keras")),
        epochs=30,
        batch_size=32,
        optimizer=Optimizer("sgd", 0.01),
        images=55_000,
        expected="top-1 accuracy 88.37 % in the second edition, 88.64 % in the third",
        source="ageron/handson-ml2 and handson-ml3, 10_neural_nets_with_keras.ipynb",
        cost="about three minutes of one core",
        note=GERON_NOTE,
    ),
    *(
        _recipe(
            name,
            said,
            architecture="mlp",
            options=(("hidden", (10,)), *options),
            cost="about 10 seconds of one core",
            **_BATCHES,
        )
        for name, said, options in (
            ("bourke-0", "83.43", (("relu", False),)),
            ("bourke-1", "75.02", (("relu_out", True),)),
        )
    ),
)

TINY_VGG = _recipe(
    "bourke-2",
    "88.38",
    architecture="tiny_vgg",
    cost="about a minute of one core",
    **_BATCHES,
)

LENET = _recipe(
    "d2l-lenet",
    "77.9",
    architecture="lenet_sigmoid",
    epochs=10,
    batch_size=256,
    optimizer=Optimizer("sgd", 0.9),
    source="d2l-ai/d2l-zh-pytorch-slides, chapter_convolutional-neural-networks/lenet.ipynb",
    cost="about two minutes of one core",
    note="The accuracy after ten epochs depends much on the seed: 127 versions of the notebook print 75.2 to 82.8 %",
)
