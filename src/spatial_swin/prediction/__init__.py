"""A finished model as a listener: files in, calibrated verdicts out."""
