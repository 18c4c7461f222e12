"""Why the sink or a migration stops: what a person must look at, each with its mend in one line."""

from __future__ import annotations


class SinkError(Exception):
    """Nothing was skipped and nothing is lost; after the mend, the next sink goes on where this one stopped."""


class TopicsMissing(SinkError):
    """Topics that the sink reads do not exist."""


class LogGap(SinkError):
    """Kafka does not have the message after the last stored row."""


class TableNotReady(SinkError):
    """ClickHouse's tables, rights or settings are not as the sink needs them."""


class NotAllowed(SinkError):
    """Kafka does not let the sink's account write dead letters."""


class TooManyDeadLetters(SinkError):
    """So much can't be stored that the fault is rather ours than the messages'."""


class MigrationDrift(SinkError):
    """The database was migrated by other files than these."""


class MigrationLocked(SinkError):
    """Another migrator holds the lock."""
