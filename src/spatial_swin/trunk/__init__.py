"""What the frozen stages give, stored: key, shards, store, dataset, filling, and training from it."""
