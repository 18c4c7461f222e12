"""The local stack with our own processes on it: topics made, tables migrated, worker and sink running."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from tradewind.assembly import make_policies, settings_for, stack_config
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack
from tradewind.stack.ports import choose_port


class LocalRun:
    """A local stack, and what we run on it. Use as a context manager: leaving it stops everything."""

    def __init__(self, settings: Settings) -> None:
        self._given = settings
        self.stack = LocalStack(stack_config(settings))

    @property
    def settings(self) -> Settings:
        """The settings of whoever works on this stack."""
        return settings_for(self._given, self.stack.endpoints)

    def start(self, *, worker: bool, sink: bool, gateway: bool = False, tell: Callable[[str], None]) -> None:
        """Start everything, and return when all of it works.

        Args:
            tell: told of each step, for a person.

        Raises:
            PoliciesError, StackError, TopicsError, CheckpointError, ClickHouseError, ...: what could not be started.
        """
        from consumers.clickhouse.migrate import migrate
        from streams import topics
        from tradewind.processes import gateway_child, sink_child, worker_child

        make_policies(self._given)  # a file that can't be used is told before anything runs
        tell("starting the broker, ClickHouse and the schema registry")
        self.stack.start()
        settings = self.settings
        tell(f"topics: {len(topics.create(settings))} created")
        tell(f"tables: {len(migrate(settings))} migrations applied")
        children = []
        if worker:
            children.append(worker_child(settings, self.stack.log_dir))
        if sink:
            children.append(sink_child(settings, self.stack.log_dir))
        if gateway:
            host = settings.stack_host
            settings = settings.model_copy(
                update={"gateway_host": host, "gateway_port": choose_port(settings.stack_gateway_port, host)}
            )
            children.append(gateway_child(settings, self.stack.log_dir))
        if children:
            tell(f"starting the {' and the '.join(spec.name for spec in children)}")
            self.stack.add(*children)
        if gateway:
            self.stack.announce_gateway(settings.gateway_url)

    def __enter__(self) -> LocalRun:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stack.stop()
