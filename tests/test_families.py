"""Files of either Keras family, and of TensorFlow 1, into models of either family that have the same layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import families
import numpy as np
import pytest
from families import ARCHITECTURES, FAMILIES, Artefact, Called, named, unnamed

import partial_restore as pr

pytestmark = [
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file"),
]

WRITERS: dict[str, tuple[str, families.Write]] = {
    "tf_keras-save_weights": ("tf_keras", families.save_weights),
    "tf_keras-checkpoint": ("tf_keras", families.checkpoint),
    "tf_keras-weights": ("tf_keras", families.legacy_weights),
    "tf_keras-h5": ("tf_keras", families.legacy_model),
    "tf_keras-weights_h5": ("tf_keras", families.weights_h5),
    "tf_keras-archive": ("tf_keras", families.archive),
    "keras-checkpoint": ("keras", families.checkpoint),
    "keras-weights_h5": ("keras", families.weights_h5),
    "keras-archive": ("keras", families.archive),
    "keras-h5": ("keras", families.legacy_model),
}
SAVER = "tf1-saver"


class Workshop:
    """Models and files, each made when it is first asked for."""

    def __init__(self, folder: Callable[[str], Path]) -> None:
        self._folder = folder
        self._models: dict[tuple[str, str, str, str], Any] = {}
        self._artefacts: dict[tuple[str, str, str], Artefact] = {}

    def model(self, use: str, family: str, architecture: str, n: Called) -> Any:
        """Return the model for this use, be it to write or to restore."""
        key = (use, family, architecture, n.__name__)
        if key not in self._models:
            self._models[key] = ARCHITECTURES[architecture].built(FAMILIES[family], n)
        return self._models[key]

    def artefact(self, writer: str, architecture: str, n: Called) -> Artefact:
        key = (writer, architecture, n.__name__)
        if key not in self._artefacts:
            self._artefacts[key] = self._written(writer, architecture, n, self._folder("-".join(key)))
        return self._artefacts[key]

    def _written(self, writer: str, architecture: str, n: Called, folder: Path) -> Artefact:
        if writer == SAVER:
            self._models.clear()  # A layer of tf_keras that is made in a graph breaks those made outside before.
            return families.written_by_saver(ARCHITECTURES[architecture], n, folder)
        family, write = WRITERS[writer]
        return families.written(
            ARCHITECTURES[architecture], self.model("write", family, architecture, n), write, folder
        )


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp)


def is_complete(writer: str, architecture: str) -> bool:
    """Say whether a writer stores the architecture, and all of it."""
    lost = {
        "keras-h5": {"subclassed"},  # Keras does not write subclassed models as legacy files.
        "tf_keras-h5": {"subclassed"},
        SAVER: {"twins"},  # Keras 2 names the layers `up` and `up_1`, without their models.
        "keras-checkpoint": {"subclassed", "cells"},  # TensorFlow does not see what Keras 3 keeps in lists and dicts.
    }
    return architecture not in lost.get(writer, ())


PAIRS = [(w, a) for a in ARCHITECTURES for w in [*WRITERS, SAVER] if is_complete(w, a)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("n", [named, unnamed])
@pytest.mark.parametrize(("writer", "architecture"), PAIRS)
def test_the_same_layers_load_completely_and_give_the_same_output(
    writer: str, architecture: str, n: Called, family: str, workshop: Workshop
) -> None:
    artefact = workshop.artefact(writer, architecture, n)
    model = families.randomized(workshop.model("restore", family, architecture, n))

    report = pr.restore_subset(model, artefact.path, strict=True)

    assert_complete(report, model, artefact)
    np.testing.assert_allclose(ARCHITECTURES[architecture].output(model), artefact.output, rtol=1e-5, atol=1e-6)


def assert_complete(report: pr.Report, model: Any, artefact: Artefact) -> None:
    """Assert that every weight was loaded, and that the report counts all there is on either side."""
    assert [each for each in report.initialized if "seed" not in each.name] == []
    assert len(report.loaded) == len(families.weights(model))
    assert len(report.loaded) + len(report.initialized) == len(model.variables)
    assert len(report.loaded) + len(report.skipped) == len(pr.list_checkpoint(artefact.path))
    assert families.contents(model) == artefact.contents
