-- Tasks as they are now, and every derived event that made them so: the highest revision is the task. With them what a
-- plan of visits rests on: who lives with whom and where, and how many people a team can see on which day.

CREATE TABLE task_events_v1
(
    id               UUID COMMENT 'identity of the derived event',
    event            LowCardinality(String) COMMENT 'opened, changed, fell-due, overdue, done, cancelled or merged',
    task             UUID COMMENT 'the task',
    resident         String COMMENT 'resident id (a pseudonym)',
    institution      LowCardinality(String) COMMENT 'institution that manages the resident',
    kind             LowCardinality(String) COMMENT 'follow-up, annual-check, referral, home-visit, confirm-status or ordered',
    programme        LowCardinality(String) COMMENT 'hypertension or diabetes; empty for other tasks',
    task_reason      LowCardinality(String) COMMENT 'why it is due: first-visit, quarterly, revisit-uncontrolled, after-referral, uncontrolled-twice …',
    status           LowCardinality(String) COMMENT 'planned, due, overdue, done or cancelled',
    priority         LowCardinality(String) COMMENT 'routine, high or urgent',
    due              Date32 COMMENT 'last local day on which it is in time',
    opens            Date32 COMMENT 'local day from which it is to be done',
    revision         UInt32 COMMENT 'counts the derived events of the task',
    opened_time      DateTime64(3, 'UTC') COMMENT 'core time at which it was opened',
    updated_time     DateTime64(3, 'UTC') COMMENT 'core time of this revision',
    cause            Nullable(UUID) COMMENT 'event from which it counts: visit, diagnosis, check or order',
    rule_version     UInt32 COMMENT 'version of the rule follow-up',
    detail           String CODEC(ZSTD(3)) COMMENT 'JSON: the figures that it rests on, with their limits',
    merged_into      Nullable(UUID) COMMENT 'task in whose appointment this one is done',
    assignee         Nullable(String) COMMENT 'staff member whose task it is',
    planned          Nullable(Date32) COMMENT 'day of the appointment',
    calls            UInt32 COMMENT 'calls in vain since somebody was reached',
    result           LowCardinality(Nullable(String)) COMMENT 'what came of the latest call or visit about it',
    step             LowCardinality(Nullable(String)) COMMENT 'what follows calls in vain: home-visit or check-number',
    order_id         Nullable(UUID) COMMENT 'ordered: identity of the order',
    title            Nullable(String) COMMENT 'ordered: what is to be done',
    closed_time      Nullable(DateTime64(3, 'UTC')) COMMENT 'core time at which it was done or cancelled',
    done_by          Nullable(UUID) COMMENT 'done: event that did it',
    ended            LowCardinality(Nullable(String)) COMMENT 'cancelled: why',
    knowntime        DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    causationid      Nullable(String) COMMENT 'identity of the event that caused this revision',
    cause_partition  Nullable(UInt32) COMMENT 'partition of the cause in events',
    cause_offset     Nullable(UInt64) COMMENT 'offset of the cause in events',
    missing          LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic            LowCardinality(String) COMMENT 'Kafka topic of the derived event',
    partition        UInt32 COMMENT 'its partition',
    offset           UInt64 COMMENT 'its offset',
    version          UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE TABLE tasks_v1 AS task_events_v1
ENGINE = ReplacingMergeTree(revision)
ORDER BY (resident, task);

CREATE MATERIALIZED VIEW tasks_v1_mv TO tasks_v1 AS
SELECT * FROM task_events_v1 WHERE missing = '';

CREATE MATERIALIZED VIEW task_events_v1_mv TO task_events_v1 AS
WITH
    JSONExtract(value, 'Tuple(
        institution Nullable(String), causationid Nullable(String), causepartition Nullable(UInt32),
        causeoffset Nullable(UInt64),
        data Tuple(
            task Nullable(UUID), kind Nullable(String), programme Nullable(String), reason Nullable(String),
            status Nullable(String), priority Nullable(String), due Nullable(String), opens Nullable(String),
            revision Nullable(UInt32), opened_time Nullable(String), cause Nullable(UUID),
            rule_version Nullable(UInt32), merged_into Nullable(UUID), assignee Nullable(String),
            planned Nullable(String), calls Nullable(UInt32), result Nullable(String), step Nullable(String),
            order Nullable(UUID), title Nullable(String), closed_time Nullable(String), done_by Nullable(UUID),
            ended Nullable(String)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data,
    toDate32OrNull(tupleElement(data, 'due')) AS last_day
SELECT
    identity AS id,
    extract(type, '^mailiu\\.task\\.(.+)\\.v') AS event,
    ifNull(tupleElement(data, 'task'), toUUID('00000000-0000-0000-0000-000000000000')) AS task,
    key AS resident,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    ifNull(tupleElement(data, 'kind'), '') AS kind,
    ifNull(tupleElement(data, 'programme'), '') AS programme,
    ifNull(tupleElement(data, 'reason'), '') AS task_reason,
    ifNull(tupleElement(data, 'status'), '') AS status,
    ifNull(tupleElement(data, 'priority'), '') AS priority,
    ifNull(last_day, toDate32(0)) AS due,
    ifNull(toDate32OrNull(tupleElement(data, 'opens')), due) AS opens,
    ifNull(tupleElement(data, 'revision'), 0) AS revision,
    ifNull(instant(tupleElement(data, 'opened_time')), recordedtime) AS opened_time,
    recordedtime AS updated_time,
    tupleElement(data, 'cause') AS cause,
    ifNull(tupleElement(data, 'rule_version'), 0) AS rule_version,
    JSONExtractRaw(log.value, 'data', 'detail') AS detail,
    tupleElement(data, 'merged_into') AS merged_into,
    tupleElement(data, 'assignee') AS assignee,
    toDate32OrNull(tupleElement(data, 'planned')) AS planned,
    ifNull(tupleElement(data, 'calls'), 0) AS calls,
    tupleElement(data, 'result') AS result,
    tupleElement(data, 'step') AS step,
    tupleElement(data, 'order') AS order_id,
    tupleElement(data, 'title') AS title,
    instant(tupleElement(data, 'closed_time')) AS closed_time,
    tupleElement(data, 'done_by') AS done_by,
    tupleElement(data, 'ended') AS ended,
    knowntime,
    tupleElement(fields, 'causationid') AS causationid,
    tupleElement(fields, 'causepartition') AS cause_partition,
    tupleElement(fields, 'causeoffset') AS cause_offset,
    multiIf(
        tupleElement(data, 'task') IS NULL, 'data.task',
        kind = '', 'data.kind',
        status = '', 'data.status',
        revision = 0, 'data.revision',
        last_day IS NULL, 'data.due',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_derived AS log
WHERE topic = 'derived' AND log.time IS NOT NULL AND type IN (
    'mailiu.task.opened.v1', 'mailiu.task.changed.v1', 'mailiu.task.fell-due.v1', 'mailiu.task.overdue.v1',
    'mailiu.task.done.v1', 'mailiu.task.cancelled.v1', 'mailiu.task.merged.v1'
);

CREATE OR REPLACE VIEW task_events AS
SELECT * EXCEPT missing FROM task_events_v1 FINAL WHERE missing = '';

CREATE OR REPLACE VIEW tasks AS
SELECT * EXCEPT (id, event, missing) FROM tasks_v1 FINAL;

-- Where residents live together, and how many people each team can see. Both few.
CREATE TABLE living_events_v1
(
    id            UUID COMMENT 'identity of the event',
    event         LowCardinality(String) COMMENT 'household-joined or visit-slots-set',
    subject       String COMMENT 'resident, or the team',
    time          DateTime64(3, 'UTC') COMMENT 'from when on it holds',
    knowntime     DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    institution   LowCardinality(String) COMMENT 'institution that said so',
    household     LowCardinality(String) COMMENT 'household of the resident',
    village       LowCardinality(Nullable(String)) COMMENT 'village of the household',
    slots         Array(UInt16) COMMENT 'people the team can see on each day of the week, Monday first',
    village_days  Array(Tuple(village String, weekday UInt8)) COMMENT 'in which village the team is on which day of the week',
    missing       LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition     UInt32 COMMENT 'its partition',
    offset        UInt64 COMMENT 'its offset',
    version       UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (event, subject, id);

CREATE MATERIALIZED VIEW living_events_v1_mv TO living_events_v1 AS
WITH
    JSONExtract(coalesce(upcast, value), 'Tuple(
        institution Nullable(String),
        data Tuple(
            household Nullable(String), village Nullable(String), team Nullable(String), slots Array(UInt16),
            village_days Array(Tuple(village String, weekday UInt8))))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    extract(type, '^mailiu\\.[a-z]+\\.(.+)\\.v') AS event,
    if(event = 'visit-slots-set', ifNull(tupleElement(data, 'team'), ''), key) AS subject,
    assumeNotNull(log.time) AS time,
    knowntime,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    ifNull(tupleElement(data, 'household'), '') AS household,
    tupleElement(data, 'village') AS village,
    tupleElement(data, 'slots') AS slots,
    tupleElement(data, 'village_days') AS village_days,
    multiIf(
        event = 'household-joined' AND household = '', 'data.household',
        event = 'visit-slots-set' AND subject = '', 'data.team',
        event = 'visit-slots-set' AND length(slots) != 7, 'data.slots',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_care AS log
WHERE topic = 'events' AND log.time IS NOT NULL AND (type = 'mailiu.resident.household-joined.v1'
    OR type = 'mailiu.organization.visit-slots-set.v1' AND partition = 0);

CREATE OR REPLACE VIEW households AS
SELECT
    e.subject AS resident,
    argMax(tuple(e.household, e.village), (e.time, e.offset)) AS latest,
    tupleElement(latest, 1) AS household,
    tupleElement(latest, 2) AS village
FROM living_events_v1 AS e FINAL
WHERE e.missing = '' AND e.event = 'household-joined'
GROUP BY e.subject;

ALTER TABLE households
    COMMENT COLUMN resident 'resident id (a pseudonym)',
    COMMENT COLUMN latest 'household and village as one tuple';

CREATE OR REPLACE VIEW visit_slots AS
SELECT
    e.subject AS team,
    e.institution,
    argMax(tuple(e.slots, e.village_days), (e.time, e.offset)) AS latest,
    tupleElement(latest, 1) AS slots,
    tupleElement(latest, 2) AS village_days
FROM living_events_v1 AS e FINAL
WHERE e.missing = '' AND e.event = 'visit-slots-set'
GROUP BY e.subject, e.institution;

ALTER TABLE visit_slots
    COMMENT COLUMN team 'team id',
    COMMENT COLUMN latest 'slots and village days as one tuple';

CREATE OR REPLACE VIEW unparsed_task AS
SELECT topic, partition, offset, id, resident AS key, missing FROM task_events_v1 FINAL WHERE missing != ''
UNION ALL
SELECT topic, partition, offset, id, subject AS key, missing FROM living_events_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_task COMMENT COLUMN key 'subject or key of the record';
