"""The drawer of wanted instance counts."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from dreamnet.drivers.store.tables import services as table
from dreamnet.model.services import ServiceName

_ALL = select(table)
_CHANGE = (
    update(table)
    .where(table.c.name == bindparam("service"))
    .values(wanted=bindparam("count"), configured=bindparam("minimum"))
)
_ADD = insert(table).inline()
_REMOVE = delete(table).where(table.c.name == bindparam("service"))


class ServicesDrawer:
    """Wanted counts in the table `services`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def desired(self) -> dict[ServiceName, int]:
        """Return the wanted number of instances of each service."""
        return {ServiceName(row.name): row.wanted for row in self._connection.execute(_ALL)}

    def want(self, service: ServiceName, count: int, configured: int) -> None:
        """Set the wanted number and the configured minimum it was based on."""
        change = {"service": service, "count": count, "minimum": configured}
        if self._connection.execute(_CHANGE, change).rowcount == 0:
            row = {"name": service, "wanted": count, "configured": configured}
            self._connection.execute(_ADD, row)

    def adopt(self, configured: dict[ServiceName, int]) -> dict[ServiceName, int]:
        """Take over the file: what is new or has a changed minimum is set, what is gone goes."""
        known = {row.name: row for row in self._connection.execute(_ALL)}
        for name in known.keys() - configured.keys():
            self._connection.execute(_REMOVE, {"service": name})
        for name, minimum in configured.items():
            if name not in known or known[name].configured != minimum:
                self.want(name, minimum, minimum)
        return self.desired()
