"""Variables from a `.env` file, taken literally."""

from __future__ import annotations

import asyncio
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from dreamnet.kernel.errors import Complaint, ConfigError


class DotenvSource:
    """Reads the file anew each time; `$` in a value is a dollar sign and nothing else.

    A name without `=` is left out, so that a required one is told as missing, not as blank.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self) -> dict[str, str]:
        """Return the variables; ConfigError when the file is missing, unreadable or malformed."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> dict[str, str]:
        bindings = list(parse_stream(StringIO(self._text())))
        wrong = [self._complaint(binding) for binding in bindings if binding.error]
        if wrong:
            raise ConfigError(*wrong)
        return {
            binding.key: binding.value
            for binding in bindings
            if binding.key is not None and binding.value is not None
        }

    def _complaint(self, binding: Binding) -> Complaint:
        return Complaint(
            "this line is no NAME=value",
            f"{self._path}:{binding.original.line}",
            "write NAME=value; put values with spaces, quotes or # in quotes",
        )

    def _text(self) -> str:
        try:
            return self._path.read_text("utf-8-sig")
        except FileNotFoundError:
            raise ConfigError.of(
                "there is no such file with variables",
                where=str(self._path),
                mend="create it, or remove it from env.from in dreamnet.toml",
            ) from None
        except UnicodeDecodeError:
            raise ConfigError.of(
                "the file is not UTF-8 text", where=str(self._path), mend="save it as UTF-8"
            ) from None
        except OSError as error:
            raise ConfigError.of(
                f"the file cannot be read: {error.strerror}",
                where=str(self._path),
                mend=f"check its rights: ls -l {self._path}",
            ) from None
