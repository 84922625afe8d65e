"""Answers of probes, counted into verdicts."""

from dreamnet.domain.vitals.evidence import OWN_SHARE, Evidence, weigh
from dreamnet.domain.vitals.vitals import MOST_EXCUSED, REMEMBERED, Streak, Verdict, Vitals, step

__all__ = [
    "MOST_EXCUSED",
    "OWN_SHARE",
    "REMEMBERED",
    "Evidence",
    "Streak",
    "Verdict",
    "Vitals",
    "step",
    "weigh",
]
