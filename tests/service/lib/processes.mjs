// Programs under test: started with their output kept, ended by their own pid,
// never left behind.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEADLINE_MS, Inbox, until, within } from './wait.mjs';

export const SOURCE = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
export const BUILD = process.env.TEST_BUILD ?? join(SOURCE, 'build');
export const TOCSIN = join(BUILD, 'tocsin');
export const ARTIFACTS = process.env.TEST_ARTIFACTS ?? join(SOURCE, 'tests/artifacts');
mkdirSync(ARTIFACTS, { recursive: true });

export function program(name) {
  for (const path of [join(BUILD, name), join(BUILD, 'tests', name)]) {
    if (existsSync(path)) return path;
  }
  throw new Error(`${name} is not built in ${BUILD}`);
}

const started = new Set();
process.on('exit', () => {
  for (const child of started) killGroup(child.pid);
});
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(1));

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // already gone
  }
}

export function isAlive(pid) {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

// CPU time of a process in clock ticks (100 a second), user and system.
export function cpuTicks(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

export function residentKiB(pid) {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}

// The caller's environment without settings for the product: a TOCSIN_… left in
// somebody's shell must not change what is tested.
function outerEnv() {
  return Object.fromEntries(Object.entries(process.env).filter(([k]) => !k.startsWith('TOCSIN_')));
}

let logCount = 0;

// Starts a program in its own process group. `lines` are those of standard
// error, `out` those of standard output; both also go to a file in artifacts/.
export function start(path, args, { env = {}, label, cwd, input } = {}) {
  const name = `${label ?? path.split('/').pop()}-${process.pid}-${++logCount}.log`;
  const log = openSync(join(ARTIFACTS, name), 'w');
  const child = spawn(path, args, {
    cwd,
    detached: true,
    env: { ...outerEnv(), ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  started.add(child);
  const run = {
    child,
    pid: child.pid,
    out: new Inbox(`standard output of ${name}`),
    err: new Inbox(`standard error of ${name}`),
    stdout: '',
    stderr: '',
  };
  const follow = (stream, inbox, which) => {
    let rest = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk) => {
      run[which] += chunk;
      writeSync(log, chunk);
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) inbox.push(line);
    });
    return new Promise((done) => stream.on('close', done));
  };
  const closed = Promise.all([
    follow(child.stdout, run.out, 'stdout'),
    follow(child.stderr, run.err, 'stderr'),
  ]);
  run.exited = new Promise((done) => {
    child.on('error', (error) => {
      started.delete(child);
      run.err.end(error.message);
      done({ error });
    });
    child.on('exit', (code, signal) => {
      run.err.end({ code, signal });
      run.out.end({ code, signal });
      done({ code, signal });
    });
  });
  // A worker that outlived its supervisor would keep the pipes open for ever:
  // whoever waits for `ended` also learns of that.
  run.ended = Promise.all([run.exited, closed]).then(([status]) => {
    started.delete(child);
    closeSync(log);
    return status;
  });
  if (input !== undefined) child.stdin.end(input);
  return run;
}

// Runs a program to its end.
export async function run(path, args, options = {}) {
  const process_ = start(path, args, options);
  const status = await within(`${path} ${args.join(' ')} to end`, process_.ended, 3 * DEADLINE_MS).catch(
    (error) => {
      killGroup(process_.pid);
      throw new Error(`${error.message}\n${process_.stdout}\n${process_.stderr}`);
    },
  );
  if (status.error) throw status.error;
  return { ...status, stdout: process_.stdout, stderr: process_.stderr };
}

// SIGTERM, then the orderly end; SIGKILL to the whole group only if that never comes.
export async function stop(run_, deadlineMs = DEADLINE_MS) {
  if (run_.child.exitCode === null && run_.child.signalCode === null) {
    process.kill(run_.pid, 'SIGTERM');
  }
  try {
    return await within('an orderly end after SIGTERM', run_.ended, deadlineMs);
  } catch (error) {
    killGroup(run_.pid);
    await run_.ended;
    throw error;
  }
}

export { killGroup };

// A port nobody listens on. Taken from below the ephemeral range, so that an
// outgoing connection of another test cannot take it in between.
export async function freePort() {
  return until('a free port', async () => {
    const port = 15_000 + Math.floor(Math.random() * 16_000);
    const free = await new Promise((resolve_) => {
      const probe = createServer();
      probe.once('error', () => resolve_(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve_(true)));
    });
    return free && port;
  });
}
