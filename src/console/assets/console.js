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

// Browsers let a page copy only if it came by TLS or from this machine.
for (const button of document.querySelectorAll('[data-copy]')) {
  button.hidden = navigator.clipboard === undefined;
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(location.href);
    button.textContent = 'Copied';
  });
}

// The tail of a topic. Pausing closes the stream; it goes on after the last record that was shown.

const shownAtMost = 500;
const tail = document.querySelector('[data-tail]');
if (tail) {
  const [pause, state, body] = ['#pause', '#tail-state', '[data-tail] tbody'].map((selector) =>
    document.querySelector(selector),
  );
  let after = tail.dataset.after;
  let events;
  const follow = () => {
    const url = new URL(tail.dataset.tail, location.href);
    url.searchParams.set('after', after);
    events = new EventSource(url);
    events.addEventListener('message', ({ data, lastEventId }) => {
      after = lastEventId;
      const next = document.createElement('template');
      next.innerHTML = data;
      showTimes(next.content);
      body.prepend(...[...next.content.children].reverse());
      while (body.children.length > shownAtMost) body.lastElementChild.remove();
    });
    pause.textContent = 'Pause';
    state.textContent = 'live';
  };
  pause.hidden = false;
  pause.addEventListener('click', () => {
    if (events === undefined) return follow();
    events.close();
    events = undefined;
    pause.textContent = 'Continue';
    state.textContent = 'paused: it continues after the last record that is shown';
  });
  follow();
}
