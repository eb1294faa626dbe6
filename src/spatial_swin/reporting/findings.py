"""What was worked out beside the evidence, and handed to the chapters of the report."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from spatial_swin.reporting.document import Block, Picture, Text
from spatial_swin.reporting.figures_errors import Confused, FactorRow


@dataclass
class Findings:
    """What was worked out beside the evidence: wrong answers, factor rows, the figures made, remarks on those not."""

    confused: Sequence[Confused] = ()
    factors: Sequence[FactorRow] = ()
    figures: set[str] = field(default_factory=set)
    remarks: dict[str, str] = field(default_factory=dict)

    def figure(self, stem: str, caption: str) -> list[Block]:
        """The figure, or the sentence that says why there is none."""
        if stem in self.figures:
            return [Picture(stem, caption)]
        return [Text(self.remarks[stem])] if stem in self.remarks else []
