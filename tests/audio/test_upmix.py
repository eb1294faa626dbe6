"""An upmix: what the channels share stays in front, what they do not share goes around and above, decorrelated."""

import numpy as np
import pytest

from spatial_swin.audio.upmix import ambience_of, upmixed
from spatial_swin.keyed_random import keyed_generator

RATE = 48_000


def noise(key: str) -> np.ndarray:
    return keyed_generator(key).standard_normal(RATE).astype(np.float32)


def test_equal_channels_have_no_ambience_and_independent_ones_have() -> None:
    same = np.stack([noise("a")] * 2)
    apart = np.stack([noise("a"), noise("b")])
    panned = np.stack([noise("a"), 0.3 * noise("a")])
    assert np.std(ambience_of(same)) < 0.01
    assert np.std(ambience_of(panned)) < 0.01
    assert 0.3 < np.std(ambience_of(apart)) < 1


def test_front_is_around_is_above() -> None:
    stereo = np.stack([noise("a") + noise("c"), noise("b") + noise("c")])
    placed = upmixed(keyed_generator("upmix"), stereo, RATE)
    assert [place for place, _ in placed][:3] == [(30, 0), (-30, 0), (0, 0)]
    assert len({place for place, _ in placed}) == len(placed) == 9
    assert all(sound.shape == (RATE,) and sound.dtype == np.float32 for _, sound in placed)
    front = placed[0][1] + placed[1][1] + placed[2][1]
    np.testing.assert_allclose(front, stereo.sum(axis=0), atol=1e-4)  # nothing of the mix is lost in front


@pytest.mark.parametrize("key", range(4))
def test_surrounds_and_heights_do_not_correlate(key: int) -> None:
    placed = upmixed(keyed_generator("upmix", key), np.stack([noise("a"), noise("b")]), RATE)
    spread = [sound / np.linalg.norm(sound) for _, sound in placed[3:]]
    assert max(abs(float(spread[i] @ spread[k])) for i in range(6) for k in range(i)) < 0.2
