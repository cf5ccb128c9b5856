'use strict';
/* Run PHP code in a PHP of any age: php.js VERSION FILE CODE... prints a line of what
   each prints.  They are real PHPs, compiled to WebAssembly; FILE is /Peal.php to them. */
const fs = require('fs');
const { NodePHP, withNetworking } = require('@php-wasm/node');

const [version, file, ...codes] = process.argv.slice(2);

(async () => {
	const php = await NodePHP.load(version, { emscriptenOptions: await withNetworking({}) });
	php.writeFile('/Peal.php', fs.readFileSync(file));
	const lines = [];
	for (const code of codes) lines.push((await php.run({ code })).text);
	process.stdout.write(lines.join('\n'));
	process.exit(0);
})();
