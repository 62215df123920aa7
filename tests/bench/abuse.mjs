// tests/bench/abuse: prints its line.
import { abuse, abuseConfig } from '../service/lib/abuse.mjs';
import { Service } from '../service/lib/service.mjs';

const [count, alerts] = process.argv.slice(2).map(Number);
const service = await Service.start({ sim: false, config: abuseConfig(count) });
try {
  const r = await abuse(service, { count, floods: 50, alerts });
  const bad = r.missed + r.dup + r.reordered + r.unknown > 0 || r.peakBytes > r.boundBytes;
  console.log(
    `bench=abuse good=${count} stuck=${count} half_open=${count} garbage=${r.garbage} alerts=${alerts} missed=${r.missed} ` +
      `dup=${r.dup} reordered=${r.reordered} rss_empty=${r.emptyBytes} rss_peak=${r.peakBytes} rss_bound=${r.boundBytes}`,
  );
  process.exitCode = bad ? 1 : 0;
} finally {
  await service.stop();
}
