"""Local Zarr arrays read at the disk's speed, in the thread that asks.

Zarr sends every chunk through one event loop: two threads that read are
slower than one. Here each thread opens the chunk's file and decodes it
straight into the rows. What is not known here is left to Zarr.
"""

from streamkm.direct.reader import DirectReader, open_direct

__all__ = ["DirectReader", "open_direct"]
