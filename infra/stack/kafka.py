"""Apache Kafka on this machine: one combined KRaft node on Java, its jars from Maven Central, our topics."""

import shutil
import subprocess
from pathlib import Path

from aiokafka.admin import NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from infra import clients
from infra.settings import settings
from schemas.topics import TOPICS

#: One broker for small machines: a small heap is enough, since Kafka lives off the page cache.
JVM = ("-Xms96m", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=4", "-Xss512k", "-XX:MaxDirectMemorySize=96m")


class Missing(RuntimeError):
    """Something that the stack needs is not installed; the text says how to install it."""


def _home() -> Path:
    return settings().home.absolute() / "kafka"


def _classpath() -> str:
    jars = settings().kafka_jars.absolute()
    if not any(jars.glob("kafka_2.13-*.jar")):
        raise Missing(f"no Kafka jars in {jars}: run `make setup`")
    if not shutil.which("java"):
        raise Missing("no `java`: run `make setup`, or `apt-get install openjdk-17-jre-headless`")
    return f"{jars}/*"


def _configure(host: str, port: int) -> Path:
    home = _home()
    home.mkdir(parents=True, exist_ok=True)
    (home / "log4j2.properties").write_text(
        "rootLogger.level = warn\nrootLogger.appenderRef.out.ref = out\n"
        "appender.out.type = Console\nappender.out.name = out\n"
        "appender.out.layout.type = PatternLayout\nappender.out.layout.pattern = %d %p %c %m%n\n"
    )
    file = home / "server.properties"
    file.write_text(
        f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{port + 1}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{port + 1}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={home}/data
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=2
message.max.bytes=4194304
log.retention.ms=-1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
offsets.retention.minutes=525600
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""
    )
    return file


def _java(*arguments: str) -> list[str]:
    home = _home()
    logging = f"-Dlog4j2.configurationFile={home}/log4j2.properties"
    return ["java", *JVM, logging, f"-Dkafka.logs.dir={home}", "-cp", _classpath(), *arguments]


def command() -> list[str]:
    """Prepare the broker's folder (once) and return the command that runs it. Raises `Missing`."""
    host, port = settings().kafka.rsplit(":", 1)
    config = _configure(host, int(port))
    if not (_home() / "data" / "meta.properties").exists():
        cluster = "bWFpbGl1LWxvY2FsLWxvZw"
        done = subprocess.run(
            _java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(config), "--ignore-formatted"),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise Missing(f"Kafka's storage could not be formatted: {done.stderr.strip() or done.stdout.strip()}")
    return _java("kafka.Kafka", str(config))


async def make_topics() -> None:
    """Make the topics that are missing, with our settings; existing ones are left as they are."""
    admin = clients.admin()
    await admin.start()
    try:
        there = set(await admin.list_topics())
        for topic in TOPICS:
            if topic.name not in there:
                count = settings().partitions if topic.like_events else 1
                new = NewTopic(topic.name, count, settings().kafka_replication, topic_configs=topic.config)
                answer = await admin.create_topics([new])
                for name, code, *message in answer.topic_errors:
                    if code not in (0, TopicAlreadyExistsError.errno):
                        raise RuntimeError(f"topic {name} could not be made: {message}")
    finally:
        await admin.close()
