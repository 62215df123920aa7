// Starts the console: language, theme, session, then the view of the address; signed out, the sign-in.
import { whenSessionIsLost } from './api.js';
import { forgetCorrections } from './correct.js';
import { h, replace } from './dom.js';
import { frame, startTheme } from './header.js';
import { onLanguage, startLanguage, t } from './i18n.js';
import { showMode } from './mode.js';
import { explain, notice, toast } from './notice.js';
import { addRoute, leave, refresh, startRouter } from './router.js';
import { drop, loadTaxonomy, resume, session, signOut } from './session.js';
import { startShortcuts } from './shortcuts.js';
import { alertView } from './view_alert.js';
import { auditView } from './view_audit.js';
import { composeView } from './view_compose.js';
import { healthView } from './view_health.js';
import { historyView } from './view_history.js';
import { plannedView } from './view_planned.js';
import { signInView } from './view_signin.js';

const app = document.getElementById('app');

addRoute('compose', composeView);
addRoute('alert', alertView);
addRoute('planned', plannedView);
addRoute('history', historyView);
addRoute('audit', auditView);
addRoute('health', healthView);

async function leaveSession() {
  try {
    await signOut();
  } catch (error) {
    toast(explain(error));
    return;
  }
  forgetCorrections();
  show();
}

function showSignIn(wasLost) {
  leave();
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  signInView(app, { wasLost, onDone: () => show() });
}

/** What fits: the frame with the view of the address, or the sign-in. */
function show(wasLost = false) {
  showMode();
  if (!session()) {
    showSignIn(wasLost);
    return;
  }
  const { root, outlet } = frame(leaveSession);
  replace(app, root);
  startRouter(outlet);
  refresh();
}

async function start() {
  startLanguage();
  startTheme();
  try {
    await Promise.all([loadTaxonomy(), resume()]);
    show();
  } catch (error) {
    replace(
      app,
      h(
        'main',
        { class: 'sign-in' },
        h(
          'div',
          { class: 'sign-in-card' },
          h('h1', {}, 'Tocsin'),
          notice('error', explain(error)),
          h('button', { type: 'button', class: 'button primary', on: { click: start } }, t('try_again')),
        ),
      ),
    );
  }
}

whenSessionIsLost(() => {
  if (!session()) return;
  drop();
  show(true);
});
onLanguage(() => show());
startShortcuts(() => session() !== null);
start();
