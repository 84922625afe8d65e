"""Whether a certificate ends soon: a warning that neither flaps nor hides behind a balancer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

# Servers behind one name may show different certificates for a while; until this long after the
# last old one was seen the warning stays.
CONFIRM = timedelta(minutes=10)


@dataclass(frozen=True)
class Expiry:
    """What was seen of a certificate.

    `ends` is that of the last look, `soonest` that of the last look that was due for a warning, at
    `warned`; `fresh_in_row` counts the looks since then that were not.
    """

    ends: datetime | None = None
    soonest: datetime | None = None
    warned: datetime | None = None
    fresh_in_row: int = 0

    def is_expiring(self, now: datetime) -> bool:
        """Return whether a person should renew it; a target that is away changes nothing."""
        if self.warned is None:
            return False
        return self.fresh_in_row == 0 or now - self.warned < CONFIRM


def step(expiry: Expiry, ends: datetime, notice: timedelta, now: datetime) -> Expiry:
    """Return what is known after one look that showed a certificate ending at `ends`."""
    if ends - now < notice:
        return Expiry(ends=ends, soonest=ends, warned=now)
    return Expiry(
        ends=ends,
        soonest=expiry.soonest,
        warned=expiry.warned,
        fresh_in_row=expiry.fresh_in_row + 1,
    )
