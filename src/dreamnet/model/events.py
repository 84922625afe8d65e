"""The kinds of rows in the ledger, which are the events that everybody may follow."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class EventKind(StrEnum):
    """What a row of the ledger tells; `words` says when it is written and what its body holds."""

    words: str

    def __new__(cls, value: str, words: str) -> Self:
        """Make a member that is its value, and knows its words."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.words = words
        return member

    NODE_STARTED = (
        "node-started",
        "A node is up. Body: `version`; `previous`, how the one before ended, if it died.",
    )
    NODE_STOPPING = (
        "node-stopping",
        "A node stops on purpose. Body: `version`; `what`: `everything`, `node-only` or `again`.",
    )
    STORE_RESTORED = (
        "store-restored",
        "A backup took the store's place. Body: `made`, when; `ledger_rows`, how many it held.",
    )
    TOKEN_CREATED = (
        "token-created",
        "A token was made. Body: `token` (its id), `name`, `scope`, `expires`, `by` (the asker's).",
    )
    TOKEN_REVOKED = (
        "token-revoked",
        "A token opens nothing any more. Body as `token-created`.",
    )
    DREAM = (
        "dream",
        "A dream was opened or got on. Body: `dream`, `phase`, `symptom`, `words`.",
    )
    TRAFFIC = (
        "traffic",
        "Other instances serve a service now. Body: `serving` (ids), `wanted` (how many).",
    )
    MESSAGE = (
        "message",
        "An agent wrote to another. Body: `id`, `at`, `sender`, `to`, `message`, `payload`.",
    )
    ACTION_PROPOSED = (
        "action-proposed",
        "An action waits for a person's yes. Body as `action-permitted`.",
    )
    ACTION_OBSERVED = (
        "action-observed",
        "An office that only observes would have let it out. Body as `action-permitted`.",
    )
    WOULD_ENDED = (
        "would-ended",
        (
            "A dream ended without what was only observed. Body: `action`, `dream`, `ending` "
            "(such as `needless`), `detail` (in words)."
        ),
    )
    ACTION_PERMITTED = (
        "action-permitted",
        (
            "The desk let an action out. Body: `action`, `detail` (why), the proposal (`agent`, "
            "`performer`, `office`, `verb`, `target`, `args`, `reason`, `case`, ...)."
        ),
    )
    ACTION_REFUSED = (
        "action-refused",
        "The desk refused, once for each reason. Body: `proposal`, `reason`.",
    )
    ACTION_DENIED = ("action-denied", "A person said no. Body as `action-permitted`.")
    ACTION_WITHDRAWN = (
        "action-withdrawn",
        "What waited for a yes is no longer needed, or out of date. Body as `action-permitted`.",
    )
    ACTION_SUCCEEDED = (
        "action-succeeded",
        "An action was performed. Body as `action-permitted`; `detail` says what came of it.",
    )
    ACTION_FAILED = (
        "action-failed",
        "An action was tried and failed. Body as `action-permitted`; `detail` says why.",
    )
