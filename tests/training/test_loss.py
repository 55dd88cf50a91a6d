import pytest
import torch
import torch.nn.functional as F

from tinysight.recipe import Loss
from tinysight.training.loss import class_weights, cross_entropy


def test_class_weights_by_hand() -> None:
    cpu = torch.device("cpu")
    assert class_weights(Loss(), [10, 30], cpu) is None
    balanced = class_weights(Loss(class_weights="balanced"), [10, 30], cpu)
    assert balanced is not None
    torch.testing.assert_close(balanced, torch.tensor([2.0, 2 / 3]))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_labels_is_torchs_and_of_shares_the_same(smoothing: float) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(7, 3), torch.tensor([0, 1, 2, 2, 1, 0, 0])
    weights = torch.tensor([1.0, 10.0, 0.5])
    expected = F.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
    shares = F.one_hot(labels, 3).float()
    for targets in (labels, shares):
        torch.testing.assert_close(
            cross_entropy(logits, targets, weights, smoothing=smoothing), expected
        )
    plain = F.cross_entropy(logits, labels, label_smoothing=smoothing)
    torch.testing.assert_close(cross_entropy(logits, shares, None, smoothing=smoothing), plain)


def test_mixed_pictures_count_by_the_weights_of_both_classes() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    shares, weights = torch.tensor([[0.25, 0.75], [1.0, 0.0]]), torch.tensor([1.0, 3.0])
    likely = logits.log_softmax(1)
    losses = -(0.25 * likely[0, 0] + 3 * 0.75 * likely[0, 1]) - likely[1, 0]
    found = cross_entropy(logits, shares, weights, smoothing=0.0)
    torch.testing.assert_close(found, losses / (0.25 + 3 * 0.75 + 1))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("mixed", [False, True])
def test_a_batch_that_weighs_nothing_has_no_loss(smoothing: float, mixed: bool) -> None:
    logits = torch.randn(4, 2, requires_grad=True)
    labels, weights = torch.ones(4, dtype=torch.long), torch.tensor([1.0, 0.0])
    targets = F.one_hot(labels, 2).float() if mixed else labels
    loss = cross_entropy(logits, targets, weights, smoothing=smoothing)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()
