import pytest
import torch

from tinysight.training.batches import order, steps, steps_in_all


@pytest.mark.parametrize(("n", "batch_size"), [(10, 3), (10, 10), (7, 2), (100, 16), (1, 1)])
def test_every_picture_once_in_batches_as_equal_as_can_be(n: int, batch_size: int) -> None:
    batches = order(n, batch_size, seed=3, epoch=1)
    sizes = [len(b) for b in batches]
    assert sorted(torch.cat(batches).tolist()) == list(range(n))
    assert len(batches) == steps(n, batch_size)
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1


def test_the_order_is_a_function_of_seed_and_epoch_alone() -> None:
    def whole(seed: int, epoch: int, batch_size: int = 8) -> list[int]:
        return torch.cat(order(64, batch_size, seed=seed, epoch=epoch)).tolist()

    before = torch.get_rng_state()
    first = whole(0, 1)
    assert torch.equal(torch.get_rng_state(), before)
    assert first == whole(0, 1) == whole(0, 1, batch_size=16)
    assert first != whole(0, 2)
    assert first != whole(1, 1)


@pytest.mark.parametrize(
    ("epochs", "found"), [(1, 70), (2.5, 175), (0.1, 7), (0.001, 1), (1 / 3, 24)]
)
def test_steps_of_a_part_of_an_epoch(epochs: float, found: int) -> None:
    assert steps_in_all(steps(700, 10), epochs) == found
