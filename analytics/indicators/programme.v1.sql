-- The hypertension programme at the end of each local month, by institution: one count a state a resident can be in.
-- Bit k of a mask is month base + k. A window of the last n months up to month k is (mask >> (k - n + 1)) & (2^n - 1).
WITH
    {to:Date} AS last_day,
    toUInt16(toYear(last_day) * 12 + toMonth(last_day) - 1) AS last_month,
    toUInt16(toYear({from:Date}) * 12 + toMonth({from:Date}) - 1) AS first_month,
    last_month - 63 AS base,
    people AS (
        SELECT
            resident,
            minIf(m, flags = 1) AS registered_month,
            countIf(flags = 1) > 0 AS registered,
            maxIf(val, flags = 1) AS diagnosed,
            maxIf(val, flags = 32) AS resolved,
            minIf(m, flags = 16) AS death_month,
            countIf(flags = 16) > 0 AS died,
            groupBitOrIf(bitShiftLeft(toUInt64(1), m - base), flags IN (2, 4) AND m >= base) AS visits,
            maxMapIf(map(m, val), flags = 2 AND val > 0 AND m >= base) AS pressures,
            arraySort(groupUniqArrayIf((m, val, institution), flags = 8)) AS assignments
        FROM programme
        WHERE m <= last_month AND knowntime <= {as_of:DateTime64(3, 'UTC')}
            AND id NOT IN (SELECT reading FROM retractions WHERE knowntime <= {as_of:DateTime64(3, 'UTC')})
            AND (empty({institutions:Array(String)}) OR resident IN (
                SELECT p.resident FROM programme AS p WHERE p.flags = 8 AND p.institution IN {institutions:Array(String)}))
        GROUP BY resident
        HAVING registered
    ),
    masks AS (
        SELECT
            *,
            arrayReduce('groupBitOr', arrayMap(k -> bitShiftLeft(toUInt64(1), k - base), mapKeys(pressures))) AS measured,
            -- the month's last pressure is below 140/90
            arrayReduce('groupBitOr', arrayMap(
                (k, v) -> if(bitAnd(bitShiftRight(v, 9), 511) < 140 AND bitAnd(v, 511) < 90, bitShiftLeft(toUInt64(1), k - base), 0),
                mapKeys(pressures), mapValues(pressures))) AS on_target
        FROM people
    ),
    states AS (
        SELECT
            arrayJoin(range(first_month, last_month + 1)) AS month,
            tupleElement(arrayLast(a -> tupleElement(a, 1) <= month, assignments), 3) AS institution,
            month - base AS k,
            toInt32(month) - registered_month AS since_registration,
            died AND death_month <= month AS dead,
            bitAnd(bitShiftRight(visits, k - 11), 4095) > 0 AS visited_in_12,
            bitAnd(bitShiftRight(visits, k - 2), 7) > 0 AS visited_in_3,
            bitAnd(bitShiftRight(measured, k - 2), 7) AS measured_in_3,
            -- the latest measured month is on target where its bit, the highest, is set here too
            bitAnd(bitShiftRight(on_target, k - 2), 7) * 2 > measured_in_3 AS last_on_target,
            NOT dead AND (since_registration < 12 OR visited_in_12) AS cared,
            cared AND since_registration >= 3 AS counted
        FROM masks
        WHERE since_registration >= 0 AND institution != ''
            -- a diagnosis that was taken back later than it was last made
            AND NOT (resolved > diagnosed AND bitShiftRight(resolved, 50) + 22800 <= month)
            AND (empty({institutions:Array(String)}) OR institution IN {institutions:Array(String)})
    )
SELECT
    makeDate(intDiv(month, 12), month % 12 + 1, 1) AS period,
    if({by_institution:Bool}, s.institution, '') AS institution,
    count() AS registered,
    countIf(NOT dead) AS assigned,
    countIf(cared) AS under_care,
    countIf(NOT dead AND NOT cared) AS lost,
    countIf(counted) AS counted_under_care,
    countIf(counted AND NOT visited_in_3) AS missed_visit,
    countIf(counted AND visited_in_3 AND measured_in_3 = 0) AS visited_without_pressure,
    countIf(counted AND visited_in_3 AND measured_in_3 > 0 AND last_on_target) AS controlled,
    countIf(counted AND visited_in_3 AND measured_in_3 > 0 AND NOT last_on_target) AS uncontrolled
FROM states AS s
GROUP BY period, institution
ORDER BY period, institution
