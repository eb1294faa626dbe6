"""Arrays in, numbers out: metrics, intervals, calibration, significance, generalisation."""
