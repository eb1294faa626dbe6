"""AAC by ffmpeg where it is installed: many sounds in one call, because starting ffmpeg costs more than a clip of 3 s.

In go float32 [N, 2], out come ADTS files as bytes, and of these the sound again. Every sound has an encoder and a
decoder of its own, so that its neighbours in a call do not change a bit. What ffmpeg reads and writes lies in a
temporary folder while it runs.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from spatial_swin.errors import AudioError

CODER = "fast"  # ffmpeg-codecs(1): "better and much faster" than twoloop, its default, except below 64 kbit/s
PRIMING = 1024  # samples that ffmpeg's encoder puts first; a bare ADTS stream does not say so
AT_ONCE = 16  # sounds in a call: four listeners in four layouts; beyond that a start is no longer what costs
PATIENCE = 60.0  # s before ffmpeg is ended


def encode(sounds: Sequence[np.ndarray], sample_rate: int, bit_rate: int) -> list[bytes]:
    """ADTS files of float32 [N, 2], bit_rate in kbit/s. Raises AudioError when ffmpeg fails."""
    raw = [samples.astype("<f4").tobytes() for samples in sounds]
    source = ["-f", "f32le", "-ar", str(sample_rate), "-ac", "2"]
    return _converted(raw, source, ["-c:a", "aac", "-aac_coder", CODER, "-b:a", f"{bit_rate}k", "-f", "adts"])


def decode(files: Sequence[bytes]) -> list[np.ndarray]:
    """Float32 [N, 2] of what `encode` gives, without the priming. Raises AudioError when ffmpeg fails."""
    decoded = _converted(files, ["-f", "aac"], ["-c:a", "pcm_f32le", "-f", "f32le"])
    return [np.frombuffer(content, "<f4").reshape(-1, 2)[PRIMING:] for content in decoded]


def _converted(contents: Sequence[bytes], source: Sequence[str], target: Sequence[str]) -> list[bytes]:
    """Each content through ffmpeg, all in one call. source, target: the options of every input and output."""
    inputs, outputs = [f"{k}.in" for k in range(len(contents))], [f"{k}.out" for k in range(len(contents))]
    arguments = [word for name in inputs for word in (*source, "-i", f"file:{name}")]
    for k, name in enumerate(outputs):
        arguments += ["-map", f"{k}:a", *target, f"file:{name}"]
    try:
        with TemporaryDirectory(prefix="spatial_swin_aac_") as folder:
            for name, content in zip(inputs, contents, strict=True):
                Path(folder, name).write_bytes(content)
            complaint = _run(arguments, folder)
            paths = [Path(folder, name) for name in outputs]
            if not all(path.is_file() and path.stat().st_size for path in paths):
                raise AudioError(f"ffmpeg failed ({complaint or 'it wrote nothing'})")
            return [path.read_bytes() for path in paths]
    except OSError as error:
        raise AudioError(f"ffmpeg could not be used with a temporary folder ({error})") from error


def _run(arguments: Sequence[str], folder: str) -> str:
    """ffmpeg in a folder; returns the last line that it says. Raises AudioError when it fails or stands still."""
    command = ["ffmpeg", "-nostdin", "-v", "error", *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise AudioError(f"ffmpeg gave nothing for {PATIENCE:g} s") from None
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode:
        raise AudioError(f"ffmpeg failed ({lines[-1] if lines else f'exit code {done.returncode}'})")
    return lines[-1] if lines else ""
