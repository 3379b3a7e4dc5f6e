"""Reference for the random numbers of an image: the Philox generator of Salmon et al. 2011, in whole numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

WORD = 2**64
MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
WEYL = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Philox4x64-10: a block of four words of 64 bits."""
    a, b, c, d = counter
    for _ in range(10):
        first, second = a * MULTIPLIERS[0], c * MULTIPLIERS[1]
        a, b, c, d = second // WORD ^ b ^ key[0], second % WORD, first // WORD ^ d ^ key[1], first % WORD
        key = (key[0] + WEYL[0]) % WORD, (key[1] + WEYL[1]) % WORD
    return a, b, c, d


def halves(key: tuple[int, int]) -> Iterator[int]:
    """The words of 32 bits of the stream: the lower half of each word comes first. NumPy counts blocks from 1."""
    block = 0
    while True:
        block += 1
        for word in philox((block, 0, 0, 0), key):
            yield word % 2**32
            yield word // 2**32


def uniform(name: str, seed: int, count: int) -> list[float]:
    """The first random numbers in [0, 1) of an image: 24 bits each, from the key of the seed and its id."""
    key = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:16], "little")
    stream = halves((key % WORD, key // WORD))
    return [(next(stream) >> 8) / 2**24 for _ in range(count)]
