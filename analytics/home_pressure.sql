-- Home blood pressure of one resident by the guideline protocol, and its variability over the whole period asked for.
-- A prescribed week drops its first day; a rolling week drops nothing. SD, CV, ARV and SV are those of the sample, in
-- time order, ties by id.
WITH
    counted AS (
        SELECT
            time, id, assumeNotNull(r.systolic) AS systolic, assumeNotNull(r.diastolic) AS diastolic, r.pulse AS pulse,
            toTimeZone(time, {zone:String}) AS here, toDate(here) AS day, toHour(here) AS hour,
            day BETWEEN {first:Date} AND {last:Date} AND day > {dropped:Date} AS inside,
            inside AND hour >= {morning_from:UInt8} AND hour < {morning_to:UInt8} AS morning,
            inside AND hour >= {evening_from:UInt8} AND hour < {evening_to:UInt8} AS evening
        FROM readings AS r
        WHERE resident = {resident:String} AND kind = 'blood-pressure' AND place = 'home' AND source = 'measured'
            AND clock != 'untrusted' AND NOT retracted
            AND time >= {from:DateTime64(3, 'UTC')} AND time < {until:DateTime64(3, 'UTC')}
        ORDER BY time, id
    )
SELECT
    countIf(inside) AS n,
    uniqExactIf(day, inside) AS days,
    avgOrNullIf(systolic, inside) AS mean_systolic,
    avgOrNullIf(diastolic, inside) AS mean_diastolic,
    avgOrNullIf(c.pulse, inside) AS mean_pulse,
    countIf(morning) AS morning_n,
    uniqExactIf(day, morning) AS morning_days,
    avgOrNullIf(systolic, morning) AS morning_systolic,
    avgOrNullIf(diastolic, morning) AS morning_diastolic,
    avgOrNullIf(c.pulse, morning) AS morning_pulse,
    countIf(evening) AS evening_n,
    uniqExactIf(day, evening) AS evening_days,
    avgOrNullIf(systolic, evening) AS evening_systolic,
    avgOrNullIf(diastolic, evening) AS evening_diastolic,
    avgOrNullIf(c.pulse, evening) AS evening_pulse,
    count() AS whole_n,
    uniqExact(day) AS whole_days,
    min(day) AS whole_first,
    max(day) AS whole_last,
    groupArray(systolic) AS s,
    groupArray(diastolic) AS d,
    arrayMap((a, b) -> abs(a - b), arrayPopFront(s), arrayPopBack(s)) AS s_steps,
    arrayMap((a, b) -> abs(a - b), arrayPopFront(d), arrayPopBack(d)) AS d_steps,
    avgOrNull(systolic) AS whole_systolic,
    avgOrNull(diastolic) AS whole_diastolic,
    if(whole_n > 1, stddevSampStable(systolic), NULL) AS systolic_sd,
    if(whole_n > 1, stddevSampStable(diastolic), NULL) AS diastolic_sd,
    if(whole_n > 1, arrayAvg(s_steps), NULL) AS systolic_arv,
    if(whole_n > 1, arrayAvg(d_steps), NULL) AS diastolic_arv,
    if(whole_n > 1, sqrt(arrayAvg(x -> x * x, s_steps)), NULL) AS systolic_sv,
    if(whole_n > 1, sqrt(arrayAvg(x -> x * x, d_steps)), NULL) AS diastolic_sv,
    minOrNull(systolic) AS systolic_min,
    maxOrNull(systolic) AS systolic_max,
    minOrNull(diastolic) AS diastolic_min,
    maxOrNull(diastolic) AS diastolic_max,
    countIf(systolic < {limit_systolic:Float64} AND diastolic < {limit_diastolic:Float64}) AS in_range
FROM counted AS c
