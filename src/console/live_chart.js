// The curve of what was handed over, by platform or by region, drawn by uPlot. The table beside it says
// the same in figures, so the picture is no more than a picture to screen readers.
import uPlot from './uPlot.esm.js';
import { h, replace, setAttributes } from './dom.js';
import { label, number, t } from './i18n.js';
import { find } from './session.js';

const COLOURS = 8;
// Lines are told apart by their dashes, too, not by colour alone.
const DASHES = [[], [8, 4], [2, 3], [12, 3, 2, 3], [5, 5], [1, 4], [10, 2], [4, 2, 1, 2]];
const HEIGHT = 260;

/** The colours of the page as a canvas understands them: custom properties still say light-dark(). */
function colour(className, property = 'borderTopColor') {
  const probe = h('span', { class: className, hidden: true });
  document.body.append(probe);
  const value = getComputedStyle(probe)[property];
  probe.remove();
  return value;
}

function nameOf(series) {
  const [kind, id] = series.split('.');
  return kind === 'platform' ? t(`platform_${id}`) : label(find('regions', id));
}

/** Columns for uPlot: seconds, then one column for each series; before its first point it is at nothing. */
function columnsOf(curve, names) {
  const columns = [curve.map((p) => p.at)];
  for (const name of names) columns.push(curve.map((p) => p.values[name] ?? (p.at === 0 ? 0 : null)));
  return columns;
}

export class LiveChart {
  constructor() {
    this.kind = 'platform';
    this.curve = [];
    this.place = h('div', { class: 'chart', dir: 'ltr', role: 'img', 'aria-label': t('chart') });
    this.key = h('ul', { class: 'chart-key' });
    this.buttons = ['platform', 'region'].map((kind) =>
      h(
        'button',
        {
          type: 'button',
          class: 'segment',
          data: { kind },
          on: {
            click: () => {
              this.kind = kind;
              this.rebuild();
            },
          },
        },
        t(`chart_by_${kind}`),
      ),
    );
    this.root = h(
      'div',
      { class: 'chart-box' },
      h('div', { class: 'segments', role: 'group', 'aria-label': t('chart') }, this.buttons),
      this.place,
      this.key,
    );
    this.watcher = new ResizeObserver(() => this.resize());
    this.watcher.observe(this.place);
    this.scheme = matchMedia('(prefers-color-scheme: dark)');
    this.onScheme = () => this.rebuild();
    this.scheme.addEventListener('change', this.onScheme);
  }

  names() {
    const all = new Set(this.curve.flatMap((p) => Object.keys(p.values)));
    return [...all].filter((name) => name.startsWith(`${this.kind}.`)).sort();
  }

  options(names) {
    const line = { stroke: colour('chart-line'), width: 1 };
    const axis = {
      stroke: colour('chart-words', 'color'),
      grid: line,
      ticks: line,
      font: '12px system-ui, sans-serif',
    };
    return {
      width: Math.max(this.place.clientWidth, 100),
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false }, y: { range: (_, min, max) => [0, Math.max(1, max)] } },
      axes: [
        { ...axis, values: (_, ticks) => ticks.map((v) => t('seconds', { value: v })) },
        { ...axis, size: 70, values: (_, ticks) => ticks.map((v) => (Number.isInteger(v) ? number(v) : '')) },
      ],
      series: [
        {},
        ...names.map((name, i) => ({
          label: name,
          stroke: colour(`curve-${i % COLOURS}`),
          width: 2.5,
          dash: DASHES[i % COLOURS],
          spanGaps: true,
          points: { show: false },
        })),
      ],
    };
  }

  rebuild() {
    this.buttons.forEach((b) => setAttributes(b, { 'aria-pressed': String(b.dataset.kind === this.kind) }));
    this.plot?.destroy();
    this.plot = null;
    const names = this.names();
    this.drawn = names.join();
    replace(
      this.key,
      names.map((name, i) =>
        h('li', {}, h('span', { class: ['swatch', `curve-${i % COLOURS}`], 'aria-hidden': 'true' }), nameOf(name)),
      ),
    );
    if (names.length === 0) {
      replace(this.place, h('p', { class: 'chart-empty' }, t('chart_empty')));
      return;
    }
    replace(this.place);
    this.plot = new uPlot(this.options(names), columnsOf(this.curve, names), this.place);
  }

  draw(curve) {
    this.curve = curve;
    const names = this.names();
    if (!this.plot || names.join() !== this.drawn) this.rebuild();
    else this.plot.setData(columnsOf(curve, names));
    const last = curve.at(-1);
    if (last) {
      setAttributes(this.place, {
        'aria-label': `${t('chart')}: ${names.map((n) => `${nameOf(n)} ${number(last.values[n] ?? 0)}`).join(', ')}`,
      });
    }
  }

  resize() {
    if (this.plot && this.place.clientWidth > 0) this.plot.setSize({ width: this.place.clientWidth, height: HEIGHT });
  }

  end() {
    this.watcher.disconnect();
    this.scheme.removeEventListener('change', this.onScheme);
    this.plot?.destroy();
  }
}
