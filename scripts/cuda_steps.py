"""Training steps of Swin for `measure_cuda.py`: by phase, precision, compiler, attention kernel and batch.

The size to measure at goes in, rows of a table come out. A step is forward, backward, clipping and AdamW on a
normalised batch that is on the device already, with random weights: the loader is measured elsewhere.
"""

import gc
import itertools
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from measuring import DTYPES, ON, SWIN_BASE_384, in_turn, matrix_peak, quartiles, seconds_of
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import SwinConfig

from spatial_swin.modeling import swin

PHASES = {"phase 1 (head)": (), "phase 2 (stage 4)": (4,), "full": (0, 1, 2, 3, 4)}
TINY = {**SWIN_BASE_384, "image_size": 32, "patch_size": 2, "embed_dim": 8, "window_size": 2}
TINY |= {"depths": [1, 1, 2, 2], "num_heads": [1, 1, 2, 2]}
GIGABYTES = (2.4, 8, 24)  # the reference study's GPU memory, and two usual sizes of cards
GREATEST_BATCH = 1024
HELD = (
    "memory is what was reserved by torch, without the 0.3 to 0.5 GB of the CUDA context."
    if ON == "cuda"
    else "memory is modelled: it is measured on CUDA alone."
)


@dataclass(frozen=True)
class Size:
    """What to measure with: Swin-B/384 in batches of 16, or a Swin of 32 px that only shows that the code works."""

    tiny: bool
    config: dict[str, Any] = field(init=False)
    batch: int = field(init=False)
    repeats: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", TINY if self.tiny else SWIN_BASE_384)
        object.__setattr__(self, "batch", 4 if self.tiny else 16)
        object.__setattr__(self, "repeats", 2 if self.tiny else 8)

    @property
    def pixels(self) -> int:
        return int(self.config["image_size"])

    @property
    def precisions(self) -> tuple[str, ...]:
        """What is measured here; fp16 without its scaler says nothing, so a CPU has bf16 and fp32."""
        every = ("fp16", "bf16") if ON == "cuda" else ("bf16", "fp32")
        return every[:1] if self.tiny else every

    @property
    def matrix(self) -> int:
        """Side of the products that the matrix peak is measured with."""
        return 128 if self.tiny else 8192 if ON == "cuda" else 2048


class Step:
    """Forward, backward, clipping and optimizer; `learning` stages and the head learn, the others are at rest."""

    def __init__(self, size: Size, learning: tuple[int, ...], precision: str, batch: int, **how: Any) -> None:
        attention, compiled, channels_last = (how.get(k) for k in ("attention", "compiled", "channels_last"))
        config = SwinConfig(**{**size.config, "num_labels": 4, "drop_path_rate": 0.1})
        config._attn_implementation = attention or "sdpa"
        self.model = swin.Swin(config).to(ON).train()
        swin.set_learning(self.model, learning)
        swin.rest_frozen(self.model)
        self.parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        fused = {"foreach": True} if how.get("foreach") else {"fused": True}
        self.optimizer = torch.optim.AdamW(self.parameters, lr=1e-4, weight_decay=0.05, **fused)
        self.scaler = torch.amp.GradScaler(ON, enabled=precision == "fp16" and ON == "cuda")
        self.dtype = DTYPES.get(precision)
        self.pixels = torch.randn(batch, 3, size.pixels, size.pixels, device=ON)
        if channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.pixels = self.pixels.to(memory_format=torch.channels_last)
        self.labels = torch.arange(batch, device=ON) % 4
        self.forward: Callable[[], torch.Tensor] = self._loss
        if compiled:  # a tiny size traces only: generating code takes a minute on a CPU
            self.forward = torch.compile(self._loss, backend="eager" if size.tiny else "inductor", dynamic=False)
        self.kernel = how.get("kernel")

    def _loss(self) -> torch.Tensor:
        return functional.cross_entropy(self.model(self.pixels).logits.float(), self.labels, label_smoothing=0.1)

    def __call__(self) -> None:
        with (
            sdpa_kernel(self.kernel) if self.kernel else nullcontext(),
            torch.autocast(ON, dtype=self.dtype, enabled=self.dtype is not None),
        ):
            loss = self.forward()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()


