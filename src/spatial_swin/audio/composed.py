"""The composed songs that ship: three seconds each of music that is no one's, as 5.1.4 masters.

They are what a model hears of sampled instruments where a user has no music of their own at hand. How they were made:
`scripts/make_songs_asset.py`, and NOTICE.md beside them.
"""

from dataclasses import replace
from pathlib import Path

from spatial_swin.audio.programme import Programme, find_programmes

FOLDER = Path(__file__).parents[1] / "assets" / "songs"
COUNT = 32
SECONDS = 3.0


def composed_songs(count: int = COUNT) -> list[Programme]:
    """The first `count` of them by name; their kind is midi, as of other songs that were played."""
    found, _ = find_programmes(FOLDER, seed=0)  # masters: nothing is drawn
    return [replace(song, kind="midi") for song in found[:count]]
