// What a program with npm's @clickhouse/client does: select, insert, stream, abort. Its results as JSON on stdout.
import { Readable } from "node:stream";
import { createClient } from "@clickhouse/client";

const [url, password, analystPassword] = process.argv.slice(2);
const client = createClient({ url, username: "mailiu", password, database: "mailiu" });
const analyst = createClient({ url, username: "analyst", password: analystPassword, database: "mailiu" });
const out = {};
const rows = async (query, parameters = {}) =>
  (await client.query({ query, query_params: parameters, format: "JSONEachRow" })).json();

out.ping = (await client.ping()).success;
out.parameters = await rows("SELECT {text:String} AS text, {list:Array(UInt8)} AS list, {at:DateTime64(3)} AS at", {
  text: "a'b\\c\n血压", list: [1, 2], at: new Date(Date.UTC(2024, 1, 29, 12, 0, 0, 123)),
});
await client.command({ query: "CREATE TABLE node (id UInt32, name String) ENGINE = MergeTree ORDER BY id" });
out.inserted = (await client.insert({
  table: "node", values: [{ id: 1, name: "one" }, { id: 2, name: "血压" }], format: "JSONEachRow",
})).summary.written_rows;
const many = Readable.from((function* () {
  for (let id = 3; id <= 20000; id++) yield { id, name: `n${id}` };
})(), { objectMode: true });
await client.insert({ table: "node", values: many, format: "JSONEachRow" });
out.rows = await rows("SELECT count() AS n, uniqExact(id) AS ids, anyIf(name, id = 2) AS second FROM node");

const stream = await client.query({ query: "SELECT number FROM numbers(300000)", format: "JSONEachRow" });
out.streamed = 0;
out.sum = 0;
for await (const part of stream.stream()) {
  for (const row of part) {
    out.streamed += 1;
    out.sum += Number(row.json().number);
  }
}

const stop = new AbortController();
const endless = client.query({
  query: "SELECT count() FROM system.numbers WHERE NOT ignore(sipHash64(number))",
  query_id: "to-be-aborted", format: "JSONEachRow", abort_signal: stop.signal,
}).then(() => "ended", (error) => error.message);
const running = "SELECT count() AS n FROM system.processes WHERE query LIKE '%sipHash64(number))%' AND query NOT LIKE '%LIKE%'";
while (Number((await rows(running))[0].n) === 0);
stop.abort();
out.aborted = await endless;
while (Number((await rows(running))[0].n) !== 0);
out.after_abort = await rows("SELECT 1 AS one");

out.analyst = await (await analyst.query({ query: "SELECT count() AS n FROM node", format: "JSONEachRow" })).json();
out.refused = await analyst.insert({ table: "node", values: [{ id: 0, name: "x" }], format: "JSONEachRow" })
  .then(() => "inserted", (error) => `${error.code} ${error.type}`);
out.unknown = await client.query({ query: "SELECT nope" }).then(() => "ran", (error) => `${error.code} ${error.type}`);
console.log(JSON.stringify(out));
await client.close();
await analyst.close();
