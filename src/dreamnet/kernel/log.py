"""Structured log lines: readable on a terminal, JSON in a file."""

from __future__ import annotations

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

import structlog

Log = structlog.stdlib.BoundLogger

_FILE_BYTES = 10_000_000
_FILES_KEPT = 3


def _formatter(*, json: bool) -> logging.Formatter:
    renderer = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        foreign_pre_chain=_shared(),
    )


def _shared() -> list[structlog.typing.Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]


def configure(*, file: Path | None = None, console: bool = True, level: str = "INFO") -> None:
    """Send every log line to the console, to a rotating JSON file, or both."""
    handlers: list[logging.Handler] = []
    if console:
        handlers.append(logging.StreamHandler())
        handlers[-1].setFormatter(_formatter(json=False))
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(RotatingFileHandler(file, maxBytes=_FILE_BYTES, backupCount=_FILES_KEPT))
        handlers[-1].setFormatter(_formatter(json=True))
    logging.basicConfig(level=level, handlers=handlers, force=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def logger(name: str) -> Log:
    """Return the logger of one part, named after its noun."""
    return structlog.stdlib.get_logger(name)
