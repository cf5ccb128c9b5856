'use strict';
/* A browser that is told what to do, a line of JSON a command, and answers each with one:
   {"value": ...} or {"error": "..."}.  The first argument is the program. */
const readline = require('readline');
const { chromium } = require('playwright-core');

const FLAGS = ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync', '--disable-gpu'];
const tabs = {};

async function main() {
	const browser = await chromium.launch({ executablePath: process.argv[2], args: FLAGS });
	const contexts = {};

	const commands = {
		/* Tabs of one profile share their connections and cookies. */
		async open({ tab, url, profile = 'one', ...options }) {
			contexts[profile] = contexts[profile] || await browser.newContext(options);
			tabs[tab] = await contexts[profile].newPage();
			tabs[tab].on('pageerror', e => console.error(tab + ': ' + e));
			tabs[tab].on('console', m => m.type() === 'error' && console.error(tab + ': ' + m.text()));
			await tabs[tab].goto(url, { waitUntil: 'load' });
		},
		evaluate: ({ tab, js }) => tabs[tab].evaluate(js),
		async wait({ tab, js, ms }) {
			const handle = await tabs[tab].waitForFunction(js, null, { timeout: ms, polling: 20 });
			return handle.jsonValue();
		},
		click: ({ tab, selector }) => tabs[tab].click(selector),
		fill: ({ tab, selector, text }) => tabs[tab].fill(selector, text),
		async shot({ tab, path }) { await tabs[tab].screenshot({ path, fullPage: true }); },
		close: ({ tab }) => tabs[tab].close(),
	};

	for await (const line of readline.createInterface({ input: process.stdin })) {
		const command = JSON.parse(line);
		let answer;
		try {
			answer = { value: await commands[command.do](command) };
		} catch (error) {
			answer = { error: String(error) };
		}
		process.stdout.write(JSON.stringify(answer) + '\n');
	}
	await browser.close();
}

main().then(() => process.exit(0), error => {
	console.error(error);
	process.exit(1);
});
