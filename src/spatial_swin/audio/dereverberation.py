"""Late reverberation taken away: binaural sound less what follows from its own past.

Weighted prediction error (Nakatani, Yoshioka, Kinoshita, Miyoshi and Juang 2010, doi:10.1109/TASL.2010.2052251), both
ears together, so that what differs between them stays. In every bin of a short-time spectrum a few frames from a while
ago predict the present one, frames weighted by the inverse of their power. What one pass cannot predict is the direct
sound with the early reflections, and what the programme itself does not repeat.
"""

import numpy as np
import torch

FRAME, HOP = 2048, 512  # samples at 48 kHz: 43 and 11 ms
DELAY, TAPS = 3, 3  # frames: the first that predicts, and how many do; chosen by six people (docs/cue_experiments.md)
FLOOR = 1e-10  # of a frame's power, against the strongest bin
LOADING = 1e-6  # of the mean power, so that two equal channels can be solved for
LEAST = 1e-30  # silence divides by it, too


@torch.no_grad()
def dereverberated(ears: np.ndarray, delay: int = DELAY, taps: int = TAPS) -> np.ndarray:
    """Sound float32 [2, N] at 48 kHz less what its past predicts, float32 [2, N]; the same sound gives the same.

    delay, taps: in frames. A frame and the one FRAME / HOP before it share no sample. N is at least FRAME.
    """
    window = torch.hann_window(FRAME)
    spectra = torch.stft(
        torch.from_numpy(np.ascontiguousarray(ears)),
        FRAME,
        HOP,
        window=window,
        pad_mode="constant",
        return_complex=True,
    )
    now = spectra.transpose(0, 1).contiguous()  # [bins, ears, frames]
    bins, count, frames = now.shape
    past = torch.zeros((bins, taps * count, frames), dtype=now.dtype)
    for tap in range(taps):
        ago = delay + tap
        past[:, tap * count : (tap + 1) * count, ago:] = now[:, :, : frames - ago]
    power = now.real.square() + now.imag.square()
    weighted = past / power.mean(1, keepdim=True).clamp_min(max(FLOOR * float(power.max()), LEAST))
    correlation = weighted @ past.mH
    loading = LOADING * correlation.diagonal(dim1=1, dim2=2).real.mean(1)
    correlation += loading.clamp_min(LEAST)[:, None, None] * torch.eye(taps * count)
    late = torch.linalg.solve(correlation, weighted @ now.mH).mH @ past
    spectra = (now - late).transpose(0, 1)
    less: np.ndarray = torch.istft(spectra, FRAME, HOP, window=window, length=ears.shape[1]).numpy()
    return less
