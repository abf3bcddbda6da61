/**
 * The network between a gateway and its peer is cut while messages are sent, tasks followed, one of them cancelled, and pushes
 * on their way; and restored before and after those who wait have given up.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createDelegator } from '../../dist/index.js'
import { peerRunner, pushReceiver } from '../../dist/a2a/peer-runner.js'
import { linesOf, newFolder, openLook, sleep, until } from './lib.js'
import { cableLink, proxyLink } from './links.js'
import { servedBy, twiceProblems } from './peer-verdict.js'
import { freePort, startGateway } from './peers.js'

const token = 'token-of-the-chaos'
const pushToken = 'token-of-the-pushes'
const withinMs = 40_000
const patient = {
  lostAfterSeconds: 120,
  cancelTimeoutSeconds: 60,
  retry: { maxRetries: 20, initialMs: 50, maxMs: 1_000 },
}
const hasty = {
  lostAfterSeconds: 2,
  cancelTimeoutSeconds: 2,
  retry: { maxRetries: 3, initialMs: 50, maxSeconds: 2 },
}

/** One gateway behind one link, and a delegator here. */
async function openCase(linkOf, cutMs) {
  const folder = newFolder()
  const logs = join(folder, 'logs')
  mkdirSync(logs)
  const port = await freePort()
  const pushed = []
  const receive = pushReceiver({ token: pushToken })
  const link = await linkOf(port, (request, response) => {
    request.on('data', (data) => pushed.push(String(data)))
    receive(request, response)
  })
  if (link.skipped !== undefined) return link
  const serves = { ledger: join(folder, 'gateway.db'), logs }
  const given = {
    ledger: serves.ledger,
    log: join(logs, 'gateway.jsonl'),
    cap: 20,
    token,
    address: link.address,
    port,
    url: link.url,
    receivers: [new URL(link.pushUrl).host],
  }
  const gateway = await startGateway(given, link.within)
  const look = await openLook(serves.ledger)
  const delegator = await createDelegator({ maxUnits: 20, maxSharedThreads: 1, interruptGraceMs: 500 })
  const working = new Set()
  delegator.events.on('progress', ({ delegation_id, progress }) => {
    if (progress?.peer_state === 'working') working.add(delegation_id)
  })
  const runnerOf = (manner, more = {}) =>
    peerRunner({
      url: link.url,
      auth: { tokenEnv: 'CHAOS_TOKEN' },
      deduplicates: true,
      requestTimeoutSeconds: 1,
      poll: { initialMs: 20, maxMs: 500 },
      ...manner,
      ...more,
    })
  return {
    folder,
    serves,
    look,
    link,
    delegator,
    pushed,
    cutMs,
    runnerOf,
    async dispatch(goal, runner) {
      const { delegationId } = await delegator.dispatch({ goal, runner, delivery: 'collect' })
      const unit = { id: delegationId, goal, isOver: false }
      unit.end = delegator.wait(delegationId, { timeoutMs: withinMs }).finally(() => (unit.isOver = true))
      return unit
    },
    works: (...units) => until('tasks are at work', withinMs, () => units.every(({ id }) => working.has(id))),
    atPeer: async ({ id }) => (await servedBy(serves)).byMessage.get(`${id}-0`)?.[0],
    async close() {
      link.close()
      await delegator.close({ graceMs: 0 })
      look.close()
      gateway.kill('SIGKILL')
      await gateway.ended
    },
  }
}

/** A problem in words for each field that is not as it should be. */
function differs(what, event, wanted) {
  const wrong = Object.keys(wanted).filter((key) => event?.[key] !== wanted[key])
  const shown = wrong.map(
    (key) => `${key} ${JSON.stringify(event?.[key])} instead of ${JSON.stringify(wanted[key])}`,
  )
  return wrong.length === 0 ? [] : [`${what}: ${shown.join(', ')} (${event?.error})`]
}

