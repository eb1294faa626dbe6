"""Play composed songs and keep three seconds of each as a 5.1.4 master: the songs that `adapt` renders.

    python scripts/make_songs_asset.py src/spatial_swin/assets/songs --soundfont FluidR3_GM.sf2 [--songs 32]

They are written by `compose_songs.py` (numbers that the detector has not learnt from), played and mixed as
`spatial-swin render --midi` does, and kept as Opus files of 10 channels, some 100 kB each, with the notice of the
soundfont.
"""

import argparse
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile
from compose_songs import compose, midi_file

from spatial_swin import files
from spatial_swin.audio.composed import COUNT, SECONDS
from spatial_swin.audio.programme import programme_at
from spatial_swin.audio.render import loudspeaker_signals
from spatial_swin.audio.songs import Songbook, find_songs, make_stems
from spatial_swin.layouts import LAYOUTS

SEED, RATE = 16, 48_000
BEGIN = 6.0  # s into the song, when all parts play
PEAK = 0.7
COMPRESSION = 0.9  # of libsndfile: some 28 kbit/s a channel
LAYOUT = LAYOUTS["514"]
NOTICE = """# Composed songs

Three seconds each of {count} songs that a program composed (`scripts/compose_songs.py --seed {seed}`, numbers {first}
to {last}), as 5.1.4 masters of 10 channels (L R C LFE Ls Rs, then the four above; LFE silent), Opus. They are rendered
by `spatial-swin adapt` beside synthetic programmes, so that a model that learns a head does not forget music. Made by

    python scripts/make_songs_asset.py src/spatial_swin/assets/songs --soundfont FluidR3_GM.sf2 \\
                                       --first {first} --songs {count}

No one's music is in them. The instruments are samples of Fluid (R3) GM, which its author released under the MIT
licence:

> Copyright (c) 2000-2002, 2008 Frank Wen <getfrank@gmail.com>
>
> Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
> documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
> rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to
> permit persons to whom the Software is furnished to do so, subject to the following conditions:
>
> The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
> Software.
>
> THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
> WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS
> OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
> OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path)
    parser.add_argument("--soundfont", type=Path, required=True)
    parser.add_argument("--first", type=int, default=144, help="number of the first song")
    parser.add_argument("--songs", type=int, default=COUNT)
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.songs)
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            path = Path(folder) / f"composed{SEED}-{number:04d}.mid"
            files.write_bytes(path, midi_file(compose(SEED, number, path)))
        book = Songbook(Path(folder), options.soundfont, BEGIN + SECONDS)
        songs, problems = find_songs(book)
        if problems:
            raise SystemExit("\n".join(map(str, problems)))
        for stems in make_stems(songs, book, Path(folder) / "stems", SEED, RATE, workers=2):
            content = master(stems)
            files.write_bytes(options.target / f"{stems.name}.ogg", content)
            print(f"{stems.name}.ogg: {len(content) / 1e3:.0f} kB")
    facts = {"count": options.songs, "seed": SEED, "first": numbers[0], "last": numbers[-1]}
    files.write_text(options.target / "NOTICE.md", NOTICE.format(**facts))


def master(stems: Path) -> bytes:
    """An Opus file of 10 channels: what the loudspeakers of 5.1.4 play of a folder of stems."""
    scene = programme_at(stems, SEED).scene(round(BEGIN * RATE), round(SECONDS * RATE), RATE)
    placed = dict(zip((speaker.name for speaker in LAYOUT.placed), loudspeaker_signals(scene, LAYOUT), strict=True))
    nothing = np.zeros(scene.stems[0].signal.shape, np.float32)
    sound = np.stack([placed.get(name, nothing) for name in LAYOUT.names], axis=1)
    content = BytesIO()
    scaled = PEAK / np.abs(sound).max() * sound
    soundfile.write(content, scaled, RATE, format="OGG", subtype="OPUS", compression_level=COMPRESSION)
    return content.getvalue()


if __name__ == "__main__":
    main()
