"""The second step divides what the Swin gives its layouts, in every verb that asks a finished model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from certain_models import write_certain_model

from spatial_swin.audio.tiles import TileMap, tile_map
from spatial_swin.data.pooled_rows import pooled_rows
from spatial_swin.errors import RunError
from spatial_swin.evaluation.calibration import softmax
from spatial_swin.evaluation.steps import SECOND_STEP
from spatial_swin.modeling.pooled_network import PooledNetwork
from spatial_swin.second_step import SecondStep, read_second_step

FOUR = ["100", "200", "510", "514"]
TILES = tile_map("4x4", 192, 48_000, 3.0)


def network(side: int = 192) -> PooledNetwork:
    torch.manual_seed(0)
    features = pooled_rows(torch.zeros(1, 1, side, side, dtype=torch.uint8), TILES).shape[1]
    return PooledNetwork(("510", "514"), torch.full((features,), 127.0), torch.full((features,), 60.0)).eval()


def pictures(count: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, 256, (count, 1, 192, 192), generator=generator, dtype=torch.uint8).expand(-1, 3, -1, -1)


def test_other_layouts_and_the_family_keep_their_probability() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (4, 4))
    step = SecondStep(network(), FOUR, TILES)
    before, after = softmax(logits), softmax(step.decide(logits, pictures()))
    assert after[:, :2] == pytest.approx(before[:, :2])
    assert after[:, 2:].sum(1) == pytest.approx(before[:, 2:].sum(1))
    undecided = softmax(step.decide(np.zeros((4, 4)), pictures()))
    assert after[:, 2] / after[:, 3] == pytest.approx(
        np.sqrt(before[:, 2] / before[:, 3]) * undecided[:, 2] / undecided[:, 3]
    )


def test_exchanged_ears_get_the_same_answer() -> None:
    from spatial_swin.data.augment_sound import augment_sound
    from spatial_swin.data.pooled_rows import SWAPPED

    step, pixels = SecondStep(network(), FOUR, TILES), pictures()
    exchanged = augment_sound(pixels, range(4), 0, 0, SWAPPED, TILES)
    assert step.decide(np.zeros((4, 4)), pixels) == pytest.approx(step.decide(np.zeros((4, 4)), exchanged), abs=1e-6)


def test_the_order_of_the_classes_is_that_of_the_model(tmp_path: Path) -> None:
    network().save(tmp_path / SECOND_STEP)
    one = read_second_step(tmp_path, FOUR, TILES, 192)
    other = read_second_step(tmp_path, FOUR[::-1], TILES, 192)
    assert one is not None
    assert other is not None
    first, second = (step.decide(np.zeros((4, 4)), pictures()) for step in (one, other))
    assert first == pytest.approx(second[:, ::-1])


def test_a_model_without_the_file_is_its_swin_alone(tmp_path: Path) -> None:
    assert read_second_step(tmp_path, FOUR, TILES, 192) is None


@pytest.mark.parametrize(
    ("names", "tiles", "side", "said"),
    [
        (FOUR, TILES, None, "damaged or of another version"),
        (["100", "200", "510"], TILES, 192, "answers 514, which the model does not know"),
        (FOUR, None, 192, "no tiles.json beside it"),
        (FOUR, TILES, 384, "numbers of a picture, this model's have"),
    ],
)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, names: list[str], tiles: TileMap | None, side: int | None, said: str
) -> None:
    if side is None:
        (tmp_path / SECOND_STEP).write_bytes(b"cut")
    else:
        network(side).save(tmp_path / SECOND_STEP)
    with pytest.raises(RunError, match=said):
        read_second_step(tmp_path, names, tiles, 192)


def test_predict_takes_the_second_step(tmp_path: Path) -> None:
    from spatial_swin.prediction.predictor import load_predictor

    folder = write_certain_model(tmp_path / "model")
    alone = load_predictor(folder)
    network(alone.image_size).save(folder / SECOND_STEP)
    both = load_predictor(folder)
    side = alone.image_size
    pixels = pictures(2)[..., :side, :side]
    said, changed = alone.of_pixels(pixels), both.of_pixels(pixels)
    here = [alone.class_names.index(name) for name in ("510", "514")]
    assert changed[:, here].sum(1) == pytest.approx(said[:, here].sum(1))
    assert not np.allclose(changed, said)
