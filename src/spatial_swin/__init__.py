"""Spatial Swin: learn which loudspeaker layout a binaural recording was mixed for, and prove the answer."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatial_swin.reporting.analysis import ThesisResultsAnalyzer

__all__ = ["ThesisResultsAnalyzer"]


def __getattr__(name: str) -> Any:
    """Import the analyzer only when it is asked for: `import spatial_swin` stays light."""
    if name == "ThesisResultsAnalyzer":
        from spatial_swin.reporting.analysis import ThesisResultsAnalyzer

        return ThesisResultsAnalyzer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
