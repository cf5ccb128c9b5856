'use strict';
/* A browser that obeys lines of JSON, one command a line, and answers each with one:
   {"value": ...} or {"error": "..."}.  usage: browser.js ENGINE PROGRAM FOLDER

   An engine is a file beside this one.  Its start(program, folder) gives an object with
   the functions below and end(); a tab is what its open() returned, and evaluate() awaits
   the value of a piece of script.  The browser may write into the folder. */
const readline = require('readline');

const [engine, program, folder] = process.argv.slice(2);
const POLL_MS = 20;
const tabs = {};

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

const selected = selector => 'document.querySelector(' + JSON.stringify(selector) + ')';

const commands = {
	/* Tabs of one profile share their connections and cookies.  A hidden one is hidden in
	   WebKit, where a page can be. */
	async open(browser, { tab, url, ...options }) {
		tabs[tab] = await browser.open(options);
		await browser.go(tabs[tab], url);
	},
	go: (browser, { tab, url }) => browser.go(tabs[tab], url),
	back: (browser, { tab }) => browser.back(tabs[tab]),
	evaluate: (browser, { tab, js }) => browser.evaluate(tabs[tab], js),
	async wait(browser, { tab, js, ms }) {
		const end = Date.now() + ms;
		let why = '';
		for (;;) {
			try {
				const value = await browser.evaluate(tabs[tab], js);
				if (value) return value;
				why = '';
			} catch (error) {
				/* The page may be changing just now. */
				why = ': ' + error;
			}
			if (Date.now() > end) throw new Error('waited ' + ms + ' ms for ' + js + why);
			await sleep(POLL_MS);
		}
	},
	click: (browser, { tab, selector }) => browser.evaluate(tabs[tab], selected(selector) + '.click()'),
	fill: (browser, { tab, selector, text }) => browser.evaluate(tabs[tab],
		'{ const field = ' + selected(selector) + '; field.value = ' + JSON.stringify(text) + ';' +
		' field.dispatchEvent(new Event("input", { bubbles: true })); }'),
	shot: (browser, { tab, path }) => browser.shot(tabs[tab], path),
	async close(browser, { tab }) {
		await browser.close(tabs[tab]);
		delete tabs[tab];
	},
	async 'close all'(browser) {
		for (const tab of Object.keys(tabs)) await commands.close(browser, { tab });
	},
};

async function main() {
	const browser = await require('./' + engine).start(program, folder);
	for await (const line of readline.createInterface({ input: process.stdin })) {
		const command = JSON.parse(line);
		let answer;
		try {
			answer = { value: await commands[command.do](browser, command) };
		} catch (error) {
			answer = { error: String(error) };
		}
		process.stdout.write(JSON.stringify(answer) + '\n');
	}
	await browser.end();
}

main().then(() => process.exit(0), error => {
	process.stdout.write(JSON.stringify({ error: String(error && error.stack || error) }) + '\n');
	process.exit(1);
});
