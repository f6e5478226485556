// Prints the events of every edgevlm device on a broker.
//
//   npm install
//   node read.js mqtt://HOST:1883
import { decode } from "@msgpack/msgpack";
import mqtt from "mqtt";

const recent = new Set(); // ids of the last events: one that came before is a repeat, after a connection broke

const client = mqtt.connect(process.argv[2]);
client.on("connect", () => client.subscribe("edgevlm/+/+/event/msgpack", { qos: 1 }));
client.on("message", (topic, payload) => {
  const event = decode(payload); // the standard timestamp extension becomes a Date
  if (recent.has(event.id)) return;
  recent.add(event.id);
  if (recent.size > 1024) recent.delete(recent.values().next().value);
  const at = event.captured_at.last.toISOString().slice(11, 19);
  const condition = event.condition; // one that started or ended, instead of a description
  const text = condition ? `${condition.name} ${condition.state}` : event.text;
  console.log(`${at} ${event.device}/${event.camera}: ${text}`);
});
