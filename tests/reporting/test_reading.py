import pytest

from tinysight.reporting.reading import curves


def rows(accuracy, loss, train_loss=None):
    train_loss = train_loss or [0.0] * len(accuracy)
    return [
        {"epoch": float(i), "validation_accuracy": a, "validation_loss": v, "train_loss_clean": t}
        for i, (a, v, t) in enumerate(zip(accuracy, loss, train_loss, strict=True), 1)
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (rows([], []), "No epoch was completed, so there is nothing to draw."),
        (
            rows([0.4], [1.5]),
            "A single epoch: points, no curves yet. Validation accuracy stands at 40.0%.",
        ),
        (
            rows([0.4, 0.6, 0.7, 0.75, 0.8], [1.5, 1.2, 1.0, 0.9, 0.8]),
            "Validation accuracy is highest in epoch 5, at 80.0%. "
            "The last epoch brought 5.0 points. More epochs would probably help.",
        ),
        (
            rows([0.4, 0.6, 0.7, 0.798, 0.8], [1.5, 1.2, 1.0, 0.9, 0.9]),
            "Validation accuracy is highest in epoch 5, at 80.0%. "
            "The last epoch brought 0.2 points.",
        ),
        (
            rows([0.4, 0.6, 0.8, 0.79, 0.78], [1.5, 1.2, 1.0, 1.0, 1.01]),
            "Validation accuracy is highest in epoch 3, at 80.0%; the last epoch stands at 78.0%. "
            "The last epoch brought nothing more.",
        ),
        (
            rows([0.4, 0.6, 0.7, 0.7, 0.71], [1.5, 1.0, 1.1, 1.2, 1.4], [1.4, 0.9, 0.6, 0.3, 0.1]),
            "Validation accuracy is highest in epoch 5, at 71.0%. Validation loss was lowest in "
            "epoch 2 (1.000) and has risen to 1.400 while the training loss still fell: the model "
            "grows surer of its mistakes.",
        ),
    ],
)
def test_curves_are_read(given, said):
    assert curves(given) == said
