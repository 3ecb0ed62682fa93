"""The command line `tilemodel`: sits on top of all packages, imported by none."""
