"""How CIFAR ResNets were trained: by He et al. 2015, sec. 4.2 and Table 6, and by akamaster/pytorch_resnet_cifar10."""

from __future__ import annotations

import dataclasses

from benchsuite import Augmentation, Mini, Optimizer, Preprocess, Recipe, Schedule, Warmup, steps

HE = {20: "8.75", 32: "7.51", 44: "7.17", 56: "6.97", 110: "6.43 (best of 5 runs; mean 6.61 +- 0.16)", 1202: "7.93"}
"""Published top-1 error in percent, by the number of layers."""

AKAMASTER = {20: "8.27", 32: "7.37", 44: "6.90", 56: "6.61", 110: "6.32", 1202: "6.18"}
"""Published top-1 error in percent of the best epoch on the test images, by the number of layers."""

CENTRED = Preprocess(32, 32, "bilinear", (0.4914, 0.4822, 0.4465), (1.0, 1.0, 1.0))
"""Subtracts the mean colour; the network subtracts the rest of the per-pixel mean."""

SGD = Optimizer("sgd", 0.1, momentum=0.9, weight_decay=1e-4)
IN_ITERATIONS = steps((32_000, 48_000), 0.1, unit="iterations")
IN_EPOCHS = steps((100, 150), 0.1)

NOTE_HE = (
    "64,000 iterations of 128 images, which is 164 epochs. The paper says neither what the padding is (here the mean "
    "colour) nor whether the mean pixel is subtracted before the crop (here after it)"
)
NOTE_HE_110 = f"{NOTE_HE}. The learning rate is 0.01 until the training error, here of the last 50 steps, is below 80 %"
NOTE_AKAMASTER = "Trained on all 50,000 images; the printed error is that of the best epoch on the test images"
NOTE_WARM = (
    f"{NOTE_AKAMASTER}. The first epoch has a learning rate of 0.01, as its code intends: with today's torch the same "
    "code stays at 0.01 for 100 epochs"
)


def recipes(layers: int, preprocess: Preprocess) -> tuple[Recipe, ...]:
    """The two recipes of the network with that many layers; ``preprocess`` has the mean and std of akamaster."""
    return (_he(layers), _akamaster(layers, preprocess))


def _he(layers: int) -> Recipe:
    schedule, note = IN_ITERATIONS, NOTE_HE
    if layers == 110:
        schedule, note = _warm(IN_ITERATIONS, Warmup(0.1, until_error=0.8)), NOTE_HE_110
    return Recipe(
        name=f"he-cifar-{layers}",
        architecture=f"resnet{layers}",
        dataset="cifar10",
        options=(("pixel_mean", True),),
        preprocess=CENTRED,
        epochs=164,
        iterations=64_000,
        batch_size=128,
        optimizer=SGD,
        schedule=schedule,
        augmentation=Augmentation(pad=4, fill="mean", flip=True),
        pixel_mean=True,
        source="He et al. 2015 (arXiv:1512.03385), sec. 4.2 and Table 6",
        expected=f"top-1 error {HE[layers]} %",
        cost="64,000 steps of 128 images",
        note=note,
        mini=_mini(layers, 41),
    )


def _akamaster(layers: int, preprocess: Preprocess) -> Recipe:
    warm = layers >= 110
    return Recipe(
        name=f"akamaster-{layers}",
        architecture=f"resnet{layers}",
        dataset="cifar10",
        preprocess=preprocess,
        epochs=200,
        batch_size=128,
        optimizer=SGD,
        schedule=_warm(IN_EPOCHS, Warmup(0.1, epochs=1)) if warm else IN_EPOCHS,
        augmentation=Augmentation(pad=4, flip=True),
        accounting="exact-best",
        source="https://github.com/akamaster/pytorch_resnet_cifar10, README and trainer.py",
        expected=f"top-1 error {AKAMASTER[layers]} %",
        cost="200 epochs of 50,000 images",
        note=NOTE_WARM if warm else NOTE_AKAMASTER,
        mini=_mini(layers, 50),
    )


def _warm(schedule: Schedule, warmup: Warmup) -> Schedule:
    return dataclasses.replace(schedule, warmup=warmup)


def _mini(layers: int, shorter: float) -> Mini:
    """Four epochs, with fewer images for 110 and 1202 layers, and small batches for 1202, which needs much memory."""
    if layers == 1202:
        return Mini(shorter, batch_size=16, rate=1 / 8, images=1000)
    return Mini(shorter, images={110: 12_500}.get(layers))
