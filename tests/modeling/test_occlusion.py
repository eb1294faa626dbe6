"""Occlusion with a model that is known by heart: it reads one region's brightness and nothing else."""

import numpy as np
import torch
from torch import Tensor, nn

from spatial_swin.data.pictures import normalise
from spatial_swin.modeling.occlusion import hide, mean_picture, occlude

MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.25, 0.5]


class Corner(nn.Module):
    """Two classes; the logit of class 1 is the summed (normalised) brightness of the upper left quarter."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.01))
        self.seen: list[int] = []

    @property
    def device(self) -> torch.device:
        return self.scale.device

    def forward(self, pixel_values: Tensor) -> "Answer":
        self.seen.append(len(pixel_values))
        bright = self.scale * pixel_values[:, :, :4, :4].sum(dim=(1, 2, 3))
        return Answer(torch.stack([torch.zeros_like(bright), bright], dim=1))


class Answer:
    def __init__(self, logits: Tensor) -> None:
        self.logits = logits


def pictures(count: int = 5) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (3, 8, 8), generator=generator, dtype=torch.uint8) for _ in range(count)]


def quarters() -> np.ndarray:
    masks = np.zeros((4, 8, 8), dtype=bool)
    for k in range(4):
        row, column = divmod(k, 2)
        masks[k, row * 4 : row * 4 + 4, column * 4 : column * 4 + 4] = True
    return masks


def test_only_the_region_that_is_read_changes_the_answer() -> None:
    model, shown = Corner().eval(), pictures()
    usual = mean_picture(shown)
    answers = occlude(model, shown, quarters(), usual, MEAN, STD, batch_size=2)  # type: ignore[arg-type]
    assert answers.shape == (5, 5, 2)
    np.testing.assert_allclose(np.exp(answers).sum(axis=2), 1)
    for region in (2, 3, 4):
        np.testing.assert_array_equal(answers[region], answers[0])
    expected = model(normalise(usual[None], MEAN, STD)).logits.double().log_softmax(dim=-1)
    np.testing.assert_allclose(answers[1], expected.detach().expand(5, 2), atol=1e-6)
    assert np.abs(answers[1] - answers[0]).max() > 0.01
    assert max(model.seen) == 2


def test_the_mean_is_exact_and_keeps_fractions() -> None:
    one, two = torch.zeros(3, 2, 2, dtype=torch.uint8), torch.full((3, 2, 2), 255, dtype=torch.uint8)
    assert mean_picture([one, two]).unique().tolist() == [127.5]


def test_hiding_replaces_the_region_and_only_it() -> None:
    picture, usual = torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.full((3, 8, 8), 7.5)
    hidden = hide(picture, torch.from_numpy(quarters()[3]), usual)
    assert hidden[:, :, 4:, 4:].unique().tolist() == [7.5]
    assert hidden.sum() == 2 * 3 * 16 * 7.5


def test_normalisation_is_the_processors() -> None:
    from PIL import Image

    from spatial_swin.data.pictures import build_processor

    processor = build_processor(8)
    shown = pictures(1)[0]
    expected = processor(Image.fromarray(shown.permute(1, 2, 0).numpy()), return_tensors="pt")["pixel_values"]
    found = normalise(shown[None], list(processor.image_mean), list(processor.image_std))
    torch.testing.assert_close(found, torch.as_tensor(expected, dtype=torch.float32), rtol=1e-5, atol=1e-5)
