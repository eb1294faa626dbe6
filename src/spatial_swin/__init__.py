"""Spatial Swin: learn which loudspeaker layout a binaural recording was mixed for, and prove the answer."""
