"""Whether the program that a command line names can be run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def find_program(word: str, folder: Path, search_path: str) -> Path | None:
    """Return the executable that `word` names, or None.

    A word with a slash is a path from `folder`; any other is looked up along `search_path`
    (as in PATH; its relative entries start from `folder`), never in `folder` itself.
    """
    if "/" in word:
        places = [folder / word]
    else:
        places = [folder / entry / word for entry in search_path.split(os.pathsep)]
    return next((place for place in places if shutil.which(str(place))), None)


def what_is_wrong_with(program: Path) -> str:
    """Return why a file cannot be run, in words that complete "the program ..."."""
    if program.is_dir():
        return "is a folder"
    if program.exists():
        return "is not executable"
    return "does not exist"
