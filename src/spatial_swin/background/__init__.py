"""Training that outlives its terminal: keep, launch, monitor, stop."""
