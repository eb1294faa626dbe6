"""Even out the output of a pretrained trunk, so that stage 4 can learn from all of it; the result is an ordinary Swin.

    python scripts/whiten_trunk.py runs/pretrain pretraining/pictures --output_dir runs/whitened

Trained end to end, a trunk writes nearly all its variance into the few directions that its own task needs (the shipped
one: an effective rank of 12 of 256), and a new stage 4 that learns for a few epochs sees little else. The last thing a
trunk does is a linear map without bias (the reduction of stage 3's patch merging): multiplied by the inverse square
root of the covariance of its output, it gives every direction the same variance (ZCA, see Kessy, Lewin and Strimmer,
Optimal whitening and decorrelation, The American Statistician 72(4), 2018). Directions below `--floor` of the largest
variance are not blown up. Stage 4 was trained on the old output and starts again from random weights.
"""

import argparse
from pathlib import Path

import torch
from torch import nn
from transformers import SwinForImageClassification

from spatial_swin.data.folder import scan_folder
from spatial_swin.data.pictures import IMAGENET_MEAN, IMAGENET_STD, build_processor, normalise, read_pixels
from spatial_swin.modeling import swin
from spatial_swin.trunk import forward

STAGE = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of the pretraining")
    parser.add_argument("pictures", type=Path, help="folder of pictures, best those of the pretraining")
    parser.add_argument("--output_dir", type=Path, required=True, help="model folder to write")
    parser.add_argument("--limit", type=int, default=400, help="pictures to measure the covariance on (400)")
    parser.add_argument("--floor", type=float, default=1e-4, help="share of the largest variance (1e-4)")
    parser.add_argument("--seed", type=int, default=0, help="of the new stage 4")
    options = parser.parse_args()
    model = SwinForImageClassification.from_pretrained(options.run / "model", dtype=torch.float32).eval()
    output = trunk_outputs(model, options.pictures, options.limit)
    before = covariance(output)
    reduction = model.swin.encoder.layers[STAGE - 2].downsample.reduction
    assert isinstance(reduction, nn.Linear)
    assert reduction.bias is None
    with torch.no_grad():
        matrix = whitening(before, options.floor)
        reduction.weight.copy_(matrix @ reduction.weight)
    renew_stage(model, options.seed)
    model.save_pretrained(options.output_dir)
    build_processor(model.config.image_size).save_pretrained(options.output_dir)
    after = matrix @ before @ matrix.T
    ranks = f"{effective_rank(before):.1f} before, {effective_rank(after):.1f} after, of {len(before)}"
    print(f"effective rank of the trunk's output: {ranks}\n{options.output_dir}")


def trunk_outputs(model: SwinForImageClassification, pictures: Path, limit: int) -> torch.Tensor:
    """What stage 4 receives for about `limit` pictures, evenly taken from the folder: [tokens, C]."""
    folder = scan_folder(pictures)
    paths = [folder.root / picture.path for picture in folder.pictures[:: max(1, len(folder.pictures) // limit)]]
    outputs = []
    for start in range(0, len(paths), 32):
        pixels = torch.stack([read_pixels(path, model.config.image_size) for path in paths[start : start + 32]])
        with torch.no_grad():
            shown = normalise(pixels, IMAGENET_MEAN, IMAGENET_STD)
            outputs.append(forward.trunk_output(model, shown, STAGE).flatten(0, 1))
    return torch.cat(outputs)


def covariance(output: torch.Tensor) -> torch.Tensor:
    """[tokens, C] -> [C, C]."""
    centred = (output - output.mean(dim=0)).double()
    return (centred.T @ centred / len(centred)).float()


def whitening(covariance: torch.Tensor, floor: float) -> torch.Tensor:
    """The symmetric matrix [C, C] that makes this covariance nearly the unit matrix, at a mean variance of 1."""
    variances, directions = torch.linalg.eigh(covariance)
    matrix = directions @ torch.diag((variances + floor * variances.max()).rsqrt()) @ directions.T
    return matrix / (matrix @ covariance @ matrix.T).trace().div(len(covariance)).sqrt()


def effective_rank(covariance: torch.Tensor) -> float:
    """exp of the entropy of the shares of variance (Roy and Vetterli, EUSIPCO 2007)."""
    shares = torch.linalg.eigvalsh(covariance).clamp_min(1e-12)
    shares = shares / shares.sum()
    return float(torch.exp(-(shares * shares.log()).sum()))


def renew_stage(model: SwinForImageClassification, seed: int) -> None:
    """Give stage 4 and its layer norm random weights, as a model made from its configuration has."""
    torch.manual_seed(seed)
    fresh = SwinForImageClassification(model.config)
    for ours, theirs in zip(swin.stages(model)[STAGE], swin.stages(fresh)[STAGE], strict=True):
        ours.load_state_dict(theirs.state_dict())


if __name__ == "__main__":
    main()
