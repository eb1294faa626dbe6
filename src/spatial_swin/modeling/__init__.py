"""Swin in two phases: build, stages, Trainer, callbacks, relevance."""
