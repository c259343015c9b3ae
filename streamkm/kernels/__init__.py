"""What is computed on one block: NumPy and Numba only, no I/O."""
