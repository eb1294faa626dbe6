"""Spatial Swin: learn which loudspeaker layout a binaural recording was mixed for, and prove the answer."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatial_swin.reporting.analysis import ThesisResultsAnalyzer

__version__ = "0.1.0"  # the one place: pyproject.toml reads it, a test compares CITATION.cff
__all__ = ["ThesisResultsAnalyzer", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the analyzer only when it is asked for: `import spatial_swin` stays light."""
    if name == "ThesisResultsAnalyzer":
        from spatial_swin.reporting.analysis import ThesisResultsAnalyzer

        return ThesisResultsAnalyzer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
