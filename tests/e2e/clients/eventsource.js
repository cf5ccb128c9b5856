'use strict';
/* Client libraries from npm, and peal.js, each as a process that prints, a line of JSON each,
   what happens: {"open": true}, {"error": status or 0}, {"beat": true} and {"type", "data", "id"}.
   usage: eventsource.js CLIENT URL [HEADERS AS JSON] */
const [client, url, headersAsText] = process.argv.slice(2);
const headers = headersAsText ? JSON.parse(headersAsText) : {};

const TYPES = ['message', 't', 'peal:gap', 'peal:beat'];

const say = line => process.stdout.write(JSON.stringify(line) + '\n');

function sayEvent(type, data, id) {
	if (type === 'peal:beat') say({ beat: true });
	/* What else peal says of the stream itself, where a library hands over every event. */
	else if (!/^peal:(open|busy|end)$/.test(type)) say({ type: type || 'message', data, id });
}

/* For libraries that have the interface of the browser's. */
function listen(source) {
	source.onopen = () => say({ open: true });
	source.onerror = e => say({ error: e && (e.code || e.status) || 0 });
	for (const type of TYPES) source.addEventListener(type, e => sayEvent(e.type, e.data, e.lastEventId));
}

/* They want a page, of which they ask only whether it is hidden. */
function pretendToBeAPage() {
	globalThis.window = globalThis;
	globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
}

/* import(), since some are modules alone. */
const EventSourceOf = async name => (await import(name)).EventSource;

const clients = {
	'eventsource 1': () => listen(new (require('eventsource1'))(url, { headers })),
	'eventsource 2': () => listen(new (require('eventsource2'))(url, { headers })),

	async 'eventsource 3'() {
		listen(new (await EventSourceOf(require.resolve('eventsource')))(url, {
			fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
		}));
	},

	async 'eventsource 4'() { listen(new (await EventSourceOf(require.resolve('eventsource4')))(url)); },

	async 'eventsource 5'() { listen(new (await EventSourceOf(require.resolve('eventsource5')))(url)); },

	'event-source-polyfill'() {
		listen(new (require('event-source-polyfill').EventSourcePolyfill)(url, { headers }));
	},

	'eventsource-client'() {
		require('eventsource-client').createEventSource({
			url, headers,
			onConnect: () => say({ open: true }),
			onScheduleReconnect: () => say({ error: 0 }),
			onMessage: m => sayEvent(m.event, m.data, m.id),
		});
	},

	/* errorFilter: it gives up otherwise, at any error. */
	'launchdarkly-eventsource'() {
		const { EventSource } = require('launchdarkly-eventsource');
		listen(new EventSource(url, { headers, errorFilter: () => true }));
	},

	/* It puts another around the browser's, which is npm's here. */
	'reconnecting-eventsource'() {
		globalThis.EventSource = require('eventsource2');
		const Reconnecting = require('reconnecting-eventsource').default;
		listen(new Reconnecting(url));
	},

	async 'extended-eventsource'() {
		pretendToBeAPage();
		listen(new (require('extended-eventsource').EventSource)(url, { headers }));
	},

	'undici'() { listen(new (require('undici').EventSource)(url)); },

	'fetch-event-source'() {
		pretendToBeAPage();
		const { fetchEventSource } = require('@microsoft/fetch-event-source');
		fetchEventSource(url, {
			headers,
			async onopen(response) {
				say(response.ok ? { open: true } : { error: response.status });
				if (response.status === 401 || response.status === 403) throw new Error('not allowed');
				if (!response.ok) throw new Error('try again');
			},
			onmessage: m => sayEvent(m.event, m.data, m.id),
			/* A stream that has ended properly is to be opened again as well. */
			onclose() { throw new Error('ended'); },
			onerror: error => {
				if (error.message === 'not allowed') throw error;
				say({ error: 0 });
			},
		}).catch(() => say({ closed: true }));
	},

	'peal.js'() {
		const Peal = require('../../../examples/peal.js');
		new Peal(url, {
			onevent: e => sayEvent(e.type, e.data, e.lastEventId),
			onopen: () => say({ open: true }),
			ongap: gap => say({ type: 'peal:gap', data: JSON.stringify(gap), id: '' }),
			onstate: (state, detail) => state === 'waiting' && say({ error: detail.status || 0 }),
		});
	},
};

/* Gone with whoever started us. */
process.stdin.on('end', () => process.exit(0)).resume();
process.on('unhandledRejection', error => console.error(error));
process.on('warning', () => {});
Promise.resolve(clients[client]()).catch(error => {
	console.error(error);
	process.exit(1);
});
