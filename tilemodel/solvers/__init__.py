"""The mathematics of the tile, one network kind a file; arrays in, arrays out, no configuration objects."""
