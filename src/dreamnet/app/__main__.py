"""`python -m dreamnet.app --file dreamnet.toml`: the node process, started by root."""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys
from pathlib import Path

import uvloop

from dreamnet.app.assembly import assemble, data_dir_of
from dreamnet.app.datadir import Taken
from dreamnet.app.run import Stop, StopRequest, run
from dreamnet.kernel.environ import variable
from dreamnet.kernel.errors import DreamNetError, Transient, UserError
from dreamnet.kernel.log import configure
from dreamnet.model.settings import Settings, load_settings
from dreamnet.root import AGAIN_CODE, BUSY_CODE, COMPLAINT_VARIABLE, WRONG_CONFIG_CODE
from dreamnet.web.server import bind


def main() -> int:
    """Return the exit code that tells root what to do next."""
    parser = argparse.ArgumentParser(prog="python -m dreamnet.app")
    parser.add_argument("--file", type=Path, default=Path("dreamnet.toml"))
    file: Path = parser.parse_args().file.resolve()
    try:
        return _run(load_settings(file), file)
    except Taken as error:
        return _complain(error, BUSY_CODE)
    except UserError as error:
        return _complain(error, WRONG_CONFIG_CODE)
    except Transient as error:
        return _complain(error, 1)
    except DreamNetError as error:
        return _complain(error, WRONG_CONFIG_CODE)
    except PermissionError as error:  # a file in the data directory that is somebody else's
        where, mend = str(error.filename), "give yourself the right to read and write it"
        return _complain(UserError.of("no permission", where=where, mend=mend), WRONG_CONFIG_CODE)


def _run(settings: Settings, file: Path) -> int:
    data = data_dir_of(settings, file)
    data.create()
    with data.held():
        configure(file=data.log_file, level=settings.node.log_level.upper())
        listener = bind(settings.node.listen)
        return uvloop.run(_live(settings, file, listener))


async def _live(settings: Settings, file: Path, listener: socket.socket) -> int:
    stop = StopRequest()
    node = assemble(settings, data_dir_of(settings, file), lambda: stop.ask(Stop.AGAIN))
    kind = await run(node, stop, listener)
    return AGAIN_CODE if kind is Stop.AGAIN else 0


def _complain(error: DreamNetError, code: int) -> int:
    if code != WRONG_CONFIG_CODE or _is_news(str(error)):
        sys.stderr.write(f"dreamnet: {error}\n")
    return code


def _is_news(complaint: str) -> bool:
    """Tell whether root's last try ended otherwise; root tries again and again for hours."""
    place = variable(COMPLAINT_VARIABLE)
    if not place:
        return True
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if Path(place).read_text("utf-8") == complaint:
            return False
    with contextlib.suppress(OSError, UnicodeEncodeError):
        Path(place).write_text(complaint, "utf-8")
    return True


if __name__ == "__main__":
    sys.exit(main())
