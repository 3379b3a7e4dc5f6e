"""The accountings of the published programs in plain Python, with the same steps per batch and epoch.

``passes`` is a list of epochs, each a list of 0 and 1 in loader order. All results are in percent.
"""

import math
from fractions import Fraction


def batches(one_pass, batch_size):
    """The batches of a loader that neither shuffles nor drops images."""
    return [one_pass[start : start + batch_size] for start in range(0, len(one_pass), batch_size)]


class Monitor:
    """The monitor of juefeix/pnn.pytorch: it smooths by default, and its reset does not change the value.

    The reset assigns to a loop variable, so only the number of images seen is set to 0.
    """

    def __init__(self, smoothing=True, smoothness=0.7, working_reset=False):
        self.values = {"accuracy": 0}
        self.smoothing, self.smoothness, self.working_reset = smoothing, smoothness, working_reset
        self.seen = 0

    def reset(self):
        self.seen = 0
        for value in self.values.values():
            value = 0  # noqa: F841, PLW2901
        if self.working_reset:
            self.values = {"accuracy": 0}

    def update(self, accuracy, images):
        mean = (self.values["accuracy"] * self.seen + accuracy * images) / (self.seen + images)
        smoothed = self.values["accuracy"] * self.smoothness + accuracy * (1 - self.smoothness)
        self.values["accuracy"] = smoothed if self.smoothing else mean
        self.seen += images


def pnn(passes, batch_size, **monitor):
    """juefeix/pnn.pytorch: (the number of each epoch, the best). Incomplete batches are not tested."""
    kept, best, history = Monitor(**monitor), 0, []
    for one_pass in passes:
        kept.reset()
        for batch in batches(one_pass, batch_size):
            if len(batch) == batch_size:
                kept.update(float(sum(batch) * 100.0) / float(len(batch)), len(batch))
        history.append(kept.values["accuracy"])
        if best < history[-1]:
            best = history[-1]
    return history, best


def klachko(passes, batch_size, integers=False):
    """michaelklachko/pnn.pytorch: (the number of each epoch, the best). The best is of the epochs with epoch > 10."""
    best, history = 0, []
    for epoch, one_pass in enumerate(passes):
        accuracies = []
        for batch in batches(one_pass, batch_size):
            percent = sum(batch) * 100
            accuracies.append(percent // batch_size if integers else percent / batch_size)
        history.append(sum(accuracies) / len(accuracies))
        if history[-1] > best and epoch > 10:
            best = history[-1]
    return history, best


def lbcnn(passes, batch_size):
    """juefeix/lbcnn.torch: (the number of each epoch, the number printed at the end as the best)."""
    best, history = math.inf, []
    for one_pass in passes:
        total, count = 0.0, 0
        for batch in batches(one_pass, batch_size):
            total += sum(batch) / len(batch) * 100
            count += 1
        history.append(total / count)
        if history[-1] < best:
            best = history[-1]
    return history, best


def akamaster(passes, batch_size):
    """akamaster/pytorch_resnet_cifar10: (the number of each epoch, the best). Its meter weights batches by size."""
    best, history = 0, []
    for one_pass in passes:
        total, count = 0.0, 0
        for batch in batches(one_pass, batch_size):
            total += 100.0 * sum(batch) / len(batch) * len(batch)
            count += len(batch)
        history.append(total / count)
        best = max(best, history[-1])
    return history, best


def readme(passes, batch_size):
    """As in the README: test_accuracy = 0.7 * prev_batch_accuracy + 0.3 * current_batch_accuracy, on full batches."""
    history = []
    for one_pass in passes:
        previous, printed = 0, 0
        for batch in batches(one_pass, batch_size):
            if len(batch) == batch_size:
                current = 100 * sum(batch) / batch_size
                printed = 0.7 * previous + 0.3 * current
                previous = current
        history.append(printed)
    return history, max(history)


def sampled(n, world):
    """The images of each of ``world`` processes: all images, then the first ones again until all have equally many."""
    indices = list(range(n))
    while len(indices) % world:
        indices.append(indices[len(indices) - n])
    return [indices[process::world] for process in range(world)]


def padded(one_pass, world):
    """The exact mean of the accuracies of the processes."""
    parts = sampled(len(one_pass), world)
    return sum(Fraction(100 * sum(one_pass[i] for i in part), len(part)) for part in parts) / world
