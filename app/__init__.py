"""Energy accounting for EV fleets: AC energy from the grid against DC energy in the battery."""

__version__ = "0.1.0"
