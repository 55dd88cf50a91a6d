"""The verdict on the fit, as a report puts it."""

import pytest
from tests.reporting.pages import remove, report

from tinysight.reporting.gathering import gather


def test_the_verdict_stands_with_its_numbers_and_limits(run, undrawn):
    said = report(run(splits=("validation",), accuracy=0.0, overfit=0.3)).text
    assert "Overfits The model overfits: " in said
    assert (
        "10 points or more; else it underfits where its clean training accuracy is below 80%"
        in said
    )
    assert "A rule of thumb" in said


def test_the_verdict_uses_the_epoch_of_the_best_checkpoint(run):
    folder = run()
    found = gather(folder).fitting
    assert found is not None
    assert found.running == folder.metrics()[10]["train_accuracy_running"]  # epoch 11 of 12
    assert found.train.n == 5000
    assert found.validation == gather(folder).evaluated["validation"].metrics.top1


def test_without_an_evaluation_the_verdict_uses_what_training_measured(run):
    folder = run(splits=("validation",))
    remove(folder, "evaluation")
    found = gather(folder).fitting
    assert found is not None
    v = found.validation
    assert v.n == 500  # of data.json
    assert (
        f"its best checkpoint reached a validation accuracy of {v.value:.2%} (95% interval "
        f"{100 * v.low:.2f} to {100 * v.high:.2f}%, n = 500). The test labels"
        in report(folder).text
    )
    assert found.validation.value == pytest.approx(
        folder.metrics()[10]["validation_accuracy"], abs=1 / 1000
    )


def switch(folder, *, augment: bool, dropout: bool | None) -> None:
    """Write a run's recipe and model with augmentation and dropout on or off."""
    recipe = folder.recipe().override("augment.flip", augment).override("augment.crop", 0)
    if dropout is None:  # the table of layers is missing, and the recipe alone says it
        remove(folder, "model.json")
        recipe = recipe.override("model.dropout", 0.3)
    elif dropout:
        model = folder.read_json("model")
        model["layers"][4]["kind"] = "Dropout"
        folder.write_json("model", model)
    folder.write({"recipe.json": recipe.to_json()})


@pytest.mark.parametrize(
    ("augment", "dropout", "on"),
    [
        (False, False, ""),
        (True, False, "with augmentation on, "),
        (False, True, "with dropout on, "),
        (True, True, "with augmentation and dropout on, "),
        (False, None, "with dropout on, "),
    ],
)
def test_only_what_was_on_is_blamed_for_the_running_accuracy(run, undrawn, augment, dropout, on):
    folder = run(splits=("validation",))
    switch(folder, augment=augment, dropout=dropout)
    said = report(folder).text
    assert f"lies below validation: it is counted {on}while the weights still change" in said
    assert f"Running: counted while training, {on}as a mean over the epoch." in said


def test_a_loss_above_that_of_knowing_nothing_turns_the_advice(run, undrawn):
    folder = run(splits=("validation",), accuracy=-0.9)
    text = folder.metrics_csv.read_text().splitlines()
    at = text[0].split(",").index("train_loss_clean")

    def said(loss: str) -> str:
        last = text[-1].split(",")
        last[at] = loss
        folder.write({"metrics.csv": "\n".join([*text[:-1], ",".join(last)]) + "\n"})
        found = gather(folder).fitting
        assert found is not None
        assert found.verdict == "underfits"
        return found.sentence

    assert "a higher learning rate" in said("1.9")
    assert "To try next: a lower learning rate. The clean training loss (7.5)" in said("7.5")
    assert "a higher learning rate" in said("nan")


def test_a_verdict_on_too_few_pictures_is_none(run, undrawn):
    said = report(run(("cat", "dog"), each=4, splits=("validation",))).text
    assert "Undecided Too few pictures to say: " in said
    assert "of 8 validation pictures" in said
    assert "where the interval of the gap is wider than 20 points nothing is decided" in said
