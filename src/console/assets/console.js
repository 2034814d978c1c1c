// Times in the viewer's zone, and live updates. Without this script every page works, too.

const zone = new Intl.DateTimeFormat(undefined, {
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
});

function showTimes(root) {
  for (const element of root.querySelectorAll('time:not([data-shown])')) {
    element.textContent = zone.format(new Date(element.dateTime));
    element.dataset.shown = '';
  }
}

/** Replaces the parts that have changed, so that a screen reader says only what is new. */
function update(live, text) {
  const next = document.createElement('template');
  next.innerHTML = text;
  for (const part of next.content.children) {
    const shown = document.getElementById(part.id);
    if (!shown || shown.dataset.source === part.outerHTML) continue;
    const source = part.outerHTML;
    shown.className = part.className;
    shown.replaceChildren(...part.childNodes);
    shown.dataset.source = source;
    showTimes(shown);
  }
  live.classList.remove('stale');
}

showTimes(document);
const live = document.querySelector('[data-live]');
if (live) {
  const events = new EventSource(live.dataset.live);
  events.addEventListener('message', ({ data }) => update(live, data));
  events.addEventListener('error', () => live.classList.add('stale'));
}
