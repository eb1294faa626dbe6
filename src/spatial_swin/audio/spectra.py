"""From two ears to power and cross spectra: frames, ERB averages, recursive smoothing, columns of time.

Everything is linear after the spectra are multiplied, so each step is a matrix product on batched float32 tensors, on
the CPU or a GPU; nothing loops over bins. Weights are cached by their shape. It knows no cue and no picture.
ERB after Glasberg and Moore (1990): ERB(f) = 24.7 (4.37 f/1000 + 1), ERB rate = 21.4 log10(1 + 0.00437 f).
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

BLOCK = 32  # frames that one step of the recursion covers; a small triangular matrix product each
FRAMES_AT_ONCE = 128  # of an STFT: what they need stays in a core's cache; all at once is twice as slow


def erb_rate(frequency: Tensor) -> Tensor:
    """ERB rate (number of ERBs below a frequency) of frequencies in Hz."""
    return 21.4 * torch.log10(1 + 0.00437 * frequency)


def erb_frequency(rate: Tensor) -> Tensor:
    """Frequency in Hz of an ERB rate: the inverse of `erb_rate`."""
    return (10 ** (rate / 21.4) - 1) / 0.00437


def erb_edges(low: float, high: float, bands: int) -> Tensor:
    """Edges in Hz, float64 [bands + 1], of equal cells on the ERB scale between `low` and `high` Hz, lowest first."""
    start, stop = erb_rate(torch.tensor([low, high], dtype=torch.float64)).tolist()
    return erb_frequency(torch.linspace(start, stop, bands + 1, dtype=torch.float64))


def erb_centres(low: float, high: float, bands: int) -> Tensor:
    """Centres in Hz, float64 [bands], of equal cells on the ERB scale between `low` and `high` Hz, lowest first."""
    start, stop = erb_rate(torch.tensor([low, high], dtype=torch.float64)).tolist()
    return erb_frequency(start + (stop - start) * (torch.arange(bands, dtype=torch.float64) + 0.5) / bands)


@lru_cache(maxsize=64)
def erb_average(window: int, sample_rate: int, low: float, high: float, bands: int, bins: int) -> Tensor:
    """Weights float32 [bins, bands] that average the first `bins` bins of an FFT of `window` samples over ERB cells.

    Triangles that reach to the neighbouring centres, never narrower than one bin; each column sums to 1, so that a
    flat spectrum stays flat.
    """
    cell = (erb_rate(torch.tensor(high).double()) - erb_rate(torch.tensor(low).double())) / bands
    centres = erb_centres(low, high, bands)
    spacing = sample_rate / window
    half = torch.clamp(erb_frequency(erb_rate(centres) + cell) - centres, min=spacing)
    frequencies = torch.arange(bins, dtype=torch.float64)[:, None] * spacing
    weights = torch.clamp(1 - (frequencies - centres).abs() / half, min=0)
    assert bool((weights.sum(0) > 0).all()), "a band without a bin"
    return (weights / weights.sum(0)).float()


@lru_cache(maxsize=64)
def column_average(frames: int, columns: int) -> Tensor:
    """Weights float32 [columns, frames]: each column is the mean of the stretch of frames it covers, exactly.

    A frame that lies across an edge counts by its share; with fewer frames than columns a frame fills several.
    """
    edges = torch.arange(columns + 1, dtype=torch.float64) * frames / columns
    start = torch.arange(frames, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], start + 1) - torch.maximum(edges[:-1, None], start)
    overlap = overlap.clamp(min=0)
    return (overlap / overlap.sum(1, keepdim=True)).float()


def smoothing_factor(hop: int, sample_rate: int, seconds: float) -> float:
    """a of P(t) = a P(t-1) + (1-a) x(t) for a time constant in seconds and a hop in samples."""
    return math.exp(-hop / (sample_rate * seconds))


@lru_cache(maxsize=16)
def _block_weights(a: float, block: int) -> tuple[Tensor, Tensor]:
    """Of the recursion over one block: what its frames give to each other [block, block], what the state gives."""
    age = torch.arange(block)[:, None] - torch.arange(block)[None, :]
    inside = torch.where(age >= 0, (1 - a) * a ** age.clamp(min=0).double(), 0.0)
    return inside.float(), (a ** torch.arange(1, block + 1).double()).float()


def recursive_average(x: Tensor, a: float, start: Tensor | None = None) -> Tensor:
    """P(t) = a P(t-1) + (1-a) x(t) along the frames of x [..., T, F]; P(-1) is `start` [..., F], or the first frame.

    Done in blocks of frames: inside a block one triangular matrix product, from block to block the last value.
    """
    frames, bins = x.shape[-2:]
    if start is None:
        start = x[..., 0, :]
    blocks = -(-frames // BLOCK)
    padded = torch.nn.functional.pad(x, (0, 0, 0, blocks * BLOCK - frames))
    inside, carried = (w.to(x) for w in _block_weights(a, BLOCK))
    parts = inside @ padded.reshape(*x.shape[:-2], blocks, BLOCK, bins)
    state, states = start, []
    for block in range(blocks):  # 30 steps for 10 s; each on all bins at once
        states.append(state)
        state = parts[..., block, -1, :] + carried[-1] * state
    parts = parts + carried[:, None] * torch.stack(states, dim=-2)[..., None, :]
    return parts.reshape(*x.shape[:-2], blocks * BLOCK, bins)[..., :frames, :]


@lru_cache(maxsize=16)
def smoothed_columns(frames: int, columns: int, a: float) -> Tensor:
    """Weights float32 [columns, frames] of recursive smoothing followed by `column_average`, as one matrix.

    The recursion starts from the mean of as many frames as it forgets in, so that its first values are averages too:
    from one frame, coherence would start at 1 whatever the sound.
    """
    impulses = torch.eye(frames, dtype=torch.float64)
    memory = min(frames, round((1 + a) / (1 - a)))  # frames of a plain mean with the same variance
    response = recursive_average(impulses, a, impulses[:memory].mean(0))
    return (column_average(frames, columns).double() @ response).float()


@dataclass(frozen=True)
class EarSpectra:
    """Powers of the ears and their cross spectrum X_L X_R*, float32 [B, T, F] each, as parts of one stack.

    stack: [B, 4, T, F] of left power, right power, real and imaginary part of the cross spectrum. A sine of full scale
    has power 1 in its bin. F: the bins up to the highest frequency that is used.
    """

    stack: Tensor
    window: int
    hop: int
    sample_rate: int

    @property
    def frames(self) -> int:
        return self.stack.shape[-2]

    @property
    def bins(self) -> int:
        return self.stack.shape[-1]

    @property
    def left(self) -> Tensor:
        return self.stack[:, 0]

    @property
    def right(self) -> Tensor:
        return self.stack[:, 1]

    @property
    def planes(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Left power, right power, real and imaginary part of the cross spectrum."""
        return self.stack[:, 0], self.stack[:, 1], self.stack[:, 2], self.stack[:, 3]

    @property
    def cross(self) -> Tensor:
        return torch.complex(self.stack[:, 2], self.stack[:, 3])

    def in_columns(self, columns: int, time_constant: float | None) -> "EarSpectra":
        """Smoothed (None: only averaged) over time and brought to `columns` columns."""
        if time_constant is None:
            weights = column_average(self.frames, columns)
        else:
            factor = smoothing_factor(self.hop, self.sample_rate, time_constant)
            weights = smoothed_columns(self.frames, columns, factor)
        return EarSpectra(weights.to(self.stack) @ self.stack, self.window, self.hop, self.sample_rate)

    def around_columns(self, columns: int, seconds: float) -> "EarSpectra":
        """The mean of the frames that lie wholly in `seconds` around the middle of each column."""
        reach = max(1, 1 + int((seconds * self.sample_rate - self.window) // self.hop))
        middles = (torch.arange(columns, dtype=torch.float64) + 0.5) * self.frames / columns
        first = torch.clamp(torch.floor(middles - reach / 2 + 0.5).long(), 0, max(0, self.frames - reach))
        stack = self.stack.new_zeros(*self.stack.shape[:2], columns, self.bins)
        count = min(reach, self.frames)
        for step in range(count):
            stack += self.stack[:, :, (first + step).to(self.stack.device)]
        return EarSpectra(stack / count, self.window, self.hop, self.sample_rate)

    def in_bands(self, low: float, high: float, bands: int) -> "EarSpectra":
        """Averaged over `bands` ERB cells from `low` to `high` Hz, lowest first."""
        weights = erb_average(self.window, self.sample_rate, low, high, bands, self.bins)
        return EarSpectra(self.stack @ weights.to(self.stack), self.window, self.hop, self.sample_rate)


def ear_spectra(sound: Tensor, sample_rate: int, window: int, hop: int, highest: float) -> EarSpectra:
    """Spectra of binaural sound [B, 2, N] at `sample_rate` Hz with a Hann window; frames are centred, the sound is
    mirrored at its ends. Bins above `highest` Hz are dropped. N must exceed window / 2."""
    assert sound.shape[1:2] == (2,), sound.shape
    assert sound.shape[2] > window // 2, sound.shape
    bins = min(window // 2 + 1, math.ceil(highest * window / sample_rate) + 2)
    taper = torch.hann_window(window, dtype=sound.dtype, device=sound.device)
    taper = taper * (2 / taper.sum())  # a sine of amplitude 1 gets magnitude 1
    padded = torch.nn.functional.pad(sound, (window // 2, window // 2), mode="reflect")
    frames = padded.unfold(-1, window, hop)  # [B, 2, T, window], a view
    stack = sound.new_empty(sound.shape[0], 4, frames.shape[2], bins)
    for begin in range(0, frames.shape[2], FRAMES_AT_ONCE):
        part = slice(begin, begin + FRAMES_AT_ONCE)
        spectrum = torch.fft.rfft(frames[:, :, part] * taper)[..., :bins]
        real, imag = spectrum.real.contiguous(), spectrum.imag.contiguous()  # contiguous is 4 times faster
        torch.mul(real, real, out=stack[:, :2, part]).addcmul_(imag, imag)
        torch.mul(real[:, 0], real[:, 1], out=stack[:, 2, part]).addcmul_(imag[:, 0], imag[:, 1])
        torch.mul(imag[:, 0], real[:, 1], out=stack[:, 3, part]).addcmul_(real[:, 0], imag[:, 1], value=-1)
    return EarSpectra(stack, window, hop, sample_rate)
