/** What can be asked of `main.js`. Each resolves to `{ problems, ... }`: broken promises in words, and figures. */
import { kills } from './kills.js'

export const scenarios = { kills }
