"""What `import equipoise as eq` has."""

from . import (
    audit,
    curation,
    data,
    estimators,
    exceptions,
    features,
    losses,
    metrics,
    networks,
    resampling,
)
from .api import plan, read, run
from .data.dataset import ImageDataset
from .data.images.options import Loaded, ReadOptions
from .data.volume_dataset import VolumeDataset
from .data.volumes.options import LoadedVolumes, VolumeOptions
from .estimators import patches
from .experiments import methods
from .experiments.protocol import Budget, Protocol, VolumeBudget, VolumeProtocol
from .experiments.running.executors import InProcess, Processes
from .experiments.running.ray_executor import RayExecutor
from .experiments.running.runner import run_study
from .experiments.study import Study
from .report.html import write_report
from .results.tables import summarize_run
from .runs.run import open_run

__version__: str

__all__ = [
    "Budget",
    "ImageDataset",
    "InProcess",
    "Loaded",
    "LoadedVolumes",
    "Processes",
    "Protocol",
    "RayExecutor",
    "ReadOptions",
    "Study",
    "VolumeBudget",
    "VolumeDataset",
    "VolumeOptions",
    "VolumeProtocol",
    "audit",
    "curation",
    "data",
    "estimators",
    "exceptions",
    "features",
    "losses",
    "methods",
    "metrics",
    "networks",
    "open_run",
    "patches",
    "plan",
    "read",
    "resampling",
    "run",
    "run_study",
    "summarize_run",
    "write_report",
]
