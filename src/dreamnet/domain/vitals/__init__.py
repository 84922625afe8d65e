"""Answers of probes, counted into verdicts."""

from dreamnet.domain.vitals.vitals import REMEMBERED, Streak, Verdict, Vitals, step

__all__ = ["REMEMBERED", "Streak", "Verdict", "Vitals", "step"]
