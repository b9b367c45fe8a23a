// One attempt of a device at the broker, by npm's `mqtt`: an attempt as JSON on the command line, its outcome on stdout.
import { readFileSync } from "node:fs";
import { connect } from "mqtt";

const attempt = JSON.parse(process.argv[2]);
const file = (path) => (path ? readFileSync(path) : undefined);
const outcome = { connected: false, published: null, received: [], error: null };

function end() {
  console.log(JSON.stringify(outcome));
  process.exit(0);
}

const client = connect({
  host: attempt.host,
  port: attempt.port,
  protocol: attempt.ca ? "mqtts" : "mqtt",
  protocolVersion: attempt.protocol,
  clientId: attempt.client_id,
  ca: file(attempt.ca),
  cert: file(attempt.certificate),
  key: file(attempt.key),
  username: attempt.username,
  password: attempt.password,
  reconnectPeriod: 0,
  connectTimeout: 20000,
});
const failed = (error) => {
  outcome.error = error ? `${error.code ?? ""} ${error.message}`.trim() : "the connection was closed";
  end();
};
client.on("error", failed);
client.on("close", () => failed(null));
client.on("message", (topic, payload) => {
  outcome.received.push([topic, payload.toString()]);
  if (outcome.received.length >= attempt.expect) end();
});
client.on("connect", async () => {
  outcome.connected = true;
  for (const topic of attempt.subscribe) await client.subscribeAsync(topic, { qos: 1 });
  if (attempt.publish) {
    try {
      await client.publishAsync(attempt.publish[0], attempt.publish[1], { qos: 1 });
      outcome.published = "acknowledged";
    } catch (error) {
      outcome.published = error.message;
    }
  }
  if (attempt.expect === 0) end();
});
