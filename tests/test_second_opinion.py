"""The second opinion has an equal say in the layouts that it knows, in every verb that asks a finished model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from certain_models import write_certain_model
from PIL import Image

from spatial_swin.audio.tiles import TileMap, tile_map
from spatial_swin.data.pictures import read_pixels
from spatial_swin.data.pooled_rows import both_ways_round, pooled_rows
from spatial_swin.errors import RunError
from spatial_swin.evaluation.calibration import softmax
from spatial_swin.evaluation.opinions import SECOND_OPINION
from spatial_swin.modeling.pooled_network import PooledNetwork
from spatial_swin.second_opinion import LEARNT, SecondOpinion, learn_more, read_second_opinion

FOUR = ["100", "200", "510", "514"]
TILES = tile_map("4x4", 192, 48_000, 3.0)


def network(side: int = 192, layouts: tuple[str, ...] = ("510", "514")) -> PooledNetwork:
    torch.manual_seed(0)
    features = pooled_rows(torch.zeros(1, 1, side, side, dtype=torch.uint8), TILES).shape[1]
    return PooledNetwork(layouts, torch.full((features,), 127.0), torch.full((features,), 60.0)).eval()


def pictures(count: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, 256, (count, 1, 192, 192), generator=generator, dtype=torch.uint8).expand(-1, 3, -1, -1)


def test_other_layouts_and_the_family_keep_their_probability() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (4, 4))
    step = SecondOpinion(network(), FOUR, TILES)
    before, after = softmax(logits), softmax(step.decide(logits, pictures()))
    assert after[:, :2] == pytest.approx(before[:, :2])
    assert after[:, 2:].sum(1) == pytest.approx(before[:, 2:].sum(1))
    undecided = softmax(step.decide(np.zeros((4, 4)), pictures()))
    assert after[:, 2] / after[:, 3] == pytest.approx(
        np.sqrt(before[:, 2] / before[:, 3]) * undecided[:, 2] / undecided[:, 3]
    )


def test_of_all_layouts_it_is_asked_for_all() -> None:
    logits, pixels = np.random.default_rng(0).normal(0, 3, (4, 4)), pictures()
    opinion = SecondOpinion(network(layouts=("514", "100", "510", "200")), FOUR, TILES)
    own = softmax(opinion.decide(np.zeros((4, 4)), pixels)) ** 2  # a Swin that knows nothing: the root is left of it
    wanted = np.sqrt(softmax(logits) * own)
    assert softmax(opinion.decide(logits, pixels)) == pytest.approx(wanted / wanted.sum(1, keepdims=True))


def write_pictures(folder: Path, count: int) -> tuple[list[Path], list[str]]:
    """Pictures of noise, the brighter ones of 514; every third is of stereo."""
    generator, paths, labels = np.random.default_rng(3), [], []
    for number in range(count):
        label = ("510", "514", "200")[number % 3]
        grey = generator.integers(60 if label == "510" else 120, 180, (192, 192), dtype=np.uint8)
        Image.fromarray(grey).save(folder / f"{number}.png")
        paths.append(folder / f"{number}.png")
        labels.append(label)
    return paths, labels


def test_it_learns_more_of_what_it_knows_and_the_first_one_stays(tmp_path: Path) -> None:
    opinion = SecondOpinion(network(), FOUR, TILES)
    opinion.network.say = 0.8
    before = {name: tensor.clone() for name, tensor in opinion.network.state_dict().items()}
    paths, labels = write_pictures(tmp_path, 24)
    torch.manual_seed(5)
    drawn = torch.rand(2)
    torch.manual_seed(5)
    learnt = learn_more(opinion, paths, labels, 192, seed=1)
    assert torch.equal(torch.rand(2), drawn)  # whoever draws next is not disturbed
    assert all(torch.equal(before[name], tensor) for name, tensor in opinion.network.state_dict().items())
    again = learn_more(opinion, paths, labels, 192, seed=1)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in learnt.state_dict().items())
    assert (learnt.layouts, learnt.say, opinion.network.say) == (opinion.network.layouts, 0.7, 0.8)
    pixels = torch.stack([read_pixels(path, 192) for path in paths])
    known = [number for number, label in enumerate(labels) if label in learnt.layouts]
    said = learnt.shares(both_ways_round(pixels[known], TILES)).argmax(1)
    assert [learnt.layouts[k] for k in said] == [labels[number] for number in known]


def test_what_it_was_before_keeps_a_part_of_the_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opinion = SecondOpinion(network(), FOUR, TILES)
    paths, labels = write_pictures(tmp_path, 12)
    both = learn_more(opinion, paths, labels, 192, seed=1)
    monkeypatch.setattr("spatial_swin.second_opinion.LEARNT", 1.0)
    alone = learn_more(opinion, paths, labels, 192, seed=1)
    features = pooled_rows(pictures(), TILES)
    with torch.no_grad():
        wanted = LEARNT * alone(features) + (1 - LEARNT) * opinion.network(features)
        assert torch.allclose(both(features), wanted, atol=1e-4)
        assert not torch.allclose(both(features), alone(features), atol=1e-2)


def test_nothing_is_learnt_of_layouts_that_it_does_not_know(tmp_path: Path) -> None:
    opinion = SecondOpinion(network(), FOUR, TILES)
    paths, _ = write_pictures(tmp_path, 4)
    same = learn_more(opinion, paths, ["100", "200", "100", "510"], 192, seed=1)  # one picture is no batch
    assert all(torch.equal(tensor, opinion.network.state_dict()[n]) for n, tensor in same.state_dict().items())


def test_exchanged_ears_get_the_same_answer() -> None:
    from spatial_swin.data.augment_sound import augment_sound
    from spatial_swin.data.pooled_rows import SWAPPED

    step, pixels = SecondOpinion(network(), FOUR, TILES), pictures()
    exchanged = augment_sound(pixels, range(4), 0, 0, SWAPPED, TILES)
    assert step.decide(np.zeros((4, 4)), pixels) == pytest.approx(step.decide(np.zeros((4, 4)), exchanged), abs=1e-6)


def test_the_order_of_the_classes_is_that_of_the_model(tmp_path: Path) -> None:
    network().save(tmp_path / SECOND_OPINION)
    one = read_second_opinion(tmp_path, FOUR, TILES, 192)
    other = read_second_opinion(tmp_path, FOUR[::-1], TILES, 192)
    assert one is not None
    assert other is not None
    first, second = (step.decide(np.zeros((4, 4)), pictures()) for step in (one, other))
    assert first == pytest.approx(second[:, ::-1])


def test_its_say_is_kept_with_it(tmp_path: Path) -> None:
    logits, pixels = np.random.default_rng(0).normal(0, 3, (4, 4)), pictures()
    mute = network(layouts=tuple(FOUR))
    mute.say = 0.0
    mute.save(tmp_path / SECOND_OPINION)
    read = read_second_opinion(tmp_path, FOUR, TILES, 192)
    assert read is not None
    assert read.decide(logits, pixels) == pytest.approx(logits)
    mute.say = 1.5
    mute.save(tmp_path / SECOND_OPINION)
    with pytest.raises(RunError, match=r"its say is 1\.5, which is no share"):
        read_second_opinion(tmp_path, FOUR, TILES, 192)


def test_what_it_hears_dry_has_a_share_in_what_it_says() -> None:
    opinion, pixels, dry = SecondOpinion(network(layouts=tuple(FOUR)), FOUR, TILES), pictures(8)[:4], pictures(8)[4:]
    nothing = np.zeros((4, 4))
    as_it_is, less = (softmax(opinion.decide(nothing, one)) for one in (pixels, dry))
    assert not opinion.hears_dry
    assert softmax(opinion.decide(nothing, pixels, dry)) == pytest.approx(as_it_is)
    opinion.network.dry = 0.5
    assert opinion.hears_dry
    assert softmax(opinion.decide(nothing, pixels)) == pytest.approx(as_it_is)  # a picture without sound
    between = np.sqrt(as_it_is * less)
    assert softmax(opinion.decide(nothing, pixels, dry)) == pytest.approx(between / between.sum(1, keepdims=True))
    opinion.network.dry = 1.0
    assert softmax(opinion.decide(nothing, pixels, dry)) == pytest.approx(less)


def test_the_share_of_dry_sound_is_kept_with_it_and_files_without_one_have_none(tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    file, made = tmp_path / SECOND_OPINION, network(layouts=tuple(FOUR))
    made.dry = 0.25
    made.save(file)
    assert PooledNetwork.read(file).dry == 0.25
    with safe_open(file, "pt") as opened:
        about = opened.metadata()
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    save_file(tensors, file, {name: value for name, value in about.items() if name != "dry"})
    assert PooledNetwork.read(file).dry == 0
    save_file(tensors, file, about | {"dry": "-0.1"})
    with pytest.raises(RunError, match=r"its dry is -0\.1, which is no share"):
        read_second_opinion(tmp_path, FOUR, TILES, 192)


def test_who_learns_more_hears_sound_as_it_is(tmp_path: Path) -> None:
    opinion = SecondOpinion(network(), FOUR, TILES)
    opinion.network.dry = 0.5
    paths, labels = write_pictures(tmp_path, 12)
    assert learn_more(opinion, paths, labels, 192, seed=1).dry == 0
    assert opinion.network.dry == 0.5


def test_a_model_without_the_file_is_its_swin_alone(tmp_path: Path) -> None:
    assert read_second_opinion(tmp_path, FOUR, TILES, 192) is None


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
        (tmp_path / SECOND_OPINION).write_bytes(b"cut")
    else:
        network(side).save(tmp_path / SECOND_OPINION)
    with pytest.raises(RunError, match=said):
        read_second_opinion(tmp_path, names, tiles, 192)


def test_predict_asks_it(tmp_path: Path) -> None:
    from spatial_swin.prediction.predictor import load_predictor

    folder = write_certain_model(tmp_path / "model")
    alone = load_predictor(folder)
    network(alone.image_size).save(folder / SECOND_OPINION)
    both = load_predictor(folder)
    side = alone.image_size
    pixels = pictures(2)[..., :side, :side]
    said, changed = alone.of_pixels(pixels), both.of_pixels(pixels)
    here = [alone.class_names.index(name) for name in ("510", "514")]
    assert changed[:, here].sum(1) == pytest.approx(said[:, here].sum(1))
    assert not np.allclose(changed, said)
