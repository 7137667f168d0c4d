"""Grids: every model on every set at every scale under every protocol, on this machine or on a cluster."""

from srbench.sweep.engines import Engine, InProcess, Processes, RayCluster
from srbench.sweep.grid import Grid, Sweep, sweep

__all__ = ["Engine", "Grid", "InProcess", "Processes", "RayCluster", "Sweep", "sweep"]
