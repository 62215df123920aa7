// One file, overridden by the environment, overridden by flags; every fault
// names where it is.
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { SOURCE, TOCSIN, run } from './lib/processes.mjs';
import { assert, test } from './lib/suite.mjs';

let dir;
before(() => (dir = mkdtempSync(join(tmpdir(), 'tocsin-config-'))));
after(() => rmSync(dir, { recursive: true, force: true }));

const check = (args, options = {}) => run(TOCSIN, ['check-config', ...args], { label: 'config', cwd: dir, ...options });

function file(text, name = 'tocsin.conf') {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

const valueOf = (printed, section, key) => {
  const body = printed.slice(printed.indexOf(`\n[${section}]\n`) + 1).split('\n[')[0];
  return new RegExp(`^${key} *= *(.*)$`, 'm').exec(body)?.[1];
};

test('the defaults are valid, and config/tocsin.conf shows every one of them', async () => {
  const defaults = await check(['--print']);
  assert.equal(defaults.code, 0, defaults.stderr);
  assert.equal(readFileSync(join(SOURCE, 'config/tocsin.conf'), 'utf8'), defaults.stdout);
  const shipped = await check([`--config=${join(SOURCE, 'config/tocsin.conf')}`]);
  assert.equal(shipped.code, 0, shipped.stderr);
});

test('faults name the file, the line and the key, all at once', async () => {
  const path = file('[gateway]\nlisten = 127.0.0.1:9000\nworkers = many\n\n[nonsense]\na = 1\n[newsroom]\nbody_max_bytes = 5\nunheard = 2\n');
  const result = await check(['--config', path]);
  assert.equal(result.code, 2, result.stderr);
  const text = result.stderr + result.stdout;
  for (const part of [`${path}:3`, 'gateway.workers', `${path}:5`, 'nonsense', `${path}:8`, 'newsroom.body_max_bytes', `${path}:9`, 'newsroom.unheard']) {
    assert.ok(text.includes(part), `${part} missing in:\n${text}`);
  }
});

test('a line that is none, and a file that is not there', async () => {
  const path = file('[gateway]\njust words\n');
  const broken = await check(['--config', path]);
  assert.equal(broken.code, 2);
  assert.ok((broken.stderr + broken.stdout).includes(`${path}:2`), broken.stderr);
  const missing = await check(['--config', join(dir, 'absent.conf')]);
  assert.equal(missing.code, 2);
  assert.ok((missing.stderr + missing.stdout).includes('absent.conf'));
});

test('file, then environment, then flags', async () => {
  const path = file('[gateway]\nworkers = 2\n[newsroom]\nworkers = 2\n[dispatcher]\nworkers = 2\n');
  const env = { TOCSIN_GATEWAY_WORKERS: '3', TOCSIN_NEWSROOM_WORKERS: '3' };
  const result = await check(['--config', path, '--print', '--gateway.workers=4'], { env });
  assert.equal(result.code, 0, result.stderr);
  assert.equal(valueOf(result.stdout, 'gateway', 'workers'), '4');
  assert.equal(valueOf(result.stdout, 'newsroom', 'workers'), '3');
  assert.equal(valueOf(result.stdout, 'dispatcher', 'workers'), '2');
  const byEnvironment = await check(['--print'], { env: { TOCSIN_CONFIG: path } });
  assert.equal(valueOf(byEnvironment.stdout, 'dispatcher', 'workers'), '2');
});

test('unknown settings in the environment and in flags are faults too', async () => {
  const env = await check([], { env: { TOCSIN_GATEWAY_WORKERZ: '3' } });
  assert.equal(env.code, 2);
  assert.match(env.stderr + env.stdout, /TOCSIN_GATEWAY_WORKERZ/);
  const flag = await check(['--gateway.workerz=3']);
  assert.equal(flag.code, 2);
  assert.match(flag.stderr + flag.stdout, /gateway\.workerz/);
});

test('rules over several keys: addresses, missing files, roles, a taxonomy that is none', async () => {
  for (const [flag, pattern] of [
    ['--gateway.listen=nonsense', /gateway\.listen/],
    ['--gateway.listen=127.0.0.1:99999', /gateway\.listen/],
    ['--apns.key_file=/nonexistent/key.p8', /apns\.key_file/],
    ['--fcm.service_account_file=/nonexistent/account.json', /fcm\.service_account_file/],
    ['--serve.roles=newsroom,cook', /serve\.roles/],
    [`--serve.taxonomy=${file('{"regions": 5}', 'taxonomy.json')}`, /taxonomy/],
    ['--log.format=xml', /log\.format/],
    ['--redis.url=http://example', /redis\.url/],
  ]) {
    const result = await check([flag]);
    assert.equal(result.code, 2, `${flag}: ${result.stdout}${result.stderr}`);
    assert.match(result.stderr + result.stdout, pattern);
  }
});

test('serve refuses a wrong configuration in the same words', async () => {
  const path = file('[gateway]\nworkers = many\n');
  const result = await run(TOCSIN, ['serve', '--config', path], { label: 'config', cwd: dir });
  assert.equal(result.code, 2);
  assert.ok(result.stderr.includes(`${path}:2`) && result.stderr.includes('gateway.workers'), result.stderr);
});
