/* What the page itself says, in the languages it knows. An edition of another language gets the
 * alerts in its own and the page in English. */

const STRINGS = {
  en: {
    title: 'Breaking news',
    skip: 'Skip to the alerts',
    editions: 'Edition',
    regions: 'Regions',
    all: 'All regions',
    today: 'Today',
    yesterday: 'Yesterday',
    flash: 'Flash',
    high: 'Breaking',
    normal: 'News',
    low: 'Brief',
    update: 'Corrected',
    cancel: 'Withdrawn',
    correctedAt: 'Corrected at {time}',
    withdrawnAt: 'Withdrawn by the newsroom at {time}',
    before: 'What it said before',
    test: 'Test',
    exercise: 'Exercise',
    tests: 'Tests and exercises are shown on this page. They are not news.',
    isNew: 'New since your last visit',
    source: 'Source: {source}',
    empty: 'No alerts for this choice yet. New ones appear here by themselves.',
    loading: 'Loading…',
    plain: 'The same as JSON',
    retry: 'Try now',
    theme: 'Theme: {name}',
    auto: 'automatic',
    light: 'light',
    dark: 'dark',
    heard: 'Last word from the newsroom at {time}',
    by: 'over {transport}',
    connecting: 'Connecting…',
    live: 'Live',
    delayed: 'Delayed',
    waiting: 'Reconnecting',
    offline: 'Offline',
    paused: 'Paused',
    stopped: 'Disconnected',
    delayedNote: 'Connected, but the feed behind it is interrupted. Alerts come as soon as it is back; none will be missed.',
    waitingNote: 'The connection broke. Next attempt in {seconds} s; what happens meanwhile is not missed.',
    offlineNote: 'This device has no network. What is shown was true at {time}.',
    stoppedNote: 'The service refused the connection: {detail}',
    more: { one: '{n} new alert', other: '{n} new alerts' },
  },
  ar: {
    title: 'أخبار عاجلة',
    skip: 'انتقل إلى الأخبار',
    editions: 'الطبعة',
    regions: 'المناطق',
    all: 'كل المناطق',
    today: 'اليوم',
    yesterday: 'أمس',
    flash: 'عاجل',
    high: 'هام',
    normal: 'خبر',
    low: 'موجز',
    update: 'تصحيح',
    cancel: 'سُحب',
    correctedAt: 'صُحّح في {time}',
    withdrawnAt: 'سحبته غرفة الأخبار في {time}',
    before: 'النص السابق',
    test: 'اختبار',
    exercise: 'تمرين',
    tests: 'تُعرض في هذه الصفحة رسائل اختبار وتمرين، وهي ليست أخبارًا.',
    isNew: 'جديد منذ زيارتك الأخيرة',
    source: 'المصدر: {source}',
    empty: 'لا أخبار لهذا الاختيار بعد. ستظهر الأخبار الجديدة هنا تلقائيًا.',
    loading: 'جارٍ التحميل…',
    plain: 'المحتوى نفسه بصيغة JSON',
    retry: 'حاول الآن',
    theme: 'المظهر: {name}',
    auto: 'تلقائي',
    light: 'فاتح',
    dark: 'داكن',
    heard: 'آخر اتصال بغرفة الأخبار في {time}',
    by: 'عبر {transport}',
    connecting: 'جارٍ الاتصال…',
    live: 'مباشر',
    delayed: 'متأخر',
    waiting: 'إعادة الاتصال',
    offline: 'غير متصل',
    paused: 'متوقف مؤقتًا',
    stopped: 'انقطع الاتصال',
    delayedNote: 'الاتصال قائم لكن البث متوقف مؤقتًا. ستصل الأخبار فور عودته ولن يفوتك شيء.',
    waitingNote: 'انقطع الاتصال. المحاولة التالية بعد {seconds} ث، ولن يفوتك ما يحدث في الأثناء.',
    offlineNote: 'لا توجد شبكة على هذا الجهاز. المعروض كان صحيحًا عند {time}.',
    stoppedNote: 'رفضت الخدمة الاتصال: {detail}',
    more: {
      zero: 'لا أخبار جديدة', one: 'خبر جديد', two: 'خبران جديدان', few: '{n} أخبار جديدة',
      many: '{n} خبرًا جديدًا', other: '{n} خبر جديد',
    },
  },
  es: {
    title: 'Última hora',
    skip: 'Ir a las alertas',
    editions: 'Edición',
    regions: 'Regiones',
    all: 'Todas las regiones',
    today: 'Hoy',
    yesterday: 'Ayer',
    flash: 'Urgente',
    high: 'Importante',
    normal: 'Noticia',
    low: 'Breve',
    update: 'Corregido',
    cancel: 'Retirado',
    correctedAt: 'Corregido a las {time}',
    withdrawnAt: 'Retirado por la redacción a las {time}',
    before: 'Lo que decía antes',
    test: 'Prueba',
    exercise: 'Simulacro',
    tests: 'Esta página muestra pruebas y simulacros. No son noticias.',
    isNew: 'Nuevo desde su última visita',
    source: 'Fuente: {source}',
    empty: 'Aún no hay alertas para esta selección. Las nuevas aparecerán aquí solas.',
    loading: 'Cargando…',
    plain: 'Lo mismo en JSON',
    retry: 'Probar ahora',
    theme: 'Tema: {name}',
    auto: 'automático',
    light: 'claro',
    dark: 'oscuro',
    heard: 'Última señal de la redacción a las {time}',
    by: 'por {transport}',
    connecting: 'Conectando…',
    live: 'En directo',
    delayed: 'Con retraso',
    waiting: 'Reconectando',
    offline: 'Sin conexión',
    paused: 'En pausa',
    stopped: 'Desconectado',
    delayedNote: 'Hay conexión, pero la señal está interrumpida. Las alertas llegarán en cuanto vuelva; no se perderá ninguna.',
    waitingNote: 'Se cortó la conexión. Nuevo intento en {seconds} s; no se perderá lo que ocurra entretanto.',
    offlineNote: 'Este dispositivo no tiene red. Lo que se ve era cierto a las {time}.',
    stoppedNote: 'El servicio rechazó la conexión: {detail}',
    more: { one: '{n} alerta nueva', many: '{n} de alertas nuevas', other: '{n} alertas nuevas' },
  },
};

