"""Noise of the memory elements: read noise from nanoseconds on, programming, drift, and what follows for a tile."""
