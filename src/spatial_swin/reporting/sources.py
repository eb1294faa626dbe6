"""Where a report's methods and weights come from: the literature it names, and the provenance of pretrained trunks.

A recipe's model name or the parts of a report go in, sentences come out. Only what was looked up is cited; nothing
here reads a file.
"""

from collections.abc import Sequence

SWIN = (
    "Liu, Z., Lin, Y., Cao, Y., Hu, H., Wei, Y., Zhang, Z., Lin, S., Guo, B. (2021). Swin Transformer: hierarchical "
    "vision transformer using shifted windows. ICCV 2021, 10012-10022."
)
VIT = (
    "Dosovitskiy, A., et al. (2021). An image is worth 16x16 words: transformers for image recognition at scale. "
    "ICLR 2021."
)
SCENES = (
    "Zieliński, S. K., Antoniuk, P., Lee, H. (2022). Spatial audio scene characterization (SASC): automatic "
    "localization of front-, back-, up-, and down-positioned music ensembles in binaural recordings. Applied Sciences "
    "12(3), 1569. doi 10.3390/app12031569."
)
WIDTH = (
    "Antoniuk, P., Zieliński, S. K., Lee, H. (2024). Ensemble width estimation in HRTF-convolved binaural music "
    "recordings using an auditory model and a gradient-boosted decision trees regressor. EURASIP Journal on Audio, "
    "Speech, and Music Processing 2024. doi 10.1186/s13636-024-00374-2."
)
LAYOUTS = "Recommendation ITU-R BS.2051: Advanced sound system for programme production (the layouts)."
LOUDNESS = (
    "Recommendation ITU-R BS.1770-4: Algorithms to measure audio programme loudness and true-peak audio level (the "
    "loudness of every clip)."
)
TEMPERATURE = (
    "Guo, C., Pleiss, G., Sun, Y., Weinberger, K. Q. (2017). On calibration of modern neural networks. ICML 2017."
)
BOOTSTRAP = (
    "Davison, A. C., Hinkley, D. V. (1997). Bootstrap methods and their application. Cambridge University Press."
)
REFERENCES = (SWIN, VIT, SCENES, WIDTH, LAYOUTS, LOUDNESS, TEMPERATURE, BOOTSTRAP)

# The trunks of the recipes that ship. transformers converted the file that timm names swin_base_patch4_window12_384,
# which is Microsoft's swin_base_patch4_window12_384_22kto1k.pth.
_TRUNKS = {
    "swin-nano-192": (
        "the small Swin that ships with Spatial Swin, pretrained from random weights on 12,800 synthetic pictures "
        "(1,600 programmes, 40 parametric listeners) of eight other layouts (302, 400, 402, 404, 512, 710, 712, 714), "
        "none of them one of 100, 200, 510 and 514; recipes/swin-nano-192/pretrain.yaml made it"
    ),
    "detector": (
        "the detector that ships with Spatial Swin, trained on 14,487 programmes in the same four layouts, "
        "heard by 30 people of CIPIC, virtual heads of them and parametric listeners, two thirds of them in rooms, "
        "through codecs or in noise (its Swin: 6,474, a fifth in rooms); recipes/detector/detector.yaml made it"
    ),
    "microsoft/swin-base-patch4-window12-384": (
        "Swin-B (Liu et al. 2021), pretrained by its authors on the photographs of ImageNet-22K and fine-tuned by "
        "them on ImageNet-1K (the file 22kto1k); nothing in it has heard a sound"
    ),
}


def provenance(model: str) -> str:
    """What the trunk of a recipe's model was pretrained on, as a clause; empty for a model that is not known here."""
    return _TRUNKS.get(model.rstrip("/").removesuffix("/config.json").rpartition("assets/")[2], "")


def cited(layouts: bool, calibrated: bool) -> Sequence[str]:
    """The literature of one report: `layouts` when its classes are loudspeaker layouts, `calibrated` with a
    temperature."""
    left_out = set() if layouts else {SCENES, WIDTH, LAYOUTS, LOUDNESS}
    left_out |= set() if calibrated else {TEMPERATURE}
    return [reference for reference in REFERENCES if reference not in left_out]
