'use strict';
/* Firefox, over WebDriver BiDi, which it speaks without a driver; see browser.js.
   Source: W3C, "WebDriver BiDi". */
const fs = require('fs');
const path = require('path');
const { spawn } = require('child_process');
const WebSocket = require('ws');

const PATIENCE_MS = 35000;
/* For making a tab and going to a page: once in some hundreds of times, on a busy machine,
   Firefox has not answered to one of them at all.  Then they are said again. */
const FIRST_PATIENCE_MS = 15000;

/* It asks nobody for updates, settings or whether there is a network. */
const PREFS = {
	'app.normandy.enabled': false,
	'app.update.disabledForTesting': true,
	'browser.aboutwelcome.enabled': false,
	'browser.region.network.url': '',
	'browser.safebrowsing.downloads.remote.enabled': false,
	'browser.safebrowsing.malware.enabled': false,
	'browser.safebrowsing.phishing.enabled': false,
	'browser.shell.checkDefaultBrowser': false,
	'browser.topsites.contile.enabled': false,
	'datareporting.policy.dataSubmissionEnabled': false,
	'extensions.getAddons.cache.enabled': false,
	'extensions.systemAddon.update.enabled': false,
	'extensions.update.enabled': false,
	'geo.provider.network.url': '',
	'network.captive-portal-service.enabled': false,
	'network.connectivity-service.enabled': false,
	'network.dns.disablePrefetch': true,
	'network.prefetch-next': false,
	'services.settings.server': 'data:,',
	'toolkit.telemetry.server': '',
};

/* The address that it prints; rejects where it ends first. */
function listening(process) {
	return new Promise((resolve, reject) => {
		let text = '';
		process.stderr.on('data', piece => {
			text = (text + piece).slice(-10000);
			const found = /WebDriver BiDi listening on (ws:\S+)/.exec(text);
			if (found) resolve(found[1]);
		});
		process.on('error', reject);
		process.on('exit', code => reject(new Error('firefox ended with ' + code + ': ' + text)));
	});
}

/* send(method, params): a promise of the command's result. */
async function dial(address) {
	const socket = new WebSocket(address + '/session', { perMessageDeflate: false });
	await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
	const waiting = new Map();
	let number = 0;
	socket.on('message', raw => {
		const message = JSON.parse(raw);
		const command = waiting.get(message.id);
		if (!command) return;
		waiting.delete(message.id);
		if (message.type === 'success') command.resolve(message.result);
		else command.reject(new Error(message.error + ': ' + message.message));
	});
	socket.on('close', () => {
		for (const command of waiting.values()) command.reject(new Error('firefox has gone'));
	});
	return (method, params = {}, patience = PATIENCE_MS) => new Promise((resolve, reject) => {
		const id = ++number;
		const text = JSON.stringify({ id, method, params });
		const timer = setTimeout(() => {
			waiting.delete(id);
			reject(new Error('firefox does not answer to ' + text));
		}, patience);
		const over = settle => value => {
			clearTimeout(timer);
			settle(value);
		};
		waiting.set(id, { resolve: over(resolve), reject: over(reject) });
		socket.send(text);
	});
}

exports.start = async (program, folder) => {
	fs.writeFileSync(path.join(folder, 'user.js'), Object.entries(PREFS).map(([name, value]) =>
		'user_pref(' + JSON.stringify(name) + ', ' + JSON.stringify(value) + ');\n').join(''));
	const firefox = spawn(program, ['--headless', '--no-remote', '--profile', folder,
		'--remote-debugging-port', '0', 'about:blank'],
	{ stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: folder, MOZ_CRASHREPORTER_DISABLE: '1' } });
	const ended = new Promise(resolve => firefox.on('exit', resolve));
	firefox.stderr.pipe(process.stderr);
	const send = await dial(await listening(firefox));
	await send('session.new', { capabilities: {} });
	const profiles = {};
	const insist = (method, params) => send(method, params, FIRST_PATIENCE_MS).catch(error => {
		console.error(String(error));
		return send(method, params);
	});

	return {
		async open({ profile = 'one' }) {
			if (!profiles[profile]) {
				profiles[profile] = (await send('browser.createUserContext')).userContext;
			}
			const made = await insist('browsingContext.create',
				{ type: 'tab', userContext: profiles[profile] });
			return made.context;
		},
		async go(context, url) { await insist('browsingContext.navigate', { context, url, wait: 'complete' }); },
		async back(context) { await send('browsingContext.traverseHistory', { context, delta: -1 }); },
		/* As text, since BiDi has a form of its own for each kind of value. */
		async evaluate(context, js) {
			const expression = '(async () => JSON.stringify(await (0, eval)(' + JSON.stringify(js) + ')))()';
			const got = await send('script.evaluate',
				{ expression, awaitPromise: true, target: { context } });
			if (got.type === 'exception') throw new Error(got.exceptionDetails.text);
			return got.result.value === undefined ? undefined : JSON.parse(got.result.value);
		},
		async shot(context, file) {
			const got = await send('browsingContext.captureScreenshot', { context, origin: 'document' });
			fs.writeFileSync(file, Buffer.from(got.data, 'base64'));
		},
		async close(context) { await send('browsingContext.close', { context }); },
		async end() {
			/* It may be gone before it has answered. */
			await Promise.race([send('browser.close').catch(() => {}), ended]);
			await ended;
		},
	};
};
