/*
 * peal.js: a page's stream of events from peal, with all that EventSource leaves to the page.
 *
 *     <script src="/peal.js"></script>
 *     <script>
 *     const peal = new Peal('/events', { channels: ['orders'], ongap: () => location.reload() });
 *     peal.on('order-paid', event => console.log(JSON.parse(event.data)));
 *     </script>
 *
 * or, in a module: import { Peal } from '/peal.module.js'.  peal.d.ts has the types.  There is nothing
 * to build; it wants a browser from 2020 or later.
 *
 *   - It reconnects after any answer, also 503 while a server restarts, and waits longer each
 *     time, with jitter.
 *   - A page that is refused before its first event gets what was published meanwhile.
 *   - It replaces a stream that is dead and not only quiet, as after a laptop's sleep or where a
 *     router has forgotten the connection: peal sends a heartbeat every 15 s.
 *   - Tabs that listen to the same channels share one stream, since a browser opens only six
 *     connections to a site over HTTP/1.1.  Browsers allow that over https and on localhost.
 *   - It has no stream while the page is in the back/forward cache, and then asks for what it
 *     missed.
 *   - It hands over events of every topic, also without a listener for it.
 *
 * It reads the stream through fetch(), since EventSource shows a page neither the status nor
 * the Date of an answer, and drops the events whose topic has no listener yet.  Heartbeats
 * that are comments reach it, so it does not ask for `beat`.
 *
 * MIT licence, by the peal authors.
 */
