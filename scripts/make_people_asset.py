"""Cut the directions of the four layouts out of measured people, as small SOFA files that ship.

    python scripts/make_people_asset.py src/spatial_swin/assets/people CIPIC_009.sofa CIPIC_019.sofa ...

The terms of the CIPIC database allow it as long as its notice goes along; the script writes it beside the files. They
are the people that the detector in the package did not learn from.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import sofar

from spatial_swin import files
from spatial_swin.audio.panning import unit_vectors
from spatial_swin.layouts import DEFAULT_LAYOUTS, find_layouts

NOTICE = """# Measured people

Directions of the four layouts, cut out of the CIPIC HRTF database by `scripts/make_people_asset.py`; all 200 taps at
44.1 kHz. `spatial-swin demo` judges models on them. The detector in the package did not learn from them; the epoch
that its training keeps and its calibration were chosen by them.

> Copyright (c) 2001 The Regents of the University of California. All Rights Reserved.

They may be reproduced and used for any purpose, educational, research or commercial; each reproduction must include
this notice.

V. R. Algazi, R. O. Duda, D. M. Thompson, C. Avendano, *The CIPIC HRTF database*, IEEE WASPAA 2001, 99-102.
"""


def main(target: Path, sources: list[Path]) -> None:
    speakers = {(s.azimuth, s.elevation) for layout in find_layouts(DEFAULT_LAYOUTS) for s in layout.placed}
    wanted = unit_vectors(*np.array(sorted(speakers)).T)
    for source in sources:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            full = sofar.read_sofa(str(source), verify=False, verbose=False)
        positions = np.asarray(full.SourcePosition)
        measured = unit_vectors(positions[:, 0], positions[:, 1])
        keep = np.unique((wanted @ measured.T).argmax(axis=1))
        sofa = sofar.Sofa("SimpleFreeFieldHRIR")
        sofa.Data_IR = np.asarray(full.Data_IR)[keep].astype(np.float32).astype(np.float64)
        sofa.Data_SamplingRate = float(np.ravel(full.Data_SamplingRate)[0])
        sofa.SourcePosition = positions[keep]
        sofa.SourcePosition_Type = full.SourcePosition_Type
        sofa.SourcePosition_Units = full.SourcePosition_Units
        sofa.GLOBAL_Title = f"{source.stem.replace('_', ' subject ')}: directions of four loudspeaker layouts"
        sofa.GLOBAL_License = "Copyright (c) 2001 The Regents of the University of California. All Rights Reserved."
        sofa.GLOBAL_Organization = "CIPIC Interface Laboratory, University of California, Davis"
        sofa.GLOBAL_References = "V. R. Algazi et al., The CIPIC HRTF database, IEEE WASPAA 2001, 99-102"
        sofa.GLOBAL_ListenerShortName = source.stem
        sofa.GLOBAL_DatabaseName = "CIPIC"
        target.mkdir(parents=True, exist_ok=True)
        sofar.write_sofa(str(target / source.name), sofa, compression=9)
        print(f"{target / source.name}: {len(keep)} of {len(positions)} directions")
    files.write_text(target / "NOTICE.md", NOTICE)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(word) for word in sys.argv[2:]])
