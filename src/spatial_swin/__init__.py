"""Spatial Swin: learn which loudspeaker layout a binaural recording was mixed for, and prove the answer.

The Python API is the names of `__all__` (docs/api.md shows them at work); each is imported when it is first used, so
that `import spatial_swin` and the command line stay light.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatial_swin.api import fine_tune, mosaic, render_programme
    from spatial_swin.prediction.detector import Detector, Heard
    from spatial_swin.reporting.analysis import ThesisResultsAnalyzer
    from spatial_swin.runs import RunFolder

__version__ = "0.1.0"  # the one place: pyproject.toml reads it, a test compares CITATION.cff
__all__ = [
    "Detector",
    "Heard",
    "RunFolder",
    "ThesisResultsAnalyzer",
    "__version__",
    "fine_tune",
    "mosaic",
    "render_programme",
]
_HOMES = {
    "Detector": "spatial_swin.prediction.detector",
    "Heard": "spatial_swin.prediction.detector",
    "RunFolder": "spatial_swin.runs",
    "ThesisResultsAnalyzer": "spatial_swin.reporting.analysis",
    "fine_tune": "spatial_swin.api",
    "mosaic": "spatial_swin.api",
    "render_programme": "spatial_swin.api",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