(root => {
'use strict';

/* Times are milliseconds.  How long to wait before peal has said so: */
const RETRY = 3000;
const LONGEST_WAIT = 60000;
/* What a retry time of the server's, or its Retry-After, may make of it. */
const LONGEST_TOLD = 300000;
/* Three of peal's heartbeats. */
const SILENCE = 45000;
/* How long a tab that has the stream may take to answer another tab. */
const ANSWER = 3000;
/* How long a hidden page keeps a stream that it cannot share. */
const HIDDEN = 60000;
/* What a tab keeps for tabs that join: events, and characters in their data. */
const KEPT_EVENTS = 256;
const KEPT_SIZE = 524288;

/* An exception of the page's own functions goes where the browser shows it. */
const report = error => setTimeout(() => { throw error; });

/* The object in the data of one of peal's own events. */
function details(data) {
	try {
		return JSON.parse(data) || {};
	} catch (error) {
		return {};
	}
}

/* An id as [milliseconds, number], in which ids rise; null for an id of the publisher's own. */
function order(id) {
	const parts = /^(\d+)-(\d+)$/.exec(id);
	return parts && [Number(parts[1]), Number(parts[2])];
}

const pause = ms => ms > 0 ? new Promise(resolve => setTimeout(resolve, ms)) : undefined;

const isAfter = (a, b) => a[0] > b[0] || (a[0] === b[0] && a[1] > b[1]);

/*
 * Returns a function that takes the stream's text, cut anywhere.  It calls found.event(event)
 * for each event, found.comment() and found.retry(ms).
 * Source: WHATWG HTML, "Parsing an event stream" and "Interpreting an event stream".
 */
function parser(found) {
	let rest = '', afterCr = false, id = '', type = '', data = [];

	const fields = {
		event(value) { type = value; },
		data(value) { data.push(value); },
		id(value) { if (!value.includes('\0')) id = value; },
		retry(value) { if (/^\d+$/.test(value)) found.retry(Number(value)); },
	};

	function dispatch() {
		const event = { type: type || 'message', data: data.join('\n'), lastEventId: id };
		const isEvent = data.length > 0;
		type = '';
		data = [];
		if (isEvent) found.event(event);
	}

	function line(text) {
		const colon = text.indexOf(':');
		if (text === '') return dispatch();
		if (colon === 0) return found.comment();
		const name = colon < 0 ? text : text.slice(0, colon);
		const value = colon < 0 ? '' : text.slice(colon + 1).replace(/^ /, '');
		if (Object.hasOwnProperty.call(fields, name)) fields[name](value);
	}

	return text => {
		if (text === '') return;
		/* CR, LF and CRLF end a line, and a CRLF may be cut in two. */
		if (afterCr && text[0] === '\n') text = text.slice(1);
		afterCr = text.endsWith('\r');
		const lines = (rest + text).split(/\r\n|\n|\r/);
		rest = lines.pop();
		lines.forEach(line);
	};
}

/*
 * A stream that is opened again and again, until stop().
 *
 * Its owner says what to ask, in _address(), and hears of the answer in _answered(), of what the
 * stream brings in _event() and _quiet(), of each sign of life in _alive(), and of the rest in
 * _state().
 */
class Stream {
	constructor(owner, options) {
		this._owner = owner;
		this._options = options;
		this._retry = RETRY;
		this._failures = 0;
		this._renewedAt = 0;
		this._renewals = 0;
		this._stopped = false;
		this._patrol = setInterval(() => this.check(), options.silence / 3);
		this._run();
	}

	stop() {
		this._stopped = true;
		clearInterval(this._patrol);
		this._abort.abort();
		if (this._wake) this._wake();
	}

	/* Replace a stream that has been silent for too long.  By the clock, since timers are late in
	   a hidden page and stand still in a computer that sleeps. */
	check() {
		if (!this._wake && Date.now() - this._heardAt > this._options.silence) this._again('silent');
	}

	/* The network is back, or somebody looks: try now what has failed before. */
	hurry() {
		this.check();
		if (this._wake && this._failures) this._wake();
	}

	_again(reason) {
		this._reason = reason;
		this._abort.abort();
		if (this._wake) this._wake();
	}

	async _run() {
		while (!this._stopped) {
			this._abort = new AbortController();
			this._heardAt = Date.now();
			this._reason = 'lost';
			this._status = undefined;
			this._asked = 0;
			this._isTold = false;
			this.isOpen = false;
			try {
				await this._request();
			} catch (error) { /* no server, no network, or aborted: _reason says it */ }
			this._abort.abort();
			if (this._stopped) return;
			const wait = this._pause();
			if (wait === 0) continue;
			this._owner._state('waiting', { reason: this._reason, status: this._status, wait });
			if (!this._stopped) await this._sleep(wait);
		}
	}

	async _request() {
		this._owner._state('connecting', {});
		const { withCredentials } = this._options;
		const response = await root.fetch(this._owner._address(), {
			headers: { Accept: 'text/event-stream' }, cache: 'no-store', signal: this._abort.signal,
			credentials: withCredentials ? 'include' : 'same-origin',
		});
		this._heardAt = Date.now();
		const isStream = response.status === 200 &&
			/^text\/event-stream\b/i.test(response.headers.get('Content-Type'));
		if (this._owner._answered(response.headers.get('Date'), isStream)) {
			this._reason = 'again';
		} else if (isStream) {
			await this._read(response.body.getReader());
		} else {
			this._reason = 'refused';
			this._status = response.status;
			this._asked = Math.min(Number(response.headers.get('Retry-After')) * 1000 || 0, LONGEST_TOLD);
			if (response.status === 401) this._renew({ reason: 'refused' });
		}
	}

	async _read(reader) {
		const decoder = new TextDecoder();
		const read = parser({
			event: event => { if (!this._stopped) this._take(event); },
			comment: () => { if (!this._stopped) this._owner._quiet(); },
			retry: ms => { this._retry = Math.min(ms, LONGEST_TOLD); },
		});
		for (;;) {
			const { done, value } = await reader.read();
			if (done || this._stopped) return;
			this._heardAt = Date.now();
			this._owner._alive();
			read(decoder.decode(value, { stream: true }));
		}
	}

	_take(event) {
		if (event.type === 'peal:open') {
			this.isOpen = true;
			this._failures = 0;
			this._renewals = 0;
		} else if (/^peal:(busy|end|token)$/.test(event.type)) {
			const detail = details(event.data);
			const isToken = event.type === 'peal:token';
			this._reason = isToken ? 'token' : detail.reason;
			this._isTold = true;
			if (isToken) this._renew(detail);
		}
		this._owner._event(event);
	}

	/* A new token, and the stream anew with it.  Not too soon after the last one, which then was
	   of no use. */
	async _renew(detail) {
		const { ontoken, tokenUrl } = this._options;
		if (this._isRenewing || !(ontoken || tokenUrl)) return;
		this._isRenewing = true;
		const since = Date.now() - this._renewedAt;
		await pause(Math.min(LONGEST_WAIT, this._retry * 2 ** this._renewals++) - since);
		try {
			const isWanted = !this._stopped && (!ontoken || await ontoken(detail) !== false);
			const isThere = isWanted && (!tokenUrl ||
				(await root.fetch(tokenUrl, { method: 'POST', credentials: 'same-origin' })).ok);
			if (isThere && !this._stopped) this._again('again');
		} catch (error) {
			report(error);
		}
		this._renewedAt = Date.now();
		this._isRenewing = false;
	}

	/* How long to wait before the next request; 0: not at all. */
	_pause() {
		if (this._reason === 'again') return 0;
		if (this._reason === 'silent') return 1 + Math.random() * 1000;
		/* peal has said how long, and has spread that itself. */
		if (this._isTold) return 1 + this._retry;
		/* Spread, so that a thousand pages do not come back at the same moment. */
		if (this.isOpen) return 1 + this._retry * (0.5 + Math.random());
		const longest = Math.min(LONGEST_WAIT, Math.max(this._retry, 100) * 2 ** this._failures++);
		return (Math.max(this._asked, longest) * (1 + Math.random()) + this._asked) / 2;
	}

	async _sleep(ms) {
		await new Promise(resolve => {
			const timer = setTimeout(resolve, ms);
			this._wake = () => {
				clearTimeout(timer);
				resolve();
			};
		});
		this._wake = null;
	}
}

/**
 * A page's stream of events.  It begins at once; no event is handed over before the script that
 * made it has returned, so add the listeners there.
 */
class Peal {
	/**
	 * @param {string} url                        where peal is mounted, such as '/events'
	 * @param {object} [options]
	 * @param {string[]} [options.channels]       what to listen to; without, the server chooses
	 * @param {string} [options.lastEventId]      begin after this event ...
	 * @param {number} [options.lastEventTime]    ... or after this instant, in milliseconds by the
	 *        server's clock; without both, now
	 * @param {function} [options.onevent]        (event) for each one, {type, data, lastEventId}
	 * @param {function} [options.onopen]         ({first}): the stream is open, for the first time or again
	 * @param {function} [options.ongap]          ({after, from}): events are missing; load your state anew
	 * @param {function} [options.onstate]        (state, detail): 'connecting', 'open', 'waiting', 'closed'.
	 *        Where it waits, detail.wait is for how long, and detail.reason is what peal has said
	 *        ('full', 'stopping', 'age'), 'lost', 'silent', 'token', 'hidden', or 'refused' with the
	 *        answer's detail.status
	 * @param {function} [options.ontoken]        ({reason}): the stream wants a new token.  It is opened
	 *        anew when this function's promise is fulfilled, unless with false
	 * @param {string} [options.tokenUrl]         where to POST for a new token, which comes as a cookie
	 * @param {boolean|string} [options.shared]   one stream for all tabs with these channels; default:
	 *        true where channels are named.  A string, such as the user's name, shares it with those
	 *        that say the same one
	 * @param {number} [options.silence]          a stream without a sign of life for so long is dead:
	 *        45000; must be more than peal's --heartbeat
	 * @param {number} [options.hidden]           a page hidden for so long closes its stream until
	 *        somebody looks; default: never, but 60000 where tabs cannot share
	 * @param {boolean} [options.withCredentials] send cookies to another origin
	 *
	 * onopen and ongap may return a promise: events that follow wait until it is settled.  So
	 * the state that they load is there before the events that change it.
	 */
	constructor(url, options = {}) {
		const channels = options.channels || [];
		this._options = { silence: SILENCE, shared: channels.length > 0, ...options };
		this._url = new URL(url, root.location && root.location.href);
		/* Who has the same key can have the same stream. */
		const { shared, withCredentials } = this._options;
		this._key = JSON.stringify(['peal', this._url.href, [...channels].sort(), shared, !!withCredentials]);
		for (const channel of channels) this._url.searchParams.append('channel', channel);

		/** Where the stream goes on: the id of the last event that was handed over, or waits to be. */
		this.lastEventId = options.lastEventId || '';
		this._time = options.lastEventTime;
		this._skipKnownGap();
		this._born = Date.now();
		this._tries = 0;

		/** 'connecting', 'open', 'waiting' or 'closed'. */
		this.state = 'connecting';
		this._wasOpen = false;
		this._listeners = new Map();
		this._queue = [];
		this._holds = false;

		this._name = Math.random().toString(36).slice(2);
		this._kept = [];
		this._keptSize = 0;
		this._base = null;
		this._watchPage();
		this._begin();
	}

	/**
	 * Call listener(event) for each event of a topic; 'message' is for those without one.
	 * @returns {function} what removes the listener
	 */
	on(topic, listener) {
		if (!this._listeners.has(topic)) this._listeners.set(topic, new Set());
		this._listeners.get(topic).add(listener);
		return () => { this._listeners.get(topic).delete(listener); };
	}

	/** End it for good.  No function of the page is called after it, but onstate. */
	close() {
		if (this.state === 'closed') return;
		this._end();
		this._page.forEach(([target, type, listener]) => target.removeEventListener(type, listener));
		clearTimeout(this._goodbye);
		this._queue = [];
		this._state('closed', {});
	}

	/* ---- Where we are ---- */

	_address() {
		const url = new URL(this._url);
		this._tries++;
		this._isLate = this._tries > 1 || Date.now() - this._born > 1000;
		this._hasAsked = true;
		if (this.lastEventId) url.searchParams.set('lastEventId', this.lastEventId);
		else if (this._time != null) url.searchParams.set('lastEventTime', Math.floor(this._time));
		else this._hasAsked = false;
		return url.href;
	}

	/*
	 * Without an id, a page starts at the time of its first try, by the server's clock: neither a
	 * web server's own 503 nor a stream that breaks at once has given it an id.  The answer's
	 * Date tells that clock, in whole seconds, so events of the second before may come too.
	 * Where a page may not see it (that of another origin), its own clock has to do, and a
	 * minute more, as that clock may be wrong.
	 *
	 * Returns whether to ask again now: after tries that nobody has answered, this is the first
	 * time that we hear of the server's clock.
	 */
	_answered(header, isStream) {
		if (this._hasAsked) return false;
		const date = Date.parse(header);
		this._time = isNaN(date) ? this._born - 60000 : date - (Date.now() - this._born);
		return isStream && this._isLate;
	}

	/* A page that answers a gap by loading itself anew may come with the same lastEventTime
	   again, and so with the same gap, for ever.  But it has loaded what is newer than the gap. */
	_skipKnownGap() {
		try {
			const [navigation] = root.performance.getEntriesByType('navigation');
			const known = navigation.type === 'reload' && root.sessionStorage.getItem(this._key);
			const from = this.lastEventId ? order(this.lastEventId) : [this._time, Infinity];
			if (known && isAfter(order(known), from)) this.lastEventId = known;
		} catch (error) { /* not in a page, or in one that may store nothing */ }
	}

	_rememberGap() {
		try {
			root.sessionStorage.setItem(this._key, this.lastEventId);
		} catch (error) { /* as above */ }
	}

	/* ---- What the stream brings ---- */

	/* From our own stream. */
	_event(event) {
		const isOurs = event.type.startsWith('peal:');
		if (this._role === 'catching up' && !isOurs && this._meets(event)) return;
		if (this._role === 'leading' && event.type !== 'peal:beat' && event.type !== 'peal:token') {
			this._post('event', { event });
		}
		this._take(event);
		if (event.type === 'peal:beat') this._quiet();
	}

	/* From our own stream or from the tab that has it. */
	_take(event) {
		if (this.state === 'closed') return;
		if (!event.type.startsWith('peal:')) {
			/* The tab that led before may have posted it already. */
			if (this._channel && this._kept.some(kept => kept.lastEventId === event.lastEventId)) return;
			this._keep(event);
			this.lastEventId = event.lastEventId;
			this._deliver(() => this._dispatch(event));
			return;
		}
		if (event.lastEventId) this.lastEventId = event.lastEventId;
		if (event.type === 'peal:open') {
			if (!this._base) this._restartKept();
			if (this._role === 'catching up') this._pendingFrom = this._pending.length;
			this._state('open', {});
		} else if (event.type === 'peal:gap') {
			this._restartKept();
			this._rememberGap();
			const { ongap } = this._options;
			if (ongap) this._deliver(() => ongap(details(event.data)), true);
		}
	}

	_state(state, detail) {
		if (this._role === 'leading') this._post('state', { state, detail });
		if (this.state === 'closed' || (state === this.state && state !== 'waiting')) return;
		this.state = state;
		const { onstate, onopen } = this._options;
		if (onstate) this._call(() => onstate(state, detail));
		if (state !== 'open') return;
		const first = !this._wasOpen;
		this._wasOpen = true;
		if (onopen) this._deliver(() => onopen({ first }), true);
	}

	_dispatch(event) {
		if (this._options.onevent) this._call(() => this._options.onevent(event));
		for (const listener of this._listeners.get(event.type) || []) this._call(() => listener(event));
	}

	_call(what) {
		try {
			return what();
		} catch (error) {
			return report(error);
		}
	}

	/* In order; where one holds, what follows waits for its promise. */
	_deliver(what, holds) {
		this._queue.push({ what, holds });
		if (!this._holds) this._drain();
	}

	_drain() {
		while (this._queue.length > 0 && !this._holds) {
			const { what, holds } = this._queue.shift();
			const promise = this._call(what);
			if (!holds || !promise || !promise.then) continue;
			this._holds = true;
			promise.then(() => {}, report).then(() => {
				this._holds = false;
				this._drain();
			});
		}
	}

	/* ---- What is kept for tabs that join: all events after base ---- */

	_setBase(id) {
		this._base = { id, order: order(id) };
	}

	_restartKept() {
		this._kept = [];
		this._keptSize = 0;
		this._setBase(this.lastEventId);
	}

	_keep(event) {
		this._kept.push(event);
		this._keptSize += event.data.length;
		while (this._kept.length > KEPT_EVENTS || this._keptSize > KEPT_SIZE) {
			const old = this._kept.shift();
			this._keptSize -= old.data.length;
			this._setBase(old.lastEventId);
		}
	}

	/* Which of another tab's kept events is the first that we want; -1: one before them. */
	_placeIn({ base, kept }) {
		if (!this.lastEventId && this._time == null) {
			/* From now on, and now was when we joined. */
			const heard = kept.findIndex(event => event.lastEventId === this._heardFirst);
			return heard < 0 ? kept.length : heard;
		}
		const last = kept.findIndex(event => event.lastEventId === this.lastEventId);
		if (last >= 0) return last + 1;
		if (!base) return -1;
		if (base.id === this.lastEventId) return 0;
		const from = this.lastEventId ? order(this.lastEventId) : [this._time, Infinity];
		if (!from || !base.order || isAfter(base.order, from)) return -1;
		const first = kept.findIndex(({ lastEventId }) => order(lastEventId) && isAfter(order(lastEventId), from));
		return first < 0 ? kept.length : first;
	}

	/* ---- One stream for all tabs ----

	   The tab that holds the lock of our name leads: it has the stream, and posts what that brings.
	   The others follow.  When it is closed, the lock goes to the next, which goes on from
	   its own last id.  From a leader that does not answer, as it was put to sleep, the lock is
	   taken.

	   A tab that joins asks for what the leader has kept.  Where that does not begin early enough
	   for it, it catches up by a stream of its own, until that meets what the leader posts.

	   _role is: own, joining, catching up, following, leading; null: there is no stream. */

	_begin() {
		if (this._role) return;
		if (!this._options.shared || !this._openChannel()) {
			this._openOwn('own');
			return;
		}
		this._role = 'joining';
		this._patrol = setInterval(() => this._checkLeader(), this._options.silence / 3);
		this._join();
		this._waitForLock();
	}

	_openChannel() {
		this._isAlone = !(root.navigator && root.navigator.locks && root.BroadcastChannel);
		if (this._isAlone) return false;
		this._channel = new root.BroadcastChannel(this._key);
		this._channel.onmessage = message => this._hear(message.data);
		return true;
	}

	_end() {
		this._role = null;
		clearInterval(this._patrol);
		clearTimeout(this._deadline);
		this._closeOwn();
		this._leaveLock();
		if (this._channel) this._channel.close();
		this._channel = null;
	}

	_openOwn(role) {
		this._role = role;
		if (!this._stream) this._stream = new Stream(this, this._options);
	}

	_closeOwn() {
		if (this._stream) this._stream.stop();
		this._stream = null;
		this._pending = [];
		this._pendingFrom = undefined;
	}

	_post(kind, more) {
		this._postedAt = Date.now();
		this._channel.postMessage({ kind, from: this._name, ...more });
	}

	_waitForLock(steal) {
		this._leaveLock();
		const abort = new AbortController();
		const turn = { leave: () => abort.abort(), led: false };
		this._turn = turn;
		const lead = () => {
			if (this._turn !== turn) return undefined;
			turn.led = true;
			this._lead();
			return new Promise(resolve => { turn.leave = resolve; });
		};
		const how = steal ? { steal } : { signal: abort.signal };
		root.navigator.locks.request(this._key, how, lead).catch(() => {
			if (this._turn === turn) this._lostLock(turn.led);
		});
	}

	_leaveLock() {
		const turn = this._turn;
		this._turn = null;
		if (turn) turn.leave();
	}

	/* Another tab has taken it from us; or this page may have no locks at all. */
	_lostLock(led) {
		this._end();
		if (led) return this._begin();
		this._isAlone = true;
		this._openOwn('own');
	}

	_lead() {
		clearTimeout(this._deadline);
		this._pending = [];
		this._openOwn('leading');
		this._post('lead');
	}

	/* Say hello to the leader; where it does not answer, lead. */
	_join() {
		this._leader = null;
		this._post('join');
		clearTimeout(this._deadline);
		this._deadline = setTimeout(() => this._waitForLock(true), ANSWER);
	}

	_checkLeader() {
		if (this._role === 'leading' || !this._leader) return;
		if (Date.now() - this._leaderAt > this._options.silence) this._join();
	}

	/* A leader lets the others know that it is there. */
	_alive() {
		if (this._role === 'leading' && Date.now() - this._postedAt > this._options.silence / 9) {
			this._post('alive');
		}
	}

	_hear(message) {
		if (this._role === 'leading') {
			if (message.kind === 'join') {
				this._post('welcome', { to: message.from, base: this._base, kept: this._kept, state: this.state });
			}
		} else if (message.kind === 'lead') {
			this._join();
		} else if (message.kind === 'welcome') {
			if (message.to === this._name) this._welcomed(message);
		} else if (this._role === 'joining') {
			if (message.kind === 'event') this._heardFirst = this._heardFirst || message.event.lastEventId;
		} else if (message.from === this._leader) {
			/* From anybody else it would be from a leader that has lost the lock. */
			this._leaderAt = Date.now();
			this._follow(message);
		}
	}

	_follow({ kind, event, state, detail }) {
		if (this._role === 'catching up') {
			if (kind === 'event' && !event.type.startsWith('peal:')) this._pending.push(event);
		} else if (kind === 'event') {
			this._take(event);
		} else if (kind === 'state') {
			this._state(state, detail);
		}
	}

	_welcomed({ from, base, kept, state }) {
		clearTimeout(this._deadline);
		this._leader = from;
		this._leaderAt = Date.now();
		const place = this._placeIn({ base, kept });
		if (place < 0) {
			this._pending = kept;
			this._pendingFrom = this._stream && this._stream.isOpen ? kept.length : undefined;
			this._openOwn('catching up');
			return;
		}
		const before = place > 0 ? kept[place - 1].lastEventId : base && base.id;
		if (before && !this.lastEventId) this.lastEventId = before;
		if (before && !this._base) this._setBase(before);
		this._leaveTo(kept.slice(place));
		this._state(state, {});
	}

	/* From here on we follow; these are the events from where we are. */
	_leaveTo(events) {
		this._closeOwn();
		this._role = 'following';
		events.forEach(event => this._take(event));
	}

	/* An event that the leader has posted, too: all that follows it comes from there. */
	_meets(event) {
		const at = this._pending.findIndex(({ lastEventId }) => lastEventId === event.lastEventId);
		if (at >= 0) this._leaveTo(this._pending.slice(at));
		return at >= 0;
	}

	/* A heartbeat: our own stream has brought all that was published before it.  What the
	   leader has posted since our stream was opened may still be on its way to us. */
	_quiet() {
		if (this._role === 'catching up' && this._pendingFrom !== undefined) {
			this._leaveTo(this._pending.slice(this._pendingFrom));
		}
	}

	/* ---- The page ---- */

	_watchPage() {
		this._page = [
			[root, 'pagehide', () => this._end()],
			[root, 'pageshow', event => { if (event.persisted) this._begin(); }],
			[root, 'online', () => this._hurry()],
			[root.document, 'freeze', () => this._end()],
			[root.document, 'resume', () => this._begin()],
			[root.document, 'visibilitychange', () => this._looked()],
		].filter(([target]) => target && target.addEventListener);
		this._page.forEach(([target, type, listener]) => target.addEventListener(type, listener));
	}

	_hurry() {
		if (this._stream) this._stream.hurry();
		if (this._channel) this._checkLeader();
	}

	_looked() {
		clearTimeout(this._goodbye);
		if (root.document.visibilityState !== 'hidden') {
			this._begin();
			this._hurry();
			return;
		}
		const { hidden = this._isAlone ? HIDDEN : Infinity } = this._options;
		if (hidden === Infinity) return;
		this._goodbye = setTimeout(() => {
			this._end();
			this._state('waiting', { reason: 'hidden' });
		}, hidden);
	}
}

root.Peal = Peal;
if (typeof module === 'object' && module.exports) module.exports = Peal;
})(globalThis);
