// See tests/bench/push.
import { PLATFORMS, fields, h2load, median, nodeApn, options, sample, send, simCpu, start } from './senders.mjs';

const { devices, rounds, connections, streams } = options({ devices: 200_000, rounds: 3, connections: 4, streams: 100 });
const service = await start(devices);
try {
  for (const platform of PLATFORMS) {
    const wire = await sample(service, platform);
    const runs = [];
    for (let round = 1; round <= rounds; round++) {
      const sim = simCpu(service);
      const own = await send(service, platform);
      const run = {
        own: own.accepted / own.cpu,
        second: own.accepted / own.seconds,
        sim: own.accepted / (simCpu(service) - sim),
        connections: (await service.sim.stats())[platform].connections_open,
      };
      const load = await h2load(service, wire, own.accepted, { connections, streams });
      run.load = load.accepted / load.cpu;
      if (platform === 'apns') {
        const node = await nodeApn(service, wire, Math.ceil(own.accepted / 4));
        run.node = node.accepted / node.cpu;
      }
      console.error(`${platform} round ${round}: ${fields(Object.fromEntries(Object.entries(run).map(([k, v]) => [k, Math.round(v)])))}`);
      runs.push(run);
    }
    const of = (name) => median(runs.map((run) => run[name]));
    const ratio = (name) => median(runs.map((run) => run.own / run[name])).toFixed(2);
    console.log(`bench=push ${fields({
      provider: platform,
      devices,
      rounds,
      payload_bytes: wire.body.length,
      pushes_per_cpu_second: Math.round(of('own')),
      pushes_per_second: Math.round(of('second')),
      h2load_per_cpu_second: Math.round(of('load')),
      ...(platform === 'apns' ? { node_apn_per_cpu_second: Math.round(of('node')) } : {}),
      simulator_per_cpu_second: Math.round(of('sim')),
      connections: of('connections'),
      ratio_h2load: ratio('load'),
      ...(platform === 'apns' ? { ratio_node_apn: ratio('node') } : {}),
    })}`);
  }
} finally {
  await service.stop();
}
