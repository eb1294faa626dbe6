"""Sound to picture: layouts, listeners, programmes, rendering, loudness, cues, mosaic.

Imports nothing of ours but the leaves.
"""
