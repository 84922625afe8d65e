"""Admission of actions: a first, simple reef behind the interface that full settlement keeps."""

from __future__ import annotations

from dreamnet.domain.reef.settlement import attempt_settlement, find_best_slot

__all__ = ["attempt_settlement", "find_best_slot"]
