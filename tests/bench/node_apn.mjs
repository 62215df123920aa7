// The same pushes by node-apn, started by senders.mjs with one argument of JSON. Prints how many
// were accepted and what they cost, without the start of the program.
import { randomBytes } from 'node:crypto';
import apn from '@parse/node-apn';

const AT_ONCE = 1000; // the streams that APNs allows; more only wait inside node-apn
const job = JSON.parse(process.argv[2]);
const url = new URL(job.url);
const provider = new apn.Provider({
  token: { key: job.key, keyId: 'ABC123DEFG', teamId: 'TEAM123456' },
  address: url.hostname,
  port: Number(url.port),
  production: false,
});
const note = new apn.Notification();
note.rawPayload = JSON.parse(job.body);
for (const name of ['topic', 'expiry', 'priority', 'collapseId', 'pushType']) note[name] = job[name];

const tokens = (count) => Array.from({ length: count }, () => randomBytes(32).toString('hex'));
const first = await provider.send(note, tokens(1)); // opens the connection and its streams
if (first.failed.length) throw new Error(JSON.stringify(first.failed));
const batches = Array.from({ length: Math.ceil(job.requests / AT_ONCE) }, () => tokens(AT_ONCE));

const before = process.cpuUsage();
let accepted = 0;
for (const batch of batches) {
  const { sent, failed } = await provider.send(note, batch);
  if (failed.length) throw new Error(JSON.stringify(failed[0]));
  accepted += sent.length;
}
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ accepted, cpu: (user + system) / 1e6 }));
await provider.shutdown();
process.exit(0);
