/** What can be asked of `main.js`. Each resolves to `{ problems, ... }`: broken promises in words, and figures. */
import { capRace } from './cap-race.js'
import { busyHost, clockBack, failingHost, fencedOwner, twoDrains } from './delivery.js'
import { forcedEnds } from './forced-ends.js'
import { diskFull } from './disk-full.js'
import { kills } from './kills.js'
import { peerCuts } from './peer-cuts.js'
import { peers } from './peers.js'

export const scenarios = {
  kills,
  peers,
  'peer-cuts': peerCuts,
  'cap-race': capRace,
  'forced-ends': forcedEnds,
  'disk-full': diskFull,
  'clock-back': clockBack,
  'failing-host': failingHost,
  'busy-host': busyHost,
  'two-drains': twoDrains,
  'fenced-owner': fencedOwner,
}
