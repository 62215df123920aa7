/* tocsin.js as a module, with the class as its export. */
import './tocsin.js';

export const { Tocsin } = globalThis;
Tocsin.home ??= new URL('.', import.meta.url).href;
export default Tocsin;
