"""Cut the directions that the layouts need out of the full MIT KEMAR set, as a small SOFA file that ships.

    python scripts/make_kemar_asset.py MIT_KEMAR_normal_pinna.sofa src/spatial_swin/assets/kemar_layouts.sofa

The full file is free without restriction provided the authors are cited (Gardner and Martin, MIT Media Lab, 1994);
the Debian package libmysofa1 installs it. For every wanted direction the nearest measured one is kept, and its
neighbours on the grid within 8 degrees, which is what interpolation needs. Run it again after adding a layout.
"""

import sys
import warnings

import numpy as np
import sofar

from spatial_swin.audio.panning import unit_vectors
from spatial_swin.layouts import all_directions

WITHIN = 8.0  # degrees
TAPS = 384  # of 512 at 44.1 kHz; the rest is below -60 dB of the peak


def main(source: str, target: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        full = sofar.read_sofa(source, verify=False, verbose=False)
    positions = np.asarray(full.SourcePosition)
    measured = unit_vectors(positions[:, 0], positions[:, 1])
    wanted = unit_vectors(*np.array(all_directions()).T)
    apart = np.degrees(np.arccos(np.clip(wanted @ measured.T, -1, 1)))
    keep = np.unique(np.concatenate([apart.argmin(axis=1), np.flatnonzero((apart <= WITHIN).any(axis=0))]))
    sofa = sofar.Sofa("SimpleFreeFieldHRIR")
    sofa.Data_IR = np.asarray(full.Data_IR)[keep][..., :TAPS].astype(np.float32).astype(np.float64)
    sofa.Data_SamplingRate = float(np.ravel(full.Data_SamplingRate)[0])
    sofa.SourcePosition = positions[keep]
    sofa.SourcePosition_Type = "spherical"
    sofa.SourcePosition_Units = "degree, degree, metre"
    sofa.GLOBAL_Title = "MIT KEMAR, normal pinna: directions of loudspeaker layouts"
    sofa.GLOBAL_AuthorContact = "Bill Gardner and Keith Martin, MIT Media Laboratory"
    sofa.GLOBAL_License = "Free, no restrictions on use, provided the authors are cited"
    sofa.GLOBAL_Organization = "MIT Media Laboratory"
    sofa.GLOBAL_References = (
        "W. G. Gardner and K. D. Martin, HRTF measurements of a KEMAR, JASA 97(6), 3907-3908, 1995"
    )
    sofa.GLOBAL_ListenerShortName = "KEMAR, normal pinna"
    sofa.GLOBAL_DatabaseName = "MIT"
    sofar.write_sofa(target, sofa, compression=9)
    print(f"{target}: {len(keep)} of {len(positions)} directions")


if __name__ == "__main__":
    main(*sys.argv[1:3])
