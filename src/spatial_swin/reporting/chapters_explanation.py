"""The chapter on where the model looks: what `spatial-swin explain` evidence, with the check that keeps it honest.

Reads nothing: an `Evidence` that holds explanations.json goes in, a section comes out, empty when nothing was
explained.
"""

from typing import Any

from spatial_swin.reporting.document import Block, Bullets, Picture, Section, Table, Text, counted, sentence
from spatial_swin.reporting.evidence import Evidence, Findings
from spatial_swin.reporting.tables import with_interval

SHOWN_TILES = 20
CAPTIONS = {
    "relevance_per_tile": "Relevance of each region, its share of the area marked, and what hiding it costs "
    "(95 % intervals over groups).",
    "relevance_per_class": "The same for each class.",
    "mean_maps": "Mean relevance on the picture, over all and for each class.",
}


def explanations_section(evidence: Evidence, _: Findings) -> Section:
    """Relevance and occlusion by region, their rank correlation, and the mean figures."""
    explained = evidence.explanations
    section = Section("Where the model looks")
    if not explained or not explained.get("tiles"):
        return section
    section.blocks.append(Text(_said(explained)))
    section.blocks.append(_table(explained))
    if explained.get("notes"):
        section.blocks.append(Bullets([sentence(note) for note in explained["notes"]]))
    section.blocks += _figures(evidence, explained)
    return section


def _said(explained: dict[str, Any]) -> str:
    tiles = sorted(explained["tiles"], key=lambda tile: -tile["relevance"])
    first = tiles[0]
    text = (
        f"`spatial-swin explain` went over {counted(explained['items'], 'picture')} of the {explained['part']} part "
        f"({explained['relevance']}). Most relevance falls on {first['title']} ({first['relevance']:.1%} on "
        f"{first['area']:.1%} of the area)."
    )
    if explained.get("occlusion"):
        costly = max(tiles, key=lambda tile: tile["likelihood_fall"])
        text += (
            f" Hiding a region (its mean over the training part in its place) costs most for {costly['title']}: "
            f"{costly['likelihood_fall']:.3f} nats of log-likelihood and {costly['accuracy_fall']:.3f} of accuracy."
        )
        rank = explained.get("rank_correlation") or {}
        if rank.get("rho") is not None:
            text += (
                f" Spearman's rank correlation of relevance and that cost over {rank['n']} regions is "
                f"{rank['rho']:+.2f}: {_trust(rank['rho'])}."
            )
    else:
        text += " Nothing was hidden, so nothing says whether the model needs what it attends to."
    return text


def _trust(rho: float) -> str:
    if rho >= 0.5:
        return "the maps agree with what the model needs"
    if rho >= 0.2:
        return "the maps agree only loosely with what the model needs; trust the cost of hiding"
    return "the maps do not say what the model needs; trust the cost of hiding"


def _table(explained: dict[str, Any]) -> Table:
    tiles = sorted(explained["tiles"], key=lambda tile: -tile["relevance"])[:SHOWN_TILES]
    header, keys = ["Region", "Share of the area", "Relevance"], ["area", "relevance"]
    if explained.get("occlusion"):
        header += ["Fall in log-likelihood", "Fall in accuracy"]
        keys += ["likelihood_fall", "accuracy_fall"]
    limits = {key: (f"{key}_low", f"{key}_high") for key in keys}

    def cell(tile: dict[str, Any], key: str) -> str:
        low, high = (tile.get(name) for name in limits[key])
        return with_interval({"value": tile[key], "low": low, "high": high})

    rows = [[tile["title"], *(cell(tile, key) for key in keys)] for tile in tiles]
    return Table("Regions by relevance (explanations/tiles.csv has all, by class)", header, rows)


def _figures(evidence: Evidence, explained: dict[str, Any]) -> list[Block]:
    """The mean figures and one sample of each kind, where they lie beside the report's own folder."""
    blocks: list[Block] = [
        Picture(f"../explanations/{stem}", caption)
        for stem, caption in CAPTIONS.items()
        if (evidence.run.path / "explanations" / f"{stem}.png").is_file()
    ]
    first = {sample["kind"]: sample for sample in reversed(explained.get("samples", []))}
    blocks += [
        Picture(f"../explanations/{sample['figure']}", f"{kind.capitalize()}: {sample['path']}.")
        for kind, sample in sorted(first.items())
        if (evidence.run.path / "explanations" / f"{sample['figure']}.png").is_file()
    ]
    return blocks
