/** What the benchmarks of the ledger in a file share. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createDelegator, sqliteLedger } from '../dist/index.js'
import { openSqlite } from '../dist/ledger/sqlite-driver.js'
import { context, goal } from './lib.js'

const folder = mkdtempSync(join(tmpdir(), 'hermes-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
let files = 0

/** A path where there is nothing yet; removed with everything beside it when the benchmark ends. */
export const newLedger = () => join(folder, `${(files += 1)}.db`)

export const openDurable = (path, { durability = 'process', ...options } = {}) =>
  createDelegator({ ledger: sqliteLedger(path, { durability }), capacityScope: 'ledger', ...options })

/** A second connection, as another program would have one. */
export const openRaw = (path) => openSqlite(path)

/** `count` delivered, or pending, units of `session` beside what is there: copies of one that ran. */
export async function fill(path, { count, session, state }) {
  const delegator = await openDurable(path)
  const { delegationId } = await delegator.dispatch({
    goal,
    context,
    sessionKey: session,
    runner: () => 'done',
  })
  await delegator.wait(delegationId)
  await delegator.close()
  const db = await openSqlite(path)
  const columns = (table, without) =>
    db
      .sql(`SELECT name FROM pragma_table_info('${table}')`)
      .all()
      .map(({ name }) => name)
      .filter((name) => !without.includes(name))
  const ids = `WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < ${count - 1})`
  // Above any that chance would draw twice.
  const copyId = `printf('deleg_%020x', i + ${Date.now() * 1000})`
  const renamed = (names) =>
    names
      .map((name) => (name === 'draft' ? `json_set(draft, '$.id', ${copyId}, '$.slotKey', ${copyId})` : name))
      .map((name) =>
        name === 'event' ? `json_set(event, '$.event_id', ${copyId}, '$.delegation_id', ${copyId})` : name,
      )
  const unit = columns('units', ['n', 'id', 'slot_key'])
  const delivery = columns('deliveries', ['seq', 'event_id', 'delegation_id', 'event_crc'])
  const from = (table, key) => `FROM numbers, (SELECT * FROM ${table} WHERE ${key} = '${delegationId}')`
  db.exec('BEGIN IMMEDIATE')
  db.exec(`${ids} INSERT INTO deliveries (event_id, delegation_id, ${delivery}) SELECT ${copyId}, ${copyId}, ${renamed(delivery)}
    ${from('deliveries', 'event_id')}`)
  db.exec(
    `${ids} INSERT INTO units (id, slot_key, ${unit}) SELECT ${copyId}, ${copyId}, ${renamed(unit)} ${from('units', 'id')}`,
  )
  if (state === 'delivered') {
    db.sql(
      "UPDATE deliveries SET state = 'delivered', resolved_at = born_at WHERE session_key = :session",
    ).run({ session })
  }
  db.exec('COMMIT')
  db.close()
}

/** Starts `bench/fixtures/<name>.js` with `given`; `answer` resolves to the JSON it prints, `line` to its next line. */
export function program(name, given) {
  const file = fileURLToPath(new URL(`./fixtures/${name}.js`, import.meta.url))
  const child = spawn(process.execPath, [file, JSON.stringify(given)], { stdio: ['pipe', 'pipe', 'inherit'] })
  let printed = ''
  const waiting = []
  child.stdout.on('data', (data) => {
    printed += data
    for (let end = printed.indexOf('\n'); end >= 0 && waiting.length > 0; end = printed.indexOf('\n')) {
      waiting.shift()(printed.slice(0, end))
      printed = printed.slice(end + 1)
    }
  })
  return {
    pid: child.pid,
    line: () => new Promise((resolve) => waiting.push(resolve)),
    say: (text) => child.stdin.write(`${text}\n`),
    ended: once(child, 'exit'),
    stop: () => child.kill('SIGKILL'),
  }
}
