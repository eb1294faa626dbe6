"""The benchmark: programmes, listeners and conditions crossed, rendered in memory, judged, and counted."""
