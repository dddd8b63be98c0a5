"""Vectors of length 1 for tests, in clusters as those of real passages are."""

import numpy as np

from knowledge.inverted import Halves


def clustered(count: int, seed: int = 0, dimension: int = 16, clusters: int = 30, spread: float = 0.6) -> Halves:
    """Return vectors about some centres, which are the same for every seed."""
    centres = np.random.default_rng(7).normal(size=(clusters, dimension))
    chance = np.random.default_rng(seed)
    vectors = centres[chance.integers(0, clusters, count)] + spread * chance.normal(size=(count, dimension))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float16)


def nearest(ids: np.ndarray, vectors: Halves, query: np.ndarray, count: int) -> list[int]:
    """Return the ids of the nearest, by brute force."""
    cosines = vectors.astype(np.float32) @ query[0]
    return [int(number) for number in ids[np.argsort(-cosines, kind="stable")[:count]]]
