// What a preview shows of an alert is what phones and readers then get, byte for byte, and what it
// warns of.
import { assertProblem, http } from './lib/http.mjs';
import { WsReader } from './lib/readers.mjs';
import { Phone, alertBody } from './lib/service.mjs';
import { assert, closing, sharedService, test } from './lib/suite.mjs';
import { until } from './lib/wait.mjs';

const service = sharedService({ config: {
  'apns.sound': 'bell.caf', 'fcm.channel_id': 'breaking', 'newsroom.ttl_default_s': 7200,
} });
async function preview(body) {
  const answer = await http('POST', `${service().newsroom}/v1/alerts:preview`, {
    headers: { 'content-type': 'application/json', authorization: `Bearer ${service().key}` }, body,
  });
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}
const codes = (told) => told.warnings.map((w) => `${w.pointer} ${w.code}`);
const bytes = (text) => Buffer.byteLength(text);

// What only the send knows: the id of a new alert, and how much of its time FCM has left.
function asShown(text, id) {
  return text.replaceAll(id, '00000000-0000-7000-8000-000000000000');
}
const withoutTtl = (text) => text.replace(/"ttl":"\d+s"/, '"ttl":""');

async function pushed(phone, id, revision) {
  const [push] = await until('the push', async () => {
    const all = (await phone.pushes()).filter((p) => p.alert_id === id &&
      Number((p.payload.data ?? p.payload).revision) === revision);
    return all.length > 0 && all;
  });
  // The ledger keeps the provider's bytes inside its line.
  const lines = (await service().sim.ledgerText({ platform: phone.platform, token: phone.token })).toString()
    .split('\n').filter((line) => line && JSON.parse(line).n === push.n);
  const text = lines[0].slice(lines[0].indexOf('"payload":') + '"payload":'.length, -1);
  assert.deepEqual(JSON.parse(text), push.payload);
  return text;
}

// `phones`: edition -> {apns, fcm}.
async function assertSent(told, phones, { id, revision }) {
  for (const [edition, { apns, fcm }] of Object.entries(phones)) {
    const ofApns = told.rendered.apns[edition];
    const gotApns = asShown(await pushed(apns, id, revision), id);
    assert.equal(asShown(JSON.stringify(ofApns.payload), id), gotApns, `APNs, ${edition}`);
    assert.equal(ofApns.bytes, bytes(gotApns));
    assert.equal(ofApns.limit, 4096);
    assert.equal(ofApns.title, ofApns.payload.aps.alert.title);
    assert.equal(ofApns.body, ofApns.payload.aps.alert.body);
    const ofFcm = told.rendered.fcm[edition];
    const gotFcm = asShown(await pushed(fcm, id, revision), id);
    assert.equal(withoutTtl(asShown(JSON.stringify(ofFcm.payload.message), id)), withoutTtl(gotFcm), `FCM, ${edition}`);
    assert.equal(ofFcm.bytes, bytes(JSON.stringify(ofFcm.payload)) - bytes('{"message":{') + 1);
    assert.equal(ofFcm.payload.message.android.ttl, '7200s');
  }
}

test('phones get the payload that was shown, byte for byte: new, shortened, corrected, withdrawn', async () => {
  const phones = {};
  for (const edition of ['en', 'ar', 'es']) {
    phones[edition] = {
      apns: await Phone.register(service(), { edition, regions: ['asia'] }),
      fcm: await Phone.register(service(), { edition, regions: ['asia'], platform: 'fcm' }),
    };
  }
  const post = async (body) => {
    const told = await preview(body);
    const answer = await service().post(body, { headers: { 'confirm-token': told.confirm_token } });
    assert.equal(answer.status, 202, answer.text);
    await assertSent(told, phones, answer.json);
    return { told, ...answer.json };
  };
  const body = alertBody({ audience: { regions: ['asia'] }, urgency: 'flash', story_id: 'flood', tags: ['x'] });
  const { id } = await post(body);
  const long = alertBody({ audience: { regions: ['asia'] } });
  long.content.ar.body = 'سطر "طويل" جدا مع رمز 🔔 '.repeat(90);
  long.content.es.image_url = `https://news.example/${'i'.repeat(300)}.jpg`;
  const { told } = await post(long);
  assert.deepEqual(Object.values(told.rendered.apns).map((r) => r.shortened), [false, true, false]);
  assert.ok(codes(told).includes('/content/ar/body shortened'), codes(told).join('\n'));
  assert.ok(told.rendered.apns.ar.body.endsWith('…'));
  await post({ msg_type: 'update', references: [id], content: { en: { headline: 'Corrected', body: 'Second' } } });
  const gone = await post({ msg_type: 'cancel', references: [id] });
  assert.match(gone.told.rendered.apns.es.title, /^Noticia retirada: /);
});

