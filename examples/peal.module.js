/* peal.js for modules: import { Peal } from '/peal.module.js'.  Not .mjs, which some web servers
   do not know to be a script. */
import './peal.js';

export const Peal = globalThis.Peal;
export default Peal;
