"""The lock of the example service that we did not write."""

from __future__ import annotations

import re
from pathlib import Path

LOCK = Path(__file__).parents[3] / "examples" / "httpbin" / "requirements.lock"


def test_every_requirement_is_pinned_and_hashed():
    logical = LOCK.read_text().replace("\\\n", " ")
    requirements = [line for line in logical.splitlines() if re.match(r"\w", line)]
    assert {"httpbin", "gunicorn"} <= {line.partition("==")[0] for line in requirements}
    for line in requirements:
        assert re.match(r"[\w.-]+==\S+", line), line
        assert "--hash=sha256:" in line


def test_it_names_no_place_to_download_from_and_no_path():
    text = LOCK.read_text()
    assert "://" not in text
    assert "index-url" not in text
    assert not re.search(r"(^|\s)/\w", text)