/* Everything that depends on the language of an edition. */
export class Language {
  constructor(edition) {
    this.id = STRINGS[edition] ? edition : 'en';
    // News in Arabic is written with the digits of this page's headlines.
    this.locale = this.id === 'ar' ? 'ar-u-nu-latn' : this.id;
    this.dir = this.id === 'ar' ? 'rtl' : 'ltr';
    this.relative = new Intl.RelativeTimeFormat(this.locale, { numeric: 'auto' });
    this.plural = new Intl.PluralRules(this.locale);
  }

  text(name, values = {}) {
    return STRINGS[this.id][name].replace(/\{(\w+)\}/g, (_, key) => values[key] ?? '');
  }

  more(n) {
    const forms = STRINGS[this.id].more;
    return (forms[this.plural.select(n)] ?? forms.other).replace('{n}', n);
  }

  // By 24 hours, as newsrooms write.
  time(date, options = { hour: '2-digit', minute: '2-digit' }) {
    return new Intl.DateTimeFormat(this.locale, { hourCycle: 'h23', ...options }).format(date);
  }

  day(date) {
    const days = dayNumber(new Date()) - dayNumber(date);
    if (days === 0) return this.text('today');
    if (days === 1) return this.text('yesterday');
    return this.time(date, { weekday: 'long', day: 'numeric', month: 'long' });
  }

  ago(date) {
    const seconds = Math.round((date - Date.now()) / 1000);
    const [unit, size] = [['day', 86_400], ['hour', 3600], ['minute', 60]].find(([, n]) => seconds <= -n) ?? ['second', 0];
    return size ? this.relative.format(Math.ceil(seconds / size), unit) : this.relative.format(0, 'second');
  }
}

/* Days by the clock on this wall. */
export const dayNumber = (date) => Math.floor((date.getTime() - date.getTimezoneOffset() * 60_000) / 86_400_000);