test('readers get the frame that was shown', async (t) => {
  const reader = new WsReader(service().gateway, { query: { regions: 'europe', editions: 'ar' } });
  closing(t, reader);
  await reader.welcome();
  const body = alertBody({ audience: { regions: ['europe'] }, source: 'Agencies' });
  const told = await preview(body);
  const { id } = await service().publish(body);
  const got = await reader.inbox.find((m) => m.id === id);
  const shown = told.rendered.stream.ar;
  const { position, ...rest } = got;
  assert.ok(position);
  assert.deepEqual(shown.payload, { ...rest, id: shown.payload.id, sent_at: shown.payload.sent_at });
  assert.deepEqual(Object.keys(shown.payload), Object.keys(rest));
  assert.equal(shown.bytes, bytes(JSON.stringify(shown.payload)));
});

test('only the platforms and editions that the alert is for are shown', async () => {
  const body = alertBody({ audience: { regions: ['mena'], editions: ['en', 'es'], platforms: ['fcm'] } });
  const told = await preview(body);
  assert.deepEqual(Object.keys(told.rendered), ['fcm']);
  assert.deepEqual(Object.keys(told.rendered.fcm), ['en', 'es']);
  assert.deepEqual(codes(told), ['/content/ar unused_text']);
});

test('a text in the wrong slot, a missing one, links and lengths are warned of; nothing is refused', async () => {
  const told = await preview({
    urgency: 'high', audience: { regions: ['mena'] }, fallback_language: 'en',
    content: {
      en: { headline: 'Sirens', url: 'http://news.example/a', body: 'b'.repeat(161) },
      ar: { headline: 'Sirens across the north' },
    },
  });
  assert.deepEqual(codes(told).sort(), [
    '/content/ar/headline latin_in_arabic', '/content/ar/url no_url', '/content/en/body long_body',
    '/content/en/url link_without_https', '/content/es missing_language',
  ]);
  assert.deepEqual(told.lengths, {
    en: { headline: { graphemes: 6, advised_max: 65 }, body: { graphemes: 161, advised_max: 160 } },
    ar: { headline: { graphemes: 23, advised_max: 65 } },
  });
});

test('a missing edition is refused, or told with how many get another language', async () => {
  await Phone.register(service(), { regions: ['africa'], edition: 'es' });
  await Phone.register(service(), { regions: ['africa'], edition: 'es', platform: 'fcm' });
  const body = alertBody({ audience: { regions: ['africa'] } });
  delete body.content.es;
  const refused = await http('POST', `${service().newsroom}/v1/alerts:preview`, {
    headers: { 'content-type': 'application/json', authorization: `Bearer ${service().key}` }, body });
  assertProblem(assert, refused, 422, ['/content/es/headline']);
  const told = await preview({ ...body, fallback_language: 'en' });
  const [warning] = told.warnings;
  assert.deepEqual([warning.pointer, warning.code], ['/content/es', 'missing_language']);
  assert.match(warning.detail, /2 devices .* get en/);
  assert.equal(told.rendered.apns.es.title, body.content.en.headline);
});

test('how many are asleep then, by their own clocks', async () => {
  const offset = (hours) => `${hours < 0 ? '-' : '+'}${String(Math.abs(hours)).padStart(2, '0')}:00`;
  // From -12 to +11: the zone where it is that hour at `date`.
  const zoneWhere = (hour, date) => {
    const ahead = (((hour - date.getUTCHours()) % 24) + 24) % 24;
    return offset(ahead > 11 ? ahead - 24 : ahead);
  };
  const due = new Date(Date.UTC(2030, 0, 15, 12, 30));
  for (const [hour, count] of [[21, 1], [22, 2], [3, 3], [6, 4], [7, 5]]) {
    for (let i = 0; i < count; i++) {
      await Phone.register(service(), { regions: ['us-canada'], time_zone: zoneWhere(hour, due) });
    }
  }
  await Phone.register(service(), { regions: ['us-canada'] });
  const body = alertBody({ audience: { regions: ['us-canada'] } });
  const later = await preview({ ...body, send_at: due.toISOString() });
  assert.equal(later.total, 16);
  assert.deepEqual(later.local_time, { night: 9, known: 15 });
  const [warning] = later.warnings.filter((w) => w.code === 'night_time');
  assert.match(warning.detail, /for 9 of 16 devices/);
  assert.equal(later.time_zones, undefined);
  const noon = await preview({ ...body, embargoed_until: '2030-01-15T00:30:00Z', send_at: due.toISOString() });
  assert.deepEqual(noon.local_time, later.local_time, 'the later of the two');
  const quiet = await preview({ ...body, urgency: 'low', send_at: due.toISOString() });
  assert.ok(!codes(quiet).includes('/urgency night_time'));
});
