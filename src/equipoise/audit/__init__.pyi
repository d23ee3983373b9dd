"""Synthetic images: quality, copies, membership, and whether they may be released."""

from .examination import examine
from .gate import GateRule, Release
from .near_copies import CopySearch
from .quality_gate import QualityRule
from .report import Audit, AuditReference, audit

__all__ = [
    "Audit",
    "AuditReference",
    "CopySearch",
    "GateRule",
    "QualityRule",
    "Release",
    "audit",
    "examine",
]
