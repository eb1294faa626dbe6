"""Direction to loudspeaker gains: VBAP where a layout surrounds the direction, documented folding where it does not.

In go a layout and directions, out come gains [K, loudspeakers]. One rule for objects and for channels of a master,
so that a channel that stands where a loudspeaker stands reaches that loudspeaker alone, and the downmix of BS.775
falls out:

- no upper layer: elevation is dropped, with 0 dB at ear level falling to -3 dB at 30 degrees and above;
- no surrounds: a direction at +-110 degrees reaches the front loudspeaker of its side at -3 dB, the arcs between are
  panned;
- mono: 0.707 (Lo + Ro) of the stereo downmix, so L and R at -3 dB, C at 0 dB, surrounds at -6 dB;
- the zenith is shared by the upper loudspeakers with equal power; nothing lies below ear level (elevation is clipped
  at 0).

Vector base amplitude panning after Pulkki (1997), triangles from the convex hull. Gains have unit power before
folding.
"""

from functools import lru_cache

import numpy as np
from scipy.spatial import ConvexHull

from spatial_swin.layouts import LAYOUTS, Layout

FOLD = 10 ** (-3.0103 / 20)  # 0.7071, "-3 dB"
FULL_HEIGHT = 30.0  # degrees; from here on a direction counts as overhead when it is folded down
REAR = 110.0  # degrees; where the imagined surrounds of a front-only layout stand


def unit_vectors(azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    """Degrees [K] -> [K, 3], x to the front, y to the left, z upwards."""
    a, e = np.deg2rad(np.asarray(azimuth, float)), np.deg2rad(np.asarray(elevation, float))
    return np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], axis=-1)


def all_around(count: int) -> np.ndarray:
    """Unit vectors [count, 3] evenly over the sphere, on a spiral that turns by the golden angle."""
    height = 1 - (2 * np.arange(count) + 1) / count
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    flat = np.sqrt(1 - height**2)
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), height], axis=1)


@lru_cache(maxsize=32)
def _triangles(layout: Layout) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangles [T, 3] over real and imagined points, inverse bases [T, 3, 3], folding [points, loudspeakers]."""
    placed = layout.placed
    directions = [(s.azimuth, s.elevation) for s in placed]
    folding = list(np.eye(len(placed)))
    ear_level = [i for i, s in enumerate(placed) if s.elevation == 0]
    upper = [i for i, s in enumerate(placed) if s.elevation > 0]
    if not layout.has_surrounds:
        for side in (REAR, -REAR):
            nearest = min(ear_level, key=lambda i: abs(placed[i].azimuth - side))
            directions.append((side, 0.0))
            folding.append(FOLD * np.eye(len(placed))[nearest])
    for elevation, members in ((90.0, upper or ear_level), (-90.0, ear_level)):
        directions.append((0.0, elevation))
        folding.append(np.isin(np.arange(len(placed)), members) / np.sqrt(len(members)))
    points = unit_vectors(*np.array(directions).T)
    triangles = ConvexHull(points).simplices
    bases = points[triangles]
    solid = np.abs(np.linalg.det(bases)) > 1e-9
    return triangles[solid], np.linalg.inv(bases[solid]), np.array(folding)


def gains(layout: Layout, azimuth: np.ndarray | float, elevation: np.ndarray | float) -> np.ndarray:
    """Gains of the placed loudspeakers of `layout` for directions [K] in degrees: float64 [K, loudspeakers]."""
    azimuth, elevation = np.broadcast_arrays(np.atleast_1d(azimuth), np.clip(np.atleast_1d(elevation), 0.0, 90.0))
    if len(layout.placed) == 1:
        stereo = gains(LAYOUTS["200"], azimuth, elevation)
        return FOLD * stereo.sum(axis=1, keepdims=True)
    fall = np.ones(len(azimuth))
    if not layout.has_heights:
        fall = FOLD ** np.minimum(elevation / FULL_HEIGHT, 1.0)
        elevation = np.zeros_like(elevation)
    triangles, inverses, folding = _triangles(layout)
    shares = np.einsum("kc,tcd->ktd", unit_vectors(azimuth, elevation), inverses)
    best = shares.min(axis=2).argmax(axis=1)
    chosen = np.maximum(shares[np.arange(len(best)), best], 0.0)
    chosen /= np.linalg.norm(chosen, axis=1, keepdims=True)
    chosen[chosen < 1e-6] = 0.0
    points = np.zeros((len(best), len(folding)))
    np.put_along_axis(points, triangles[best], chosen, axis=1)
    return (points @ folding) * fall[:, None]
