"""A training that was done, and what can be asked of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tinysight.api.data import reload
from tinysight.api.pictures import gathered
from tinysight.api.preparing import check_views
from tinysight.data.dataset import DataSet
from tinysight.errors import UsageError
from tinysight.evaluation import result
from tinysight.evaluation.predict import Prediction
from tinysight.evaluation.predict import predict as predict_pictures
from tinysight.evaluation.result import Evaluation
from tinysight.machine import choose_device, choose_threads, using
from tinysight.models import Classifier
from tinysight.models.restore import restore_with_digest
from tinysight.progress import Progress
from tinysight.recipe import Recipe
from tinysight.reporting import notebook, write_report
from tinysight.run import RunFolder

__all__ = ["Run"]

LOGGER = logging.getLogger("tinysight")


@dataclass(eq=False)
class Run:
    """A training that was done, and what can be asked of it.

    In a notebook it shows itself: headline, table and curves.
    """

    folder: RunFolder
    _data: DataSet | None = field(default=None, repr=False)
    _progress: Progress = field(default_factory=Progress, repr=False)

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.folder.path

    @cached_property
    def recipe(self) -> Recipe:
        """What the run was trained by."""
        return self.folder.recipe()

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the logits."""
        return tuple(self.folder.data()["classes"])

    @property
    def history(self) -> list[dict[str, float]]:
        """The rows of metrics.csv, one an epoch."""
        return self.folder.metrics()

    def model(self, checkpoint: str = "best", *, device: str = "cpu") -> Classifier:
        """Return the trained network in evaluation mode: n c h w pictures of 0..255 to logits.

        Args:
            checkpoint: "best" or "last".
            device: where it computes, and where the pictures must be: as for `train`.
        """
        return self._model(checkpoint, device)[0]

    def evaluate(
        self,
        split: str = "validation",
        *,
        tta: str = "none",
        data: Any = None,
        device: str = "auto",
    ) -> Evaluation:
        """See `tinysight.evaluate`."""
        if split not in ("validation", "test"):
            raise UsageError(f"split must be validation or test, got {split!r}")
        check_views(tta)
        if split == "validation" and self.recipe.chosen_on != "validation":
            kind = "a final fit" if self.recipe.final else "by protocol=source"
            raise UsageError(
                f"{self.path} is {kind}: it was trained on its validation split too, so that "
                "says nothing of new pictures; use split test"
            )
        choose_device(device)
        found = self.data(data)
        part = found.split(split)
        if part is None:
            raise UsageError(f"{found.name} has no {split} split; evaluate on validation")
        check_views(tta, found)
        with self.folder.logging(self._progress.say):
            model, weights = self._model("best", device)
            if split == "test":
                self.folder.count_test_read("evaluate")
            with using(choose_threads()):
                evaluation = result.evaluate(
                    model,
                    part,
                    found.classes,
                    name=split,
                    checkpoint="best",
                    weights=weights,
                    tta=tta,
                    test_selected=self.recipe.chosen_on == "test",
                    progress=self._progress,
                )
            result.save(evaluation, part, self.folder)
            LOGGER.info("%s", evaluation)
        return evaluation

    def predict(
        self, pictures: Any, *, top: int = 5, device: str = "auto", quiet: bool = False
    ) -> list[Prediction]:
        """See `tinysight.predict`."""
        if type(top) is not int or top < 1:
            raise UsageError(f"top must be a whole number of 1 or more, got {top!r}")
        choose_device(device)
        found = gathered(pictures, Progress(quiet=quiet))
        h, w, c = self.folder.data()["shape"]
        model = self.model(device=device)
        with using(choose_threads()):
            return predict_pictures(model, found, shape=(h, w, c), classes=self.classes, top=top)

    def report(self) -> Path:
        """See `tinysight.report`."""
        with self.folder.logging(self._progress.say):
            return write_report(self.folder, self._progress)

    def data(self, source: Any = None) -> DataSet:
        """Read the run's data set again and check that it is what the run was trained on.

        Args:
            source: where it is now, if it has moved or was in memory; as for `load_data`.

        Raises:
            DataError: it has changed, has moved, or was in memory.
        """
        if self._data is None or source is not None:
            self._data = reload(self.folder, self.recipe.data, source)
        return self._data

    def _model(self, checkpoint: str, device: str) -> tuple[Classifier, str]:
        """The trained network where it is to compute, and the sum of its file of weights."""
        place = choose_device(device)
        model, weights = restore_with_digest(self.folder, checkpoint)
        return model.to(place), weights

    def __str__(self) -> str:
        return notebook.summary(self.folder)

    def _repr_html_(self) -> str:
        return notebook.html(self.folder)
