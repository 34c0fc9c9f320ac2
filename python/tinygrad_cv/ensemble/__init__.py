"""Ensembles: several networks that vote, or one network whose parameters are an average."""

from __future__ import annotations

from tinygrad_cv.ensemble.average import WeightAverage, update_bn
from tinygrad_cv.ensemble.snapshots import Snapshots
from tinygrad_cv.ensemble.voting import Ensemble, Report

__all__ = ["Ensemble", "Report", "Snapshots", "WeightAverage", "update_bn"]