/** Restored in time: everything goes on as if nothing had been, and nothing that was followed is sent again. */
async function restoredInTime(at) {
  const { link, folder } = at
  const followedFile = join(folder, 'followed')
  const runner = at.runnerOf(patient)
  const pushing = at.runnerOf(patient, {
    // Looks are so rare that it is the push that tells of the end.
    poll: { initialMs: 20, maxMs: 600_000 },
    push: { url: link.pushUrl, tokenEnv: 'CHAOS_PUSH_TOKEN' },
  })
  const followed = await at.dispatch(`hold ${followedFile}`, runner)
  const canceled = await at.dispatch('hold nothing', runner)
  const pushed = await at.dispatch(`hold ${followedFile} pushed`, pushing)
  await at.works(followed, canceled, pushed)
  if (link.cutsAtSend) link.cutAfter('"SendMessage"')
  else link.cut()
  const sent = await at.dispatch('work 20 sent', runner)
  await until('the cut', withinMs, () => link.isCut())
  const unsent = await at.dispatch('work 20 unsent', runner)
  const all = [followed, canceled, pushed, sent, unsent]
  const stop = at.delegator.interrupt(canceled.id, { graceMs: withinMs })
  writeFileSync(followedFile, '')
  await until('what is followed ends at the peer', withinMs, async () => {
    const states = await Promise.all([followed, pushed].map(at.atPeer))
    return states.every(({ state }) => state === 'completed')
  })
  await sleep(at.cutMs)
  const early = all.filter(({ isOver }) => isOver).map(({ goal }) => `${goal} ended through a cut`)
  const reached =
    link.cutsAtSend && (await at.atPeer(sent)) === undefined ? ['the message never arrived'] : []
  link.restore()
  const [follow, cancel, push, send, late] = await Promise.all(all.map(({ end }) => end))
  const stopped = await stop
  const pushId = (await at.atPeer(pushed)).id
  const cancelled = await at.atPeer(canceled)
  await until('the push arrives', withinMs, () => at.pushed.some((body) => body.includes(pushId)))
  return [
    ...early,
    ...reached,
    ...differs('followed', follow, { status: 'completed', summary: `did ${followed.goal}`, api_calls: 1 }),
    ...differs('pushed', push, { status: 'completed', api_calls: 1 }),
    ...differs('cut while it was sent', send, { status: 'completed', summary: 'did work 20 sent' }),
    ...differs('sent while it was cut', late, { status: 'completed', summary: 'did work 20 unsent' }),
    ...differs('cancelled', cancel, { status: 'interrupted', exit_reason: 'canceled', api_calls: 1 }),
    ...differs('the stop', stopped, { stopped: 1, unreachable: 0 }),
    ...differs('cancelled, at the peer', cancelled, { state: 'interrupted' }),
  ]
}

/** Restored too late: everybody has given up by then, said so, and gone on. */
async function restoredTooLate(at) {
  const { link, folder } = at
  const file = join(folder, 'late')
  const runner = at.runnerOf(hasty)
  const followed = await at.dispatch(`hold ${file}`, runner)
  const canceled = await at.dispatch(`hold ${file} canceled`, runner)
  await at.works(followed, canceled)
  link.cut()
  const sent = await at.dispatch('work 20 late', runner)
  const stop = at.delegator.interrupt(canceled.id)
  const [follow, cancel, send] = await Promise.all([followed, canceled, sent].map(({ end }) => end))
  const stopped = await stop
  await until('the slots are free', withinMs, async () => (await at.delegator.capacity()).inUse === 0)
  const isCut = link.isCut()
  link.restore()
  const after = await at.dispatch('work 20 after', at.runnerOf(patient))
  const problems = [
    ...(isCut ? [] : ['it was not cut']),
    ...differs('followed too long', follow, { status: 'failed', failure_reason: 'PEER_LOST', api_calls: 1 }),
    ...(follow.peer?.task_id === undefined ? ['followed too long: nobody is told which task it was'] : []),
    ...differs('cancelled in vain', cancel, { status: 'interrupted' }),
    ...differs('the stop in vain', stopped, { unreachable: 1 }),
    ...differs('never sent', send, { status: 'failed', summary: null }),
    ...(/^PEER_/.test(send.failure_reason) ? [] : [`never sent: ${send.failure_reason}`]),
    ...differs('afterwards', await after.end, { status: 'completed', summary: 'did work 20 after' }),
  ]
  writeFileSync(file, '')
  return problems
}

async function cutCase(linkOf, cutMs) {
  const at = await openCase(linkOf, cutMs)
  if (at.skipped !== undefined) return { problems: [], skipped: at.skipped }
  const problems = []
  try {
    problems.push(...(await restoredInTime(at)))
    problems.push(...(await restoredTooLate(at)))
    const open = 'SELECT count(*) FROM units WHERE ended_at IS NULL OR slot_held = 1'
    await until('all ends at the peer', withinMs, () => at.look.number(open) === 0)
    const served = await servedBy(at.serves)
    problems.push(...served.problems, ...twiceProblems(served))
    problems.push(...linesOf(at.serves.logs).flatMap(({ fault }) => (fault === undefined ? [] : [fault])))
  } catch (error) {
    problems.push(error.message)
  } finally {
    await at.close()
  }
  if (problems.length === 0) rmSync(at.folder, { recursive: true })
  return { problems: problems.map((problem) => `${at.link.name}: ${problem}`) }
}

/** Both proxies always; namespaces where they can be made. */
export async function peerCuts({ size }, say) {
  process.env.CHAOS_TOKEN = token
  process.env.CHAOS_PUSH_TOKEN = pushToken
  const cutMs = size === 'long' ? 10_000 : 1_500
  const results = await Promise.all([
    cutCase((port, receiver) => proxyLink('drop', port, receiver), cutMs),
    cutCase((port, receiver) => proxyLink('stall', port, receiver), cutMs),
    cutCase(cableLink, cutMs),
  ])
  const skipped = results.flatMap((result) => result.skipped ?? [])
  for (const reason of skipped) say(`  skipped: ${reason}`)
  return {
    problems: results.flatMap(({ problems }) => problems),
    links: results.length - skipped.length,
    ...(skipped.length > 0 && { skipped: skipped.join('; ') }),
  }
}
