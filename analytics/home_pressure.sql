-- Home blood pressure of one person by the guideline protocol, and its variability over the whole period asked for.
-- Day 1 of a prescribed week is the first day measured in it, and does not count in the mean. SD, CV, ARV and SV are
-- those of the sample, in time order, ties by id.
WITH
    unfit AS (SELECT m.model AS model FROM device_models AS m WHERE m.validated = false OR m.site = 'wrist'),
    counted AS (
        SELECT
            r.time AS time, r.id AS id, assumeNotNull(r.systolic) AS systolic, assumeNotNull(r.diastolic) AS diastolic,
            r.pulse AS pulse, toTimeZone(r.time, {zone:String}) AS here, toDate(here) AS day, toHour(here) AS hour
        FROM readings AS r
        WHERE r.resident IN {records:Array(String)} AND r.kind = 'blood-pressure' AND r.place = 'home'
            AND r.source = 'measured' AND r.clock != 'untrusted' AND NOT has(r.flags, 'unknown-user') AND NOT r.retracted
            -- a model that is known to be unvalidated, or worn on the wrist, enters no mean
            AND ifNull(r.model, '') NOT IN (SELECT unfit.model FROM unfit)
            AND ifNull(r.device, '') NOT IN (
                SELECT e.device FROM device_events AS e
                WHERE e.subject IN {records:Array(String)} AND e.event = 'bound'
                    AND ifNull(e.model, '') IN (SELECT unfit.model FROM unfit))
            AND r.time >= {from:DateTime64(3, 'UTC')} AND r.time < {until:DateTime64(3, 'UTC')}
        ORDER BY time, id
    ),
    (SELECT max(day) FROM counted) AS latest,
    if({has_plan:Bool}, {plan:Date}, latest - {window:UInt8} + 1) AS begins,
    (SELECT minIf(day, day >= begins) FROM counted) AS day_1,
    day_1 < begins + {window:UInt8} AND latest BETWEEN day_1 AND day_1 + {window:UInt8} - 1 AS prescribed,
    {protocol:String} = 'week' OR {protocol:String} = '' AND {has_plan:Bool} AND prescribed AS week,
    if(week, day_1, latest - {window:UInt8} + 1) AS first,
    first + {window:UInt8} - 1 AS last
SELECT
    week AS is_week,
    first AS first_day,
    last AS last_day,
    countIf(c.day BETWEEN first AND last) AS window_n,
    uniqExactIf(c.day, c.day BETWEEN first AND last) AS window_days,
    countIf(inside) AS n,
    uniqExactIf(c.day, inside) AS days,
    avgOrNullIf(c.systolic, inside) AS mean_systolic,
    avgOrNullIf(c.diastolic, inside) AS mean_diastolic,
    avgOrNullIf(c.pulse, inside) AS mean_pulse,
    countIf(morning) AS morning_n,
    uniqExactIf(c.day, morning) AS morning_days,
    avgOrNullIf(c.systolic, morning) AS morning_systolic,
    avgOrNullIf(c.diastolic, morning) AS morning_diastolic,
    avgOrNullIf(c.pulse, morning) AS morning_pulse,
    countIf(evening) AS evening_n,
    uniqExactIf(c.day, evening) AS evening_days,
    avgOrNullIf(c.systolic, evening) AS evening_systolic,
    avgOrNullIf(c.diastolic, evening) AS evening_diastolic,
    avgOrNullIf(c.pulse, evening) AS evening_pulse,
    count() AS whole_n,
    uniqExact(c.day) AS whole_days,
    min(c.day) AS whole_first,
    max(c.day) AS whole_last,
    groupArray(c.systolic) AS s,
    groupArray(c.diastolic) AS d,
    arrayMap((a, b) -> abs(a - b), arrayPopFront(s), arrayPopBack(s)) AS s_steps,
    arrayMap((a, b) -> abs(a - b), arrayPopFront(d), arrayPopBack(d)) AS d_steps,
    avgOrNull(c.systolic) AS whole_systolic,
    avgOrNull(c.diastolic) AS whole_diastolic,
    if(whole_n > 1, stddevSampStable(c.systolic), NULL) AS systolic_sd,
    if(whole_n > 1, stddevSampStable(c.diastolic), NULL) AS diastolic_sd,
    if(whole_n > 1, arrayAvg(s_steps), NULL) AS systolic_arv,
    if(whole_n > 1, arrayAvg(d_steps), NULL) AS diastolic_arv,
    if(whole_n > 1, sqrt(arrayAvg(x -> x * x, s_steps)), NULL) AS systolic_sv,
    if(whole_n > 1, sqrt(arrayAvg(x -> x * x, d_steps)), NULL) AS diastolic_sv,
    minOrNull(c.systolic) AS systolic_min,
    maxOrNull(c.systolic) AS systolic_max,
    minOrNull(c.diastolic) AS diastolic_min,
    maxOrNull(c.diastolic) AS diastolic_max,
    countIf(c.systolic < {limit_systolic:Float64} AND c.diastolic < {limit_diastolic:Float64}) AS in_range
FROM (
    SELECT
        *,
        day BETWEEN first AND last AND NOT (week AND day = first) AS inside,
        inside AND hour >= {morning_from:UInt8} AND hour < {morning_to:UInt8} AS morning,
        inside AND hour >= {evening_from:UInt8} AND hour < {evening_to:UInt8} AS evening
    FROM counted
    ORDER BY time, id
) AS c
