'use strict';
/* npm's eventsource and fetch-event-source, which behave as a browser's EventSource and
   say, a line of JSON each, what happens: eventsource.js KIND URL [HEADERS AS JSON]. */
const [kind, url, headers] = process.argv.slice(2);
const say = line => process.stdout.write(JSON.stringify(line) + '\n');
const more = headers ? JSON.parse(headers) : {};

/* Gone with whoever started us. */
process.stdin.on('end', () => process.exit(0)).resume();

if (kind === 'eventsource') {
	const { EventSource } = require('eventsource');
	const source = new EventSource(url, {
		fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...more } }),
	});
	source.onopen = () => say({ open: true });
	source.onerror = e => say({ error: e.code || 0, state: source.readyState });
	for (const type of ['message', 't', 'peal:gap']) {
		source.addEventListener(type, e => say({ type, data: e.data, id: e.lastEventId }));
	}
} else {
	/* It wants a window and a document, which it asks only whether the page is hidden. */
	globalThis.window = globalThis;
	globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
	const { fetchEventSource } = require('@microsoft/fetch-event-source');
	fetchEventSource(url, {
		headers: more,
		async onopen(response) {
			say(response.ok ? { open: true } : { error: response.status });
			if (!response.ok) throw new Error('status ' + response.status);
		},
		/* What peal says of the stream itself, which an EventSource passes over. */
		onmessage: m => /^peal:(open|beat|busy|end)$/.test(m.event)
			|| say({ type: m.event || 'message', data: m.data, id: m.id }),
		/* A stream that has ended properly is to be opened again as well. */
		onclose() { throw new Error('ended'); },
		onerror: error => {
			if (/^status/.test(error.message)) throw error;
			say({ error: 0 });
		},
	}).catch(() => say({ closed: true }));
}