def flops_of(step: Step) -> int:
    """Floating-point operations of one step, forward and backward, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        step._loss().backward()
    step.optimizer.zero_grad()
    return int(counter.get_total_flops())


def peak_gigabytes(step: Callable[[], None]) -> float | None:
    """Largest memory that torch held during two steps, its cache included; None on a CPU."""
    if ON != "cuda":
        return None
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    step(), step()
    return torch.cuda.max_memory_reserved() / 1e9


def forget() -> None:
    gc.collect()
    if ON == "cuda":
        torch.cuda.empty_cache()


def steps(size: Size) -> tuple[list[dict[str, Any]], list[str]]:
    """Each phase in each precision, eager."""
    peaks = {name: matrix_peak(DTYPES.get(name, torch.float32), size.matrix, 5) for name in size.precisions}
    rows = []
    for name, learning in PHASES.items():
        for precision in size.precisions:
            step = Step(size, learning, precision, size.batch)
            rate = size.batch / seconds_of(step, size.repeats, warm_up=2)
            share = float(np.median(rate)) * flops_of(step) / size.batch / peaks[precision]
            held = peak_gigabytes(step)
            row = {"step": name, "precision": precision, "batch": size.batch, "pictures/s": quartiles(rate)}
            rows.append({**row, "share of the matrix peak": round(share, 3), "memory, GB": held})
            del step
            forget()
    peak = ", ".join(f"{name} {value / 1e12:.3g} TFLOP/s" for name, value in peaks.items())
    return rows, [f"Matrix peak, products of {size.matrix} x {size.matrix}: {peak}."]


def memory(size: Size) -> tuple[list[dict[str, Any]], list[str]]:
    """The largest batch of each phase and precision that fits, and its speed."""
    rows = []
    for (name, learning), precision in itertools.product(PHASES.items(), size.precisions):
        timed = partial(speed_of, size, learning, precision)
        rows += fitting(
            size, partial(held_by, size, learning, precision), timed, {"step": name, "precision": precision}
        )
    return rows, [f"Eager; {HELD}"]


def memory_compiled(size: Size) -> tuple[list[dict[str, Any]], list[str]]:
    """The same compiled, in the first precision, by a line through two batches: each one is compiled anew."""
    rows, precision = [], size.precisions[0]
    for phase in ("phase 2 (stage 4)",) if size.tiny else ("phase 2 (stage 4)", "full"):
        what: dict[str, Any] = {"step": phase, "precision": precision}
        try:
            batches = (size.batch // 2, size.batch)
            held = {batch: held_by(size, PHASES[phase], precision, batch, compiled=True) for batch in batches}
        except Exception as error:  # whatever the tool chain of this machine lacks
            rows.append(
                {**what, "not compiled": f"{type(error).__name__}: {str(error).strip().splitlines()[0][:100]}"}
            )
            continue
        for limit in GIGABYTES[:1] if size.tiny else GIGABYTES:
            found = largest_batch(lambda batch: 0.0, held, limit)
            rows.append({**what, "GPU memory, GB": limit, "largest batch": found})
    return rows, [f"Compiled; the batch is of a line through batches of {size.batch // 2} and {size.batch}; {HELD}"]


def fitting(
    size: Size, measured: Callable[[int], float], timed: Callable[[int], Any], what: dict[str, Any]
) -> list[dict[str, Any]]:
    """A row for each size of GPU memory: the largest batch and its speed, `what` before them."""
    held = {batch: measured(batch) for batch in (size.batch // 2, size.batch)}
    rows = []
    for limit in GIGABYTES[:1] if size.tiny else GIGABYTES:
        batch = largest_batch(measured, held, limit)
        rows.append({**what, "GPU memory, GB": limit, "largest batch": batch})
        if batch:
            rows[-1]["pictures/s"] = timed(batch)
    return rows


def speed_of(size: Size, learning: tuple[int, ...], precision: str, batch: int) -> Any:
    """Quartiles of pictures/s of a new step."""
    step = Step(size, learning, precision, batch)
    rate = quartiles(batch / seconds_of(step, 3, warm_up=1))
    del step
    forget()
    return rate


def modelled(batch: int) -> float:
    """Gigabytes on a CPU, where memory is not measured: a straight line, so that the search can be rehearsed."""
    return 0.5 + 0.2 * batch


def held_by(size: Size, learning: tuple[int, ...], precision: str, batch: int, **how: Any) -> float:
    """Gigabytes of a new step."""
    if ON != "cuda":
        if how:
            Step(size, learning, precision, batch, **how)()
        return modelled(batch)
    try:
        step = Step(size, learning, precision, batch, **how)
        held = peak_gigabytes(step)
    except torch.OutOfMemoryError:
        held = float("inf")
    step = None  # type: ignore[assignment]
    forget()
    assert held is not None
    return held


def largest_batch(measured: Callable[[int], float], held: dict[int, float], limit: float) -> int:
    """The largest batch whose gigabytes are within `limit`, 0 for none: a line through two batches, then checked.

    measured: gigabytes of a batch. held: those of two batches, known already.
    """
    (small, of_small), (large, of_large) = sorted(held.items())
    if of_large == float("inf"):  # it did not fit this device at all
        batch = small
    else:
        each = max((of_large - of_small) / (large - small), 1e-6)
        batch = min(GREATEST_BATCH, int(large + (limit - of_large) / each + 1e-6))
    while batch > 0 and measured(batch) > limit:
        batch -= max(1, batch // 16)
    return max(batch, 0)


def kernels(size: Size) -> tuple[list[dict[str, Any]], list[str]]:
    """Phase 2 and full steps in variants, taken in turn with the step as it is."""
    variants: dict[str, dict[str, Any]] = {
        "as it is (sdpa, fused AdamW)": {},
        "channels last": {"channels_last": True},
        "attention written out": {"attention": "eager"},
        "foreach AdamW": {"foreach": True},
    }
    if ON == "cuda":
        variants["sdpa: memory-efficient"] = {"kernel": [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]}
        variants["sdpa: cuDNN"] = {"kernel": [SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH]}
        variants["sdpa: mathematical"] = {"kernel": [SDPBackend.MATH]}
    rows = []
    for phase in ("phase 2 (stage 4)",) if size.tiny else ("phase 2 (stage 4)", "full"):
        made = {
            name: Step(size, PHASES[phase], size.precisions[0], size.batch, **how) for name, how in variants.items()
        }
        rates = in_turn({name: (step, size.batch, 1) for name, step in made.items()}, size.repeats)
        plain = rates[next(iter(variants))]
        for name, rate in rates.items():
            rows.append(
                {
                    "step": phase,
                    "variant": name,
                    "pictures/s": quartiles(rate),
                    "times faster": quartiles(rate / plain),
                }
            )
        del made
        forget()
    return rows, [f"{size.precisions[0]}, batch {size.batch}; every round takes one step of each variant."]


def compiled(size: Size) -> tuple[list[dict[str, Any]], list[str]]:
    """Eager against torch.compile, in turn."""
    rows = []
    for phase in ("phase 2 (stage 4)",) if size.tiny else ("phase 2 (stage 4)", "full"):
        for precision in size.precisions:
            eager, fast = (Step(size, PHASES[phase], precision, size.batch, compiled=c) for c in (False, True))
            row: dict[str, Any] = {"step": phase, "precision": precision}
            try:
                row["compiling, s"] = round(float(seconds_of(fast, 1, warm_up=0)[0]), 1)
                row |= {"eager, GB": peak_gigabytes(eager), "compiled, GB": peak_gigabytes(fast)}
                rates = in_turn({"eager": (eager, size.batch, 1), "compiled": (fast, size.batch, 1)}, size.repeats)
                row |= {f"{side}, pictures/s": quartiles(rate) for side, rate in rates.items()}
                row["times faster"] = quartiles(rates["compiled"] / rates["eager"])
            except Exception as error:  # whatever the tool chain of this machine lacks
                row["not compiled"] = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:100]}"
            rows.append(row)
            del eager, fast
            torch.compiler.reset()
            forget()
    return rows, [f"Batch {size.batch}."]
