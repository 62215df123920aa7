// The registry is whole whatever dies while it is filled: `devices check` finds nothing to repair.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TOCSIN, start } from './lib/processes.mjs';
import { Phone } from './lib/service.mjs';
import { assert, sharedService, test } from './lib/suite.mjs';
import { until } from './lib/wait.mjs';

const DEVICES = 12_000;
const service = sharedService();
const count = async () => Number(await service().redis(['get', '{d}:count']));

function writeDevices(name) {
  const file = join(service().dir, name);
  const lines = Array.from({ length: DEVICES }, (_, i) => JSON.stringify({
    id: `${name}-${i}`,
    platform: i % 2 ? 'apns' : 'fcm',
    token: i % 2 ? randomBytes(32).toString('hex') : `fcm:${randomBytes(90).toString('base64url')}`,
    edition: ['en', 'ar', 'es'][i % 3],
    regions: [['mena'], ['europe', 'asia'], []][i % 3],
    sections: i % 5 ? ['politics'] : [],
    tags: i % 7 ? [] : [`tag ${i % 4}`],
    time_zone: ['Asia/Beirut', 'Europe/Madrid', '-03:00'][i % 3],
  }));
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

const importer = (file) =>
  start(TOCSIN, ['devices', 'import', file, ...service().flags], { label: 'import', cwd: service().dir });
const check = (args = []) => service().tocsin(['devices', 'check', ...args, ...service().flags]);
async function assertSound(devices) {
  const { code, stdout } = await check();
  assert.equal(code, 0, stdout);
  assert.match(stdout, devices === undefined ? /^\d+ devices, 0 faults$/m : new RegExp(`^${devices} devices, 0 faults$`, 'm'));
}
async function importAll(file) {
  const { code, stderr } = await service().tocsin(['devices', 'import', file, ...service().flags]);
  assert.equal(code, 0, stderr);
}

test('importers killed in the middle leave whole devices only; a repeated import completes them', async () => {
  const before = await count();
  const file = writeDevices('killed');
  for (let round = 1; round <= 3; round++) {
    const at = await count();
    const run = importer(file);
    await until('the import to be under way', async () => (await count()) > at || run.child.exitCode !== null);
    run.child.kill('SIGKILL');
    await run.ended;
    await assertSound();
  }
  await importAll(file);
  await assertSound(before + DEVICES);
});

test('Redis killed in the middle: what is there is whole, and the import can be repeated', async () => {
  const before = await count();
  const file = writeDevices('cut-off');
  const run = importer(file);
  await until('the import to be under way', async () => (await count()) > before);
  const from = service().log.length;
  process.kill(service().redisPid(), 'SIGKILL');
  const { code } = await run.ended;
  await service().waitLog('redis_ready', {}, from);
  await service().isReady();
  await assertSound();
  assert.ok((await count()) >= before);
  if (code !== 0) assert.match(run.stderr, /the import can be repeated|not stored/);
  await importAll(file);
  await assertSound(before + DEVICES);
});

test('a fault made by hand is named, makes the exit code 1, and --repair mends it', async () => {
  const phone = await Phone.register(service(), { regions: ['palestine'] });
  const devices = await count();
  const number = Number((await service().redis(['get', '{d}:next']))) - 1;
  const block = Math.floor(number / 16384);
  await service().redis(['setbit', `{b${block}}:region:palestine`, String(number % 16384), '0']);
  const found = await check();
  assert.equal(found.code, 1);
  assert.match(found.stdout, new RegExp(`^bit_missing device ${number} region:palestine$`, 'm'));
  assert.match(found.stdout, new RegExp(`^${devices} devices, 1 faults$`, 'm'));
  const repaired = await check(['--repair']);
  assert.equal(repaired.code, 0, repaired.stdout);
  assert.match(repaired.stdout, /1 faults, repaired/);
  const [entry] = (await service().get('/v1/audit?limit=1')).json.entries;
  assert.equal(entry.action, 'devices.repaired');
  assert.deepEqual(entry.actor, { key_id: null, name: 'command line' });
  assert.deepEqual(entry.detail, { devices, faults: 1 });
  await assertSound(devices);
  const { id } = await service().publish({ audience: { regions: ['palestine'] } });
  await service().settled(id);
  assert.deepEqual(await phone.got(), [id]);
});
