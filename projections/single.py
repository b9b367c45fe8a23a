"""A Kafka group in which one member has everything and the others wait."""

import time
from collections.abc import Iterable, Mapping
from typing import ClassVar

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata


class OneMember(AbstractPartitionAssignor):
    """Gives every partition to the member that started first; when it goes, to the next one."""

    name = "one-member"
    version = 0
    started: ClassVar[bytes] = str(time.time_ns()).zfill(20).encode()

    @classmethod
    def assign(
        cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Everything to the oldest member (ties by member id), nothing to the others."""
        oldest = min(members, key=lambda id: (members[id].user_data, id))
        every = [
            (topic, sorted(cluster.partitions_for_topic(topic) or ()))
            for topic in sorted(members[oldest].subscription)
        ]  # fmt: skip
        return {id: ConsumerProtocolMemberAssignment(cls.version, every if id == oldest else [], b"") for id in members}

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What a member says of itself when it joins: when it started."""
        return ConsumerProtocolMemberMetadata(cls.version, list(topics), cls.started)

    @classmethod
    def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Nothing is kept."""
