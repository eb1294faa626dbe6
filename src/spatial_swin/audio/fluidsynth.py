"""MIDI becomes sound by fluidsynth, an optional program, and a soundfont.

In go the bytes of a MIDI file and the path of a soundfont, out comes dry stereo sound: the program's own reverberation
and chorus are off. The program runs once a part and is ended when it stands still.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from spatial_swin.errors import AudioError, Problem

PROGRAM = "fluidsynth"
GAIN = 0.5  # of 10; sound is floating point, so nothing clips
PATIENCE = 300.0  # s for one part; a minute of dense music takes about one


def missing(soundfont: Path) -> Iterator[Problem]:
    """What is not there of fluidsynth and the soundfont."""
    if shutil.which(PROGRAM) is None:
        yield Problem(PROGRAM, "this program is not installed", "install it (Debian: apt install fluidsynth)")
    do = "give a soundfont (.sf2 or .sf3; Debian has one in fluid-soundfont-gm)"
    if not soundfont.is_file():
        yield Problem(str(soundfont), "there is no such file", do)
        return
    with open(soundfont, "rb") as file:
        head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        yield Problem(str(soundfont), "is no soundfont (it does not begin with RIFF and sfbk)", do)


def play(midi: bytes, soundfont: Path, sample_rate: int) -> np.ndarray:
    """Sound float32 [2, N] of a MIDI file. Raises AudioError when fluidsynth fails or stands still."""
    with tempfile.TemporaryDirectory() as folder:
        song, sound = Path(folder, "part.mid"), Path(folder, "part.wav")
        song.write_bytes(midi)
        command = [PROGRAM, "-n", "-i", "-q", "-R", "0", "-C", "0", "-g", str(GAIN), "-r", str(sample_rate)]
        command += ["-o", "synth.dynamic-sample-loading=1", "-O", "float", "-T", "wav", "-F", str(sound)]
        try:
            done = subprocess.run(
                [*command, str(soundfont.absolute()), str(song)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise AudioError(
                f"{soundfont}: fluidsynth took more than {PATIENCE:g} s; give another soundfont"
            ) from None
        except OSError as error:
            raise AudioError(f"{PROGRAM}: cannot be started ({error.strerror}); install it again") from None
        complaint = _complaint(done.stderr, folder)
        if done.returncode or complaint or not sound.is_file():
            raise AudioError(f"{soundfont}: fluidsynth made no sound ({complaint or 'it says nothing'}); give another")
        with soundfile.SoundFile(sound) as file:
            return file.read(dtype="float32", always_2d=True).T


def _complaint(said: bytes, folder: str) -> str:
    """The first error that fluidsynth wrote, without its own name."""
    lines = [line for line in said.decode(errors="replace").splitlines() if "error:" in line]
    return lines[0].partition("error:")[2].strip().replace(f"{folder}/", "") if lines else ""
