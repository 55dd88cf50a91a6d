import pytest
import torch

from tinysight.training.muon import muon, orthogonal


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (8, 8)])
def test_singular_values_come_near_one_and_directions_stay(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape, dtype=torch.float64)
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonal(matrix)
    left = u.T @ found @ v.T  # in the matrix's own directions
    assert torch.allclose(left, torch.diag(left.diagonal()), atol=1e-9)
    large = s > 0.15 * s.norm()
    assert large.sum() > 2
    assert ((left.diagonal()[large] > 0.6) & (left.diagonal()[large] < 1.25)).all()


def test_it_is_the_iteration_that_the_source_writes_out() -> None:
    """X <- a X + (b A + c A A) X with A = X X', which is done here on the Gram matrix alone."""
    torch.manual_seed(1)
    matrix = torch.randn(5, 30, dtype=torch.float64)
    x = matrix / matrix.norm()
    for _ in range(3):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    torch.testing.assert_close(orthogonal(matrix), x)


def test_no_gradient_is_no_direction() -> None:
    assert torch.equal(orthogonal(torch.zeros(3, 7)), torch.zeros(3, 7))


@pytest.mark.parametrize("filters", [4, 64])  # fewer than a filter has weights, and more
@pytest.mark.parametrize("nesterov", [True, False])
def test_a_step_by_hand(filters: int, nesterov: bool) -> None:
    torch.manual_seed(2)
    weight, first, second = torch.randn(3, filters, 2, 3, 3)
    weight = weight.clone()
    expected, momentum = weight.clone(), torch.zeros_like(weight)
    kept = [torch.zeros_like(weight)]
    for gradient in (first, second):
        muon([weight], [gradient], kept, lr=0.1, momentum=0.6, nesterov=nesterov)
        momentum = 0.6 * momentum + gradient
        towards = gradient + 0.6 * momentum if nesterov else momentum
        step = orthogonal(towards.view(filters, 18)).view_as(towards)
        expected = expected / expected.norm() * filters**0.5 - 0.1 * step
        torch.testing.assert_close(weight, expected)
    torch.testing.assert_close(kept[0], momentum)


def test_weights_of_zero_are_moved_and_stay_numbers() -> None:
    torch.manual_seed(3)
    weight, gradient = torch.zeros(32, 2, 3, 3), torch.randn(32, 2, 3, 3)
    muon([weight], [gradient], [torch.zeros_like(weight)], lr=0.1, momentum=0, nesterov=False)
    torch.testing.assert_close(weight, -0.1 * orthogonal(gradient.view(32, 18)).view_as(weight))
