import Peal = require('./peal.js');

export { Peal, Peal as default };
