-- Reaching people: notices and what became of them, contact attempts, hand-overs, the duty rota, device commands.
-- A notice is queued by the fold (derived) and lived by outcomes (events); both are rows of one table.

CREATE TABLE notice_events_v1
(
    id            UUID COMMENT 'identity of the event',
    event         LowCardinality(String) COMMENT 'queued, recalled, sent, delivered, failed, read or expired',
    notice        UUID COMMENT 'the notice: UUIDv5 of (recipient, purpose, what it is about, cause)',
    resident      String COMMENT 'resident id (a pseudonym)',
    institution   LowCardinality(String) COMMENT 'institution that manages the resident',
    time          DateTime64(3, 'UTC') COMMENT 'when it happened',
    recordedtime  DateTime64(3, 'UTC') COMMENT 'when a gateway accepted it; of derived events, its cause',
    knowntime     DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    kind          LowCardinality(String) COMMENT 'queued: resident, contact, role or staff',
    ref           String COMMENT 'queued: role, staff id, or the resident (whose contact it is)',
    purpose       LowCardinality(String) COMMENT 'queued: alert, repeat, advice, call-120, call-contact, look-after, home-visit or handover',
    alert         Nullable(UUID) COMMENT 'queued: alert that it is about',
    level         UInt32 COMMENT 'queued: escalation level of the alert',
    deadline      Nullable(DateTime64(3, 'UTC')) COMMENT 'queued: never sent after this',
    text_zh       String CODEC(ZSTD(3)) COMMENT 'queued: the text, Chinese',
    text_en       String CODEC(ZSTD(3)) COMMENT 'queued: the text, English',
    channel       LowCardinality(Nullable(String)) COMMENT 'outcome: channel that took it, or was tried last',
    person        Nullable(String) COMMENT 'outcome: staff member who was on duty, or which contact',
    reason        LowCardinality(Nullable(String)) COMMENT 'failed, expired, recalled: why',
    missing       LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition     UInt32 COMMENT 'its partition',
    offset        UInt64 COMMENT 'its offset',
    version       UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, notice, id);

