"""Which log, and where in it to go on."""

from __future__ import annotations

from confluent_kafka import OFFSET_BEGINNING, TopicPartition, Uuid

from consumers.clickhouse.positions import log_identity, starting_points


def test_a_log_is_named_by_its_topic_id() -> None:
    one = log_identity(Uuid(0x0123456789ABCDEF, 0x7EDCBA9876543210), "cluster")
    assert one == "topic_0123456789abcdef7edcba9876543210"
    assert one != log_identity(Uuid(0x0123456789ABCDEF, 0x7EDCBA9876543211), "cluster")


def test_without_topic_ids_a_log_is_named_by_the_cluster_id() -> None:
    assert log_identity(Uuid(0, 0), "lkc-1.a") == "cluster_lkc_1_a"
    assert log_identity(Uuid(0, 0), None) == "cluster_unnamed"


def test_partitions_start_after_their_highest_stored_offset_or_at_the_beginning() -> None:
    assigned = [TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0), TopicPartition("c", 0)]
    points = starting_points(assigned, {"a": {0: 41, 7: 3}, "b": {0: 0}})
    assert [(point.topic, point.partition, point.offset) for point in points] == [
        ("a", 0, 42),
        ("a", 1, OFFSET_BEGINNING),
        ("b", 0, 1),
        ("c", 0, OFFSET_BEGINNING),
    ]
