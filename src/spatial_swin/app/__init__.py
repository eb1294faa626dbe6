"""The page: drop a recording, see which layout it says, the cues it was judged by and where the model looked."""