CREATE MATERIALIZED VIEW notice_events_v1_mv TO notice_events_v1 AS
WITH
    JSONExtract(coalesce(upcast, value), 'Tuple(
        institution Nullable(String),
        data Tuple(
            notice Nullable(UUID), to Tuple(kind Nullable(String), ref Nullable(String)), purpose Nullable(String),
            alert Nullable(UUID), level Nullable(UInt32), deadline Nullable(String),
            text Tuple(zh Nullable(String), en Nullable(String)), channel Nullable(String), person Nullable(String),
            reason Nullable(String)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    extract(type, '^mailiu\\.notice\\.(.+)\\.v') AS event,
    ifNull(tupleElement(data, 'notice'), toUUID('00000000-0000-0000-0000-000000000000')) AS notice,
    key AS resident,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    assumeNotNull(log.time) AS time,
    recordedtime,
    knowntime,
    ifNull(tupleElement(tupleElement(data, 'to'), 'kind'), '') AS kind,
    ifNull(tupleElement(tupleElement(data, 'to'), 'ref'), '') AS ref,
    ifNull(tupleElement(data, 'purpose'), '') AS purpose,
    tupleElement(data, 'alert') AS alert,
    ifNull(tupleElement(data, 'level'), 0) AS level,
    instant(tupleElement(data, 'deadline')) AS deadline,
    ifNull(tupleElement(tupleElement(data, 'text'), 'zh'), '') AS text_zh,
    ifNull(tupleElement(tupleElement(data, 'text'), 'en'), '') AS text_en,
    tupleElement(data, 'channel') AS channel,
    tupleElement(data, 'person') AS person,
    if(event = 'expired', ifNull(tupleElement(data, 'reason'), 'deadline'), tupleElement(data, 'reason')) AS reason,
    multiIf(
        tupleElement(data, 'notice') IS NULL, 'data.notice',
        event = 'queued' AND kind = '', 'data.to.kind',
        event = 'queued' AND purpose = '', 'data.purpose',
        event = 'queued' AND deadline IS NULL, 'data.deadline',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_conduct AS log
WHERE topic IN ('events', 'derived') AND log.time IS NOT NULL AND type IN (
    'mailiu.notice.queued.v1', 'mailiu.notice.recalled.v1', 'mailiu.notice.sent.v1', 'mailiu.notice.delivered.v1',
    'mailiu.notice.failed.v1', 'mailiu.notice.read.v1', 'mailiu.notice.expired.v1'
);

CREATE OR REPLACE VIEW notice_events AS
SELECT * EXCEPT missing FROM notice_events_v1 FINAL WHERE missing = '';

CREATE OR REPLACE VIEW notices AS
SELECT
    resident,
    notice,
    anyIf(e.institution, e.event = 'queued') AS institution,
    anyIf(e.kind, e.event = 'queued') AS kind,
    anyIf(e.ref, e.event = 'queued') AS ref,
    anyIf(e.purpose, e.event = 'queued') AS purpose,
    anyIf(e.alert, e.event = 'queued') AS alert,
    anyIf(e.level, e.event = 'queued') AS level,
    minIfOrNull(e.recordedtime, e.event = 'queued') AS queued_time,
    anyIf(e.deadline, e.event = 'queued') AS deadline,
    anyIf(e.text_zh, e.event = 'queued') AS text_zh,
    anyIf(e.text_en, e.event = 'queued') AS text_en,
    minIfOrNull(e.time, e.event = 'sent') AS sent_time,
    minIfOrNull(e.time, e.event IN ('delivered', 'read')) AS delivered_time,
    minIfOrNull(e.time, e.event = 'read') AS read_time,
    minIfOrNull(e.time, e.event IN ('failed', 'expired')) AS failed_time,
    multiIf(
        read_time IS NOT NULL, 'read', delivered_time IS NOT NULL, 'delivered', countIf(e.event = 'failed') > 0, 'failed',
        countIf(e.event = 'expired') > 0, 'expired', sent_time IS NOT NULL, 'sent',
        countIf(e.event = 'recalled') > 0, 'recalled', 'queued'
    ) AS state,
    argMaxIf(e.channel, (e.time, e.offset), e.channel IS NOT NULL) AS channel,
    argMaxIf(e.person, (e.time, e.offset), e.person IS NOT NULL) AS person,
    argMaxIf(e.reason, (e.time, e.offset), e.reason IS NOT NULL) AS reason,
    max(e.knowntime) AS knowntime
FROM notice_events AS e
GROUP BY resident, notice
HAVING countIf(e.event = 'queued') > 0;

ALTER TABLE notices
    COMMENT COLUMN queued_time 'core time at which the fold queued it',
    COMMENT COLUMN sent_time 'when a channel took it',
    COMMENT COLUMN delivered_time 'when it had reached the person',
    COMMENT COLUMN read_time 'when the person had opened it',
    COMMENT COLUMN failed_time 'when it was given up',
    COMMENT COLUMN state 'queued, sent, delivered, read, failed, expired or recalled';

CREATE TABLE contact_events_v1
(
    id            UUID COMMENT 'identity of the event',
    event         LowCardinality(String) COMMENT 'contact-attempted, handover-offered or handover-accepted',
    resident      String COMMENT 'resident id (a pseudonym)',
    institution   LowCardinality(String) COMMENT 'institution that manages the resident',
    time          DateTime64(3, 'UTC') COMMENT 'when it happened',
    knowntime     DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    actor         Nullable(String) COMMENT 'staff member who acted',
    recipient     Nullable(String) COMMENT 'attempt: resident or contact; offer: staff member to whom the card is offered',
    result        LowCardinality(Nullable(String)) COMMENT 'attempt: called (begun), reached or not-reached',
    channel       LowCardinality(Nullable(String)) COMMENT 'attempt: phone, video or visit',
    note          Nullable(String) COMMENT 'attempt: remark',
    reason        LowCardinality(Nullable(String)) COMMENT 'offer: leave, shift or other',
    offer         Nullable(UUID) COMMENT 'acceptance: identity of the offer',
    missing       LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition     UInt32 COMMENT 'its partition',
    offset        UInt64 COMMENT 'its offset',
    version       UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE MATERIALIZED VIEW contact_events_v1_mv TO contact_events_v1 AS
WITH
    JSONExtract(coalesce(upcast, value), 'Tuple(
        institution Nullable(String), actor Nullable(String),
        data Tuple(
            to Nullable(String), result Nullable(String), channel Nullable(String), note Nullable(String),
            reason Nullable(String), offer Nullable(UUID)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    extract(type, '^mailiu\\.alert\\.(.+)\\.v') AS event,
    key AS resident,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    assumeNotNull(log.time) AS time,
    knowntime,
    tupleElement(fields, 'actor') AS actor,
    if(event = 'contact-attempted', ifNull(tupleElement(data, 'to'), 'resident'), tupleElement(data, 'to')) AS recipient,
    tupleElement(data, 'result') AS result,
    if(event = 'contact-attempted', ifNull(tupleElement(data, 'channel'), 'phone'), NULL) AS channel,
    tupleElement(data, 'note') AS note,
    if(event = 'handover-offered', ifNull(tupleElement(data, 'reason'), 'shift'), NULL) AS reason,
    tupleElement(data, 'offer') AS offer,
    multiIf(
        event = 'contact-attempted' AND result IS NULL, 'data.result',
        event = 'handover-offered' AND recipient IS NULL, 'data.to',
        event = 'handover-accepted' AND offer IS NULL, 'data.offer',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_care AS log
WHERE topic = 'events' AND log.time IS NOT NULL AND type IN (
    'mailiu.alert.contact-attempted.v1', 'mailiu.alert.handover-offered.v1', 'mailiu.alert.handover-accepted.v1'
);

CREATE OR REPLACE VIEW contact_attempts AS
SELECT id, resident, institution, time, knowntime, actor, recipient, result, channel, note, topic, partition, offset
FROM contact_events_v1 FINAL
WHERE missing = '' AND event = 'contact-attempted';

CREATE OR REPLACE VIEW handovers AS
SELECT
    o.id AS id, o.resident AS resident, o.institution AS institution, o.time AS time, o.knowntime AS knowntime,
    o.actor AS actor, assumeNotNull(o.recipient) AS recipient, o.reason AS reason,
    if(a.actor = o.recipient, toNullable(a.time), NULL) AS accepted_time
FROM (SELECT * FROM contact_events_v1 FINAL WHERE missing = '' AND event = 'handover-offered') AS o
LEFT ANY JOIN (
    SELECT resident, offer, actor, time FROM contact_events_v1 FINAL WHERE missing = '' AND event = 'handover-accepted'
) AS a ON a.resident = o.resident AND a.offer = o.id;

ALTER TABLE handovers
    COMMENT COLUMN id 'identity of the offer',
    COMMENT COLUMN resident 'resident whose open alerts are offered',
    COMMENT COLUMN institution 'institution that manages the resident',
    COMMENT COLUMN time 'when it was offered',
    COMMENT COLUMN knowntime 'from when on an answer as of an instant may know the offer',
    COMMENT COLUMN actor 'staff member who offered it',
    COMMENT COLUMN recipient 'staff member to whom it is offered',
    COMMENT COLUMN reason 'leave, shift or other',
    COMMENT COLUMN accepted_time 'when that person accepted; NULL until then';

CREATE TABLE duty_events_v1
(
    id            UUID COMMENT 'identity of the event',
    event         LowCardinality(String) COMMENT 'rota-set or leave-recorded',
    institution   LowCardinality(String) COMMENT 'institution of the rota or of the staff member',
    role          LowCardinality(Nullable(String)) COMMENT 'rota: role that is on duty',
    start         Nullable(DateTime64(3, 'UTC')) COMMENT 'from when on it holds',
    until         Nullable(DateTime64(3, 'UTC')) COMMENT 'until when',
    shifts        String CODEC(ZSTD(3)) COMMENT 'rota: JSON array of {staff, start, end}',
    staff         Nullable(String) COMMENT 'leave: who is away',
    substitute    Nullable(String) COMMENT 'leave: who stands in',
    time          DateTime64(3, 'UTC') COMMENT 'when it was set',
    knowntime     DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    missing       LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition     UInt32 COMMENT 'its partition',
    offset        UInt64 COMMENT 'its offset',
    version       UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (institution, id);

-- These events go to every partition; partition 0 is read.
CREATE MATERIALIZED VIEW duty_events_v1_mv TO duty_events_v1 AS
WITH
    JSONExtract(coalesce(upcast, value), 'Tuple(
        institution Nullable(String),
        data Tuple(
            role Nullable(String), start Nullable(String), end Nullable(String), staff Nullable(String),
            substitute Nullable(String)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    extract(type, '^mailiu\\.organization\\.(.+)\\.v') AS event,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    tupleElement(data, 'role') AS role,
    instant(tupleElement(data, 'start')) AS start,
    instant(tupleElement(data, 'end')) AS until,
    JSONExtractRaw(coalesce(upcast, value), 'data', 'shifts') AS shifts,
    tupleElement(data, 'staff') AS staff,
    tupleElement(data, 'substitute') AS substitute,
    assumeNotNull(log.time) AS time,
    knowntime,
    multiIf(
        start IS NULL, 'data.start', until IS NULL, 'data.end',
        event = 'rota-set' AND role IS NULL, 'data.role', event = 'leave-recorded' AND staff IS NULL, 'data.staff', ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_care AS log
WHERE topic = 'events' AND partition = 0 AND log.time IS NOT NULL
    AND type IN ('mailiu.organization.rota-set.v1', 'mailiu.organization.leave-recorded.v1');

CREATE OR REPLACE VIEW rotas AS
SELECT id, institution, role, start, until, shifts, time, knowntime, topic, partition, offset
FROM duty_events_v1 FINAL
WHERE missing = '' AND event = 'rota-set';

CREATE OR REPLACE VIEW leaves AS
SELECT id, institution, staff, substitute, start, until, time, knowntime, topic, partition, offset
FROM duty_events_v1 FINAL
WHERE missing = '' AND event = 'leave-recorded';

CREATE TABLE command_events_v1
(
    id             UUID COMMENT 'identity of the event',
    event          LowCardinality(String) COMMENT 'command-requested, -sent, -expired, -acknowledged or -failed',
    command        UUID COMMENT 'the command: identity of its request',
    device         String COMMENT 'device id',
    subject        String COMMENT 'resident id, or device:ID for a device nobody wears',
    institution    LowCardinality(String) COMMENT 'institution of resident or device',
    time           DateTime64(3, 'UTC') COMMENT 'when it happened',
    recordedtime   DateTime64(3, 'UTC') COMMENT 'when a gateway accepted it; of a request, its cause',
    knowntime      DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    kind           LowCardinality(String) COMMENT 'request: re-measure, time or configuration',
    expires        Nullable(DateTime64(3, 'UTC')) COMMENT 'request: never sent after this',
    alert          Nullable(String) COMMENT 'request: alert that asks for it',
    configuration  String CODEC(ZSTD(3)) COMMENT 'request: JSON of what is to be set; empty for other kinds',
    reason         Nullable(String) COMMENT 'failed: why, in the words of the device',
    missing        LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic          LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition      UInt32 COMMENT 'its partition',
    offset         UInt64 COMMENT 'its offset',
    version        UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (device, command, id);

CREATE MATERIALIZED VIEW command_events_v1_mv TO command_events_v1 AS
WITH
    JSONExtract(coalesce(upcast, value), 'Tuple(
        institution Nullable(String),
        data Tuple(
            device Nullable(String), command Nullable(String), expires Nullable(String), alert Nullable(String),
            reason Nullable(String)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data,
    type = 'mailiu.device.command-requested.v1' AS request
SELECT
    identity AS id,
    extract(type, '^mailiu\\.device\\.(.+)\\.v') AS event,
    if(request, identity, ifNull(toUUIDOrNull(tupleElement(data, 'command')), toUUID('00000000-0000-0000-0000-000000000000'))) AS command,
    ifNull(tupleElement(data, 'device'), '') AS device,
    key AS subject,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    assumeNotNull(log.time) AS time,
    recordedtime,
    knowntime,
    if(request, ifNull(tupleElement(data, 'command'), ''), '') AS kind,
    instant(tupleElement(data, 'expires')) AS expires,
    tupleElement(data, 'alert') AS alert,
    JSONExtractRaw(coalesce(upcast, value), 'data', 'configuration') AS configuration,
    tupleElement(data, 'reason') AS reason,
    multiIf(
        device = '', 'data.device', request AND kind = '', 'data.command', request AND expires IS NULL, 'data.expires',
        command = toUUID('00000000-0000-0000-0000-000000000000'), 'data.command', ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_conduct AS log
WHERE topic IN ('events', 'derived') AND log.time IS NOT NULL AND type IN (
    'mailiu.device.command-requested.v1', 'mailiu.device.command-sent.v1', 'mailiu.device.command-expired.v1',
    'mailiu.device.command-acknowledged.v1', 'mailiu.device.command-failed.v1'
);

CREATE OR REPLACE VIEW commands AS
SELECT
    device,
    command,
    anyIf(e.subject, e.event = 'command-requested') AS subject,
    anyIf(e.institution, e.event = 'command-requested') AS institution,
    anyIf(e.kind, e.event = 'command-requested') AS kind,
    minIfOrNull(e.recordedtime, e.event = 'command-requested') AS requested_time,
    anyIf(e.expires, e.event = 'command-requested') AS expires,
    anyIf(e.alert, e.event = 'command-requested') AS alert,
    anyIf(e.configuration, e.event = 'command-requested') AS configuration,
    minIfOrNull(e.time, e.event = 'command-sent') AS sent_time,
    minIfOrNull(e.time, e.event IN ('command-acknowledged', 'command-failed', 'command-expired')) AS settled_time,
    multiIf(
        countIf(e.event = 'command-acknowledged') > 0, 'acknowledged', countIf(e.event = 'command-failed') > 0, 'failed',
        sent_time IS NOT NULL, 'sent', countIf(e.event = 'command-expired') > 0, 'expired', 'requested'
    ) AS state,
    anyIf(e.reason, e.event = 'command-failed') AS reason,
    max(e.knowntime) AS knowntime
FROM (SELECT * FROM command_events_v1 FINAL WHERE missing = '') AS e
GROUP BY device, command
HAVING countIf(e.event = 'command-requested') > 0;

ALTER TABLE commands
    COMMENT COLUMN device 'device id',
    COMMENT COLUMN command 'the command: identity of its request',
    COMMENT COLUMN subject 'resident id, or device:ID for a device nobody wears',
    COMMENT COLUMN institution 'institution of resident or device',
    COMMENT COLUMN kind 're-measure, time or configuration',
    COMMENT COLUMN requested_time 'core time at which the fold asked for it',
    COMMENT COLUMN expires 'never sent after this',
    COMMENT COLUMN alert 'alert that asks for it',
    COMMENT COLUMN configuration 'JSON of what is to be set; empty for other kinds',
    COMMENT COLUMN sent_time 'when the MQTT broker took it',
    COMMENT COLUMN settled_time 'when the device said what became of it, or it expired',
    COMMENT COLUMN state 'requested, sent, acknowledged, failed or expired',
    COMMENT COLUMN reason 'failed: why, in the words of the device',
    COMMENT COLUMN knowntime 'from when on an answer as of an instant may know it';

CREATE OR REPLACE VIEW unparsed_notice AS
SELECT topic, partition, offset, id, resident AS key, missing FROM notice_events_v1 FINAL WHERE missing != ''
UNION ALL
SELECT topic, partition, offset, id, resident AS key, missing FROM contact_events_v1 FINAL WHERE missing != ''
UNION ALL
SELECT topic, partition, offset, id, institution AS key, missing FROM duty_events_v1 FINAL WHERE missing != ''
UNION ALL
SELECT topic, partition, offset, id, subject AS key, missing FROM command_events_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_notice COMMENT COLUMN key 'subject or key of the record';
