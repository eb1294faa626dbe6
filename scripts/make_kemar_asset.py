"""Make assets/kemar_layouts.sofa: those directions of MIT KEMAR (normal pinna) that some layout needs.

    python scripts/make_kemar_asset.py MIT_KEMAR_normal_pinna.sofa

The full file is what the Debian package libmysofa1 installs. For every direction of `layouts.all_directions()` the nearest
measured one is kept, unchanged, at 44.1 kHz. Run it again after adding a layout.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import sofar

import spatial_swin
from spatial_swin.audio.layouts import all_directions
from spatial_swin.audio.panning import unit_vectors

TARGET = Path(spatial_swin.__file__).parent / "assets" / "kemar_layouts.sofa"
CITATION = (
    "Bill Gardner and Keith Martin, HRTF Measurements of a KEMAR Dummy-Head Microphone, MIT Media Lab Perceptual "
    "Computing Technical Report 280, 1994"
)


def main(source: Path, target: Path = TARGET) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        full = sofar.read_sofa(str(source), verify=False)
    measured = unit_vectors(full.SourcePosition[:, 0], full.SourcePosition[:, 1])
    wanted = unit_vectors(*np.array(all_directions()).T)
    keep = np.unique((wanted @ measured.T).argmax(axis=1))

    small = sofar.Sofa("SimpleFreeFieldHRIR")
    small.Data_IR = full.Data_IR[keep]
    small.Data_SamplingRate = float(np.ravel(full.Data_SamplingRate)[0])
    small.SourcePosition = full.SourcePosition[keep]
    small.ReceiverPosition = np.array([[0, 0.09, 0], [0, -0.09, 0]])
    small.GLOBAL_Title = "MIT KEMAR, normal pinna, the directions that loudspeaker layouts need"
    small.GLOBAL_DatabaseName, small.GLOBAL_ListenerShortName = "MIT", "KEMAR, normal pinna"
    small.GLOBAL_AuthorContact, small.GLOBAL_Organization = "Bill Gardner, Keith Martin", "MIT Media Laboratory"
    small.GLOBAL_License = "Copyright 1994 by the MIT Media Laboratory. Free, no restrictions on use, provided the authors are cited."
    small.GLOBAL_References = CITATION
    for dated in ("GLOBAL_DateCreated", "GLOBAL_DateModified"):
        setattr(small, dated, "1994-05-18 00:00:00")
    sofar.write_sofa(str(target), small, compression=9)
    print(f"{target}: {len(keep)} directions, {target.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
