'use strict';
/* Chromium, through playwright; see browser.js. */
const { chromium } = require('playwright-core');

const FLAGS = ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync', '--disable-gpu'];

exports.start = async executablePath => {
	const browser = await chromium.launch({ executablePath, args: FLAGS,
		/* People have that cache. */
		ignoreDefaultArgs: ['--disable-back-forward-cache'] });
	const contexts = {};
	return {
		async open({ profile = 'one', hidden, ...options }) {
			contexts[profile] = contexts[profile] || await browser.newContext(options);
			const page = await contexts[profile].newPage();
			page.on('pageerror', e => console.error(e));
			page.on('console', m => m.type() === 'error' && console.error(m.text()));
			return page;
		},
		go: (page, url) => page.goto(url, { waitUntil: 'load' }),
		/* playwright's own waits for a load, which a page out of the cache does not have. */
		back: page => page.evaluate('setTimeout(() => history.back())').then(() => {}),
		evaluate: (page, js) => page.evaluate(js),
		shot: (page, path) => page.screenshot({ path, fullPage: true }).then(() => {}),
		close: page => page.close(),
		end: () => browser.close(),
	};
};
