"""Random numbers that depend on a key and on nothing else.

In goes a key (seed, purpose, epoch or view, sample, ...), out comes a numpy generator or a table of uniforms. There
is no stream: workers, batch size, resume and number of processes cannot change what a sample draws. Counter-based
(Philox4x64, Salmon et al. 2011), keyed by a hash of the key's parts. A leaf: every package may import it.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

Key = int | str


def keyed_seed(*key: Key) -> int:
    """128 bits from the key; the parts are kept apart, so (1, 23) and (12, 3) differ."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in key)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


def keyed_generator(*key: Key) -> np.random.Generator:
    """A generator that gives the same numbers for the same key, on every machine."""
    return np.random.Generator(np.random.Philox(key=keyed_seed(*key)))


def keyed_uniforms(count: int, keys: Sequence[Sequence[Key]]) -> np.ndarray:
    """Uniforms in [0, 1), one row of `count` per key: float64 [len(keys), count]."""
    return np.stack([keyed_generator(*key).random(count) for key in keys]) if keys else np.empty((0, count))
