"""The defects that the conformance kit finds by name, and how to mend each; ``plugin check`` and pytest print both."""

from __future__ import annotations

from benchsuite.errors import PluginError

DEFECTS = {
    "batch-dependent": "Normalise each image alone or by stored statistics, not over the batch",
    "class-count": "Pass num_classes of build to the last layer, and return the logits only",
    "declaration": "Change the declared value; docs/plugins.md describes each field",
    "dense-map": "features(x) must return the map that the network itself pools, and head what follows the pooling",
    "dense-stride": "features(x) must return the map before the global pooling, at the network's own stride",
    "dropout-left-on": "Use torch.nn.Dropout or F.dropout(x, training=self.training), so that eval() switches it off",
    "error": "Call the function alone in Python to see where it fails",
    "global-settings": "Do not call torch.set_default_dtype, set_grad_enabled or set_num_threads in a plugin",
    "heavy-import": "Import it inside build(), or in a _private.py module that build() imports",
    "input-changed": "Do not change the input in place: write x = x - mean, not x -= mean",
    "preprocess-units": "Divide mean and std by 255, or set range=255.0, as the network was trained",
    "softmax-in-network": "Remove the last softmax: protocols combine logits or probabilities themselves",
    "state-between-batches": "Keep nothing on the module between calls of forward: earlier batches must not matter",
    "statistics-updated": "Do not call train() or update buffers in forward: normalise by stored statistics",
    "undeclared-fixed-size": "Declare Input(fixed=True) and dense=None if the network takes images of one size only",
    "unseeded-build": "Draw initial weights with torch only: --weights random must be the same in every process",
}
"""How to mend each defect, in one sentence, by its name."""


class Defect(PluginError):
    """A value that a plugin declares breaks its contract: ``name`` is a key of ``DEFECTS``.

    The message says what was expected, and how to mend it.
    """

    def __init__(self, problem: str, name: str = "declaration") -> None:
        super().__init__(f"{problem}. {DEFECTS[name]}")
        self.problem, self.name, self.mend = problem, name, DEFECTS[name]
