'use strict';
/* WebKitGTK's MiniBrowser, over WebDriver, on an X server of its own, since it has no
   headless mode; see browser.js.  Source: W3C, "WebDriver". */
const fs = require('fs');
const net = require('net');
const { spawn } = require('child_process');

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

function begin(program, words, options) {
	const child = spawn(program, words, options);
	child.ended = new Promise(resolve => child.on('exit', resolve));
	child.on('error', error => console.error(String(error)));
	return child;
}

/* An X server on a display that is free, which it tells us. */
async function display() {
	const server = begin('Xvfb', ['-displayfd', '3', '-screen', '0', '1280x1000x24', '-nolisten', 'tcp'],
		{ stdio: ['ignore', 'ignore', 'inherit', 'pipe'] });
	const number = await new Promise((resolve, reject) => {
		let text = '';
		server.stdio[3].on('data', piece => {
			text += piece;
			if (text.includes('\n')) resolve(text.trim());
		});
		server.on('exit', code => reject(new Error('Xvfb ended with ' + code)));
	});
	return { server, name: ':' + number };
}

function freePort() {
	return new Promise((resolve, reject) => {
		const probe = net.createServer().on('error', reject).listen(0, '127.0.0.1', () => {
			const { port } = probe.address();
			probe.close(() => resolve(port));
		});
	});
}

/* The browser itself, which Debian keeps below /usr/lib/ARCHITECTURE. */
function miniBrowser() {
	const places = fs.readdirSync('/usr/lib').filter(name => name.includes('-linux-gnu')).flatMap(name =>
		['4.1', '4.0', '6.0'].map(version => `/usr/lib/${name}/webkit2gtk-${version}/MiniBrowser`));
	const found = places.find(place => fs.existsSync(place));
	if (!found) throw new Error('no MiniBrowser in: ' + places.join(', '));
	return found;
}

exports.start = async (program, folder) => {
	const screen = await display();
	const port = await freePort();
	const driver = begin(program, ['--host=127.0.0.1', '--port=' + port], {
		stdio: ['ignore', 'inherit', 'inherit'],
		env: { ...process.env, HOME: folder, XDG_RUNTIME_DIR: folder, DISPLAY: screen.name,
			GDK_BACKEND: 'x11', NO_AT_BRIDGE: '1', GSETTINGS_BACKEND: 'memory',
			DBUS_SESSION_BUS_ADDRESS: 'disabled:', LIBGL_ALWAYS_SOFTWARE: '1' },
	});

	async function send(method, path, body) {
		const answer = await fetch('http://127.0.0.1:' + port + path, {
			method, body: method === 'POST' ? JSON.stringify(body || {}) : undefined,
			headers: { 'Content-Type': 'application/json' },
		});
		const { value } = await answer.json();
		if (!answer.ok) throw new Error(value.error + ': ' + value.message);
		return value;
	}
	for (let tries = 0; ; tries++) {
		if (driver.exitCode !== null) throw new Error('WebKitWebDriver ended with ' + driver.exitCode);
		try {
			if ((await send('GET', '/status')).ready) break;
		} catch (error) {
			if (tries > 400) throw error;
		}
		await sleep(25);
	}
	const session = await send('POST', '/session', { capabilities: { alwaysMatch: {
		'webkitgtk:browserOptions': { binary: miniBrowser(), args: ['--automation'] } } } });
	const base = '/session/' + session.sessionId;
	await send('POST', base + '/timeouts', { script: 60000, pageLoad: 60000 });
	/* It stays, since without a window the browser ends, and no other can be asked for. */
	const first = await send('GET', base + '/window');
	let current = first;

	const at = tab => async (method, path, body) => {
		if (current !== tab) await send('POST', base + '/window', { handle: tab });
		current = tab;
		return send(method, base + path, body);
	};
	return {
		/* A page in a tab that is not the first is a hidden one here. */
		open: async ({ hidden }) => (await at(first)('POST', '/window/new',
			{ type: hidden ? 'tab' : 'window' })).handle,
		go: (tab, url) => at(tab)('POST', '/url', { url }),
		back: tab => at(tab)('POST', '/back'),
		evaluate: (tab, js) => at(tab)('POST', '/execute/sync',
			{ script: 'return (0, eval)(arguments[0])', args: [js] }),
		async shot(tab, file) {
			fs.writeFileSync(file, Buffer.from(await at(tab)('GET', '/screenshot'), 'base64'));
		},
		async close(tab) {
			await at(tab)('DELETE', '/window');
			current = null;
		},
		async end() {
			await send('DELETE', base).catch(error => console.error(String(error)));
			for (const child of [driver, screen.server]) {
				child.kill('SIGTERM');
				await child.ended;
			}
		},
	};
};
