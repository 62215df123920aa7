// One alert in three languages; every transport hands over exactly the bytes
// that were posted, to each in its own language.
import { Phone, ARABIC, SPANISH, alertBody } from './lib/service.mjs';
import { assert, closing, sharedService, test } from './lib/suite.mjs';
import { PollReader, SseReader, WsReader } from './lib/readers.mjs';
import { http } from './lib/http.mjs';

const service = sharedService();
const headline = `${ARABIC} ١٢٣`;
const body = 'نصّ أطول قليلاً: سطر ثانٍ مع علامات «هكذا» و\u2066English inside\u2069 ورمز 👨‍👩‍👧‍👦.';

const alert = () =>
  alertBody({
    audience: { regions: ['mena'], sections: ['politics'] },
    content: {
      en: { headline: 'English' },
      ar: { headline, body, url: 'https://news.example/ar/%D8%B9?q=1&r=%C3%A9', dir: 'rtl' },
      es: { headline: SPANISH },
    },
  });

const bytesOf = (text) => Buffer.from(text, 'utf8').toString('hex');
const same = (got, wanted) => assert.equal(bytesOf(got), bytesOf(wanted));

test('WebSocket, SSE and long-poll', async (t) => {
  const query = { regions: 'mena', editions: 'ar' };
  const ws = closing(t, await WsReader.open(service().gateway, { query }));
  const sse = closing(t, await SseReader.open(service().gateway, { query }));
  const poll = closing(t, await PollReader.open(service().gateway, { query }));
  poll.follow();
  const { id, position } = await service().publish(alert());
  for (const reader of [ws, sse, poll]) {
    const got = await reader.alert(id);
    assert.deepEqual(Object.keys(got.content), ['ar']);
    same(got.content.ar.headline, headline);
    same(got.content.ar.body, body);
    assert.equal(got.content.ar.dir, 'rtl');
    assert.equal(got.position, position);
    assert.equal(got.created_by, undefined, 'who posted it stays in the newsroom');
  }
  // The text itself stands in what came over the wire, not only after decoding.
  const plain = JSON.stringify(headline).slice(1, -1).split('"')[0].replaceAll('\\', '');
  for (const reader of [ws, sse]) {
    assert.ok(reader.raw.at(-1).includes(plain.slice(0, 30)), reader.raw.at(-1));
  }
  assert.deepEqual(JSON.parse(ws.raw.at(-1)), JSON.parse(sse.raw.at(-1)));
});

test('iPhone and Android, and each phone in its own language', async () => {
  const phones = {};
  for (const platform of ['apns', 'fcm']) {
    for (const edition of ['en', 'ar', 'es']) {
      phones[`${platform}/${edition}`] = await Phone.register(service(), { platform, edition, regions: ['mena'] });
    }
  }
  const { id } = await service().publish(alert());
  await service().settled(id);
  const title = { en: 'English', ar: headline, es: SPANISH };
  for (const [name, phone] of Object.entries(phones)) {
    const [platform, edition] = name.split('/');
    const pushes = (await phone.pushes()).filter((p) => p.alert_id === id);
    assert.equal(pushes.length, 1, name);
    const { payload } = pushes[0];
    const shown = platform === 'apns' ? payload.aps.alert : notificationOf(payload);
    same(shown.title, title[edition]);
    if (edition === 'ar') same(shown.body, body);
  }
});

function notificationOf(payload) {
  const message = payload.message ?? payload;
  return message.notification ?? message.android.notification;
}

test('the newsroom reads back what it posted', async () => {
  const posted = await service().publish(alert());
  const stored = await service().get(`/v1/alerts/${posted.id}`);
  same(stored.json.content.ar.headline, headline);
  same(stored.json.content.ar.body, body);
  await service().reached(posted);
  const ticker = await http('GET', `${service().gateway}/v1/alerts?regions=mena&editions=ar&limit=1`);
  same(ticker.json.alerts[0].content.ar.headline, headline);
  assert.match(ticker.headers['content-type'], /^application\/json/);
});

test('an alert written with JSON escapes arrives as the characters they stand for', async (t) => {
  const ws = closing(t, await WsReader.open(service().gateway, { query: { editions: 'ar' } }));
  const escaped = JSON.stringify(alert()).replace(/[^\x20-\x7e]/g, (c) =>
    [...Array(c.length).keys()].map((i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  );
  const answer = await service().post(escaped);
  assert.equal(answer.status, 202, answer.text);
  same((await ws.alert(answer.json.id)).content.ar.headline, headline);
});
