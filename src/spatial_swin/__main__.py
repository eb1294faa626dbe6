"""`python -m spatial_swin` is the command `spatial-swin`."""

import sys

from spatial_swin.cli import main

sys.exit(main())
