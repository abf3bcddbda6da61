/** P7-P13: who is there, and who may talk to whom. */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import * as z from 'zod'
import { isJsonObject } from '../runner.js'
import { isBelow } from './access.js'
import { createGate, proxyUrl, type Caller, type Parts, type Route } from './context.js'
import { answer, bodyOf, field } from './http.js'
import { Refused } from './refusal.js'
import { isAllowedAddress, urlProblem } from './workspace-http.js'
import { ownView, peerView, type Registration, type WorkspaceRow } from './workspaces.js'

/** The extension of A2A by which an agent says that it knows a message again by its `messageId`. */
const deduplicates = 'urn:hermes-delegate:a2a:deduplicates-message-id'

const card = z.record(z.string(), field.json, 'expected an object')
const tokenText = z
  .string('expected a text')
  .regex(/^[\x21-\x7e]{1,4096}$/, 'expected 1 to 4096 visible ASCII characters')

const registration = z.object({
  id: field.uuid,
  url: field.word(2048),
  agent_card: card,
  name: field.word(256).optional(),
  role: field.line(1024).optional(),
  tier: field.count(0, 100).optional(),
  parent_id: field.uuid.nullish(),
  can_delegate: z.boolean('expected true or false').optional(),
  max_concurrent_tasks: field.count(1, 10_000).optional(),
  deduplicates: z.boolean('expected true or false').optional(),
  inbound_token: tokenText.nullish(),
  rotate_token: z.boolean('expected true or false').optional(),
})

const heartbeat = z.object({
  workspace_id: field.uuid,
  error_rate: field.amount.default(0),
  sample_error: field.line(4096).default(''),
  active_tasks: field.count(0, 1_000_000).default(0),
  uptime_seconds: field.amount.default(0),
  current_task: field.line(1024).default(''),
})

const cardUpdate = z.object({ workspace_id: field.uuid, agent_card: card })
const accessQuestion = z.object({ caller_id: field.uuid, target_id: field.uuid })

export function createRegistryRoutes(parts: Parts): readonly Route[] {
  const { workspaces, hub, courier, options } = parts
  const gate = createGate(parts)

  /** @throws {Refused} where the bearer is neither the workspace's own nor the operator's */
  function allowed(request: Request, id: string): Caller {
    const caller = gate.caller(request)
    if (caller !== 'admin' && caller.id !== id)
      throw new Refused('invalid_token', 'invalid workspace auth token')
    return caller
  }

  return [
    {
      method: 'POST',
      path: '/registry/register',
      async handle({ request }) {
        const body = await bodyOf(request, registration, 'invalid registration')
        const caller = gate.callerIfAny(request)
        const known = workspaces.get(body.id)
        checkRegistration(body, caller, known, parts)
        await checkUrl(body.url, parts)
        const next = registrationOf(body, known, options.maxConcurrentTasks)
        checkParent(next, parts)
        const token = workspaces.register(next, body.rotate_token === true)
        hub.tell(body.id, 'WORKSPACE_ONLINE', { name: next.name })
        courier.heard(body.id, 0, true)
        return answer(200, { status: 'registered', ...(token !== null && { auth_token: token }) })
      },
    },
    {
      method: 'POST',
      path: '/registry/heartbeat',
      async handle({ request }) {
        const { workspace_id: id, ...beat } = await bodyOf(request, heartbeat, 'invalid heartbeat')
        allowed(request, id)
        const known = workspaces.get(id)
        if (known === undefined) throw new Refused('not_found', 'workspace not found')
        workspaces.heartbeat(id, beat)
        if (known.status !== 'online') hub.tell(id, 'WORKSPACE_ONLINE', { name: known.name })
        courier.heard(id, beat.active_tasks, false)
        return answer(200, { status: 'ok' })
      },
    },
    {
      method: 'POST',
      path: '/registry/update-card',
      async handle({ request }) {
        const { workspace_id: id, agent_card } = await bodyOf(request, cardUpdate, 'invalid agent card')
        allowed(request, id)
        if (workspaces.get(id) === undefined) throw new Refused('not_found', 'workspace not found')
        workspaces.setCard(id, agent_card)
        hub.tell(id, 'AGENT_CARD_UPDATED', {})
        return answer(200, { status: 'updated' })
      },
    },
    {
      method: 'GET',
      path: '/registry/discover/:id',
      handle({ request, url, params }) {
        const id = (params['id'] ?? '').toLowerCase()
        const header = request.headers.get('x-workspace-id')?.toLowerCase() ?? ''
        if (header === '') throw new Refused('invalid_request', 'X-Workspace-ID header is required')
        allowed(request, header)
        const target = workspaces.get(id)
        if (target === undefined) throw new Refused('not_found', 'workspace not found')
        if (!workspaces.mayTalk(header, id))
          throw new Refused('not_authorized', 'not authorized to discover this workspace')
        // One that is offline is found too: its messages wait for it.
        return answer(200, { id, url: proxyUrl(options, url, id), name: target.name })
      },
    },
    {
      method: 'GET',
      path: '/registry/:id/peers',
      handle(call) {
        const { id } = gate.own(call)
        const rows = workspaces.peersOf(id, call.url.searchParams.get('q') ?? '')
        return answer(
          200,
          rows.map((row) => peerView(row, proxyUrl(options, call.url, row.id))),
        )
      },
    },
    {
      method: 'POST',
      path: '/registry/check-access',
      async handle({ request }) {
        const { caller_id, target_id } = await bodyOf(request, accessQuestion, 'invalid question')
        const caller = gate.caller(request)
        if (caller !== 'admin' && caller.id !== caller_id && caller.id !== target_id)
          throw new Refused('not_authorized', 'only one of the two workspaces may ask')
        return answer(200, { allowed: workspaces.mayTalk(caller_id, target_id) })
      },
    },
    {
      method: 'GET',
      path: '/workspaces/:id',
      handle({ request, url, params }) {
        const id = (params['id'] ?? '').toLowerCase()
        const caller = gate.caller(request)
        const row = workspaces.get(id)
        const isHidden = caller !== 'admin' && !workspaces.mayTalk(caller.id, id)
        if (row === undefined || isHidden) throw new Refused('not_found', 'workspace not found')
        const at = proxyUrl(options, url, id)
        return answer(200, caller === 'admin' || caller.id === id ? ownView(row, at) : peerView(row, at))
      },
    },
  ]
}

/** Fields that say what a workspace may do: where there is an operator, they are his alone. */
const operatorFields = ['parent_id', 'tier', 'can_delegate'] as const

function checkRegistration(
  body: z.infer<typeof registration>,
  caller: Caller | null,
  known: WorkspaceRow | undefined,
  { workspaces, options }: Parts,
): void {
  if (known === undefined) {
    if (options.adminToken !== null && caller !== 'admin')
      throw caller === null
        ? new Refused('missing_token', 'a new workspace is registered by the operator')
        : new Refused('invalid_token', 'a new workspace is registered by the operator')
    const most = options.maxWorkspaces
    if (workspaces.count() >= most)
      throw new Refused('too_many', `there are ${most} workspaces already`, { limit: most })
    return
  }
  if (caller === null) throw new Refused('missing_token', 'missing workspace auth token')
  if (caller === 'admin') return
  if (caller.id !== body.id) throw new Refused('invalid_token', 'invalid workspace auth token')
  const given = { parent_id: body.parent_id, tier: body.tier, can_delegate: body.can_delegate }
  const own = { parent_id: known.parent_id, tier: known.tier, can_delegate: known.can_delegate === 1 }
  for (const name of operatorFields) {
    if (given[name] !== undefined && given[name] !== own[name])
      throw new Refused('not_authorized', `a workspace cannot change its own ${name}`)
  }
}

/** What is not said stays as it is. */
function registrationOf(
  body: z.infer<typeof registration>,
  known: WorkspaceRow | undefined,
  maxConcurrentTasks: number,
): Registration {
  const { id, url, agent_card } = body
  const cardName = agent_card['name']
  const ofCard = typeof cardName === 'string' && cardName !== '' ? cardName.slice(0, 256) : null
  const isGiven = (flag: boolean | undefined, before: 0 | 1): 0 | 1 =>
    flag === undefined ? before : flag ? 1 : 0
  return {
    id,
    url,
    agent_card: JSON.stringify(agent_card),
    name: body.name ?? ofCard ?? known?.name ?? id.slice(0, 8),
    role: body.role ?? known?.role ?? '',
    tier: body.tier ?? known?.tier ?? 0,
    parent_id: body.parent_id === undefined ? (known?.parent_id ?? null) : body.parent_id,
    inbound_token: body.inbound_token === undefined ? (known?.inbound_token ?? null) : body.inbound_token,
    deduplicates: isGiven(body.deduplicates, declaresDeduplication(agent_card) ? 1 : 0),
    can_delegate: isGiven(body.can_delegate, known?.can_delegate ?? 1),
    max_concurrent_tasks: body.max_concurrent_tasks ?? known?.max_concurrent_tasks ?? maxConcurrentTasks,
  }
}

function declaresDeduplication({ capabilities }: z.infer<typeof card>): boolean {
  const extensions: unknown = isJsonObject(capabilities) ? capabilities['extensions'] : null
  return (
    Array.isArray(extensions) && extensions.some((each) => isJsonObject(each) && each['uri'] === deduplicates)
  )
}

async function checkUrl(url: string, { options }: Parts): Promise<void> {
  const problem = urlProblem(url, options)
  if (problem !== null) throw new Refused('invalid_request', `invalid or unsafe URL: ${problem}`)
  const { hostname } = new URL(url)
  if (isIP(hostname.replace(/^\[|\]$/g, '')) !== 0) return
  // A name that cannot be found now may be found when something is sent, and is looked at then.
  const found = await lookup(hostname, { all: true }).catch(() => [])
  if (!found.every(({ address }) => isAllowedAddress(address, options)))
    throw new Refused('invalid_request', `invalid or unsafe URL: ${hostname} is not a public address`)
}

function checkParent({ id, parent_id }: Registration, { workspaces }: Parts): void {
  if (parent_id === null) return
  if (workspaces.get(parent_id) === undefined)
    throw new Refused('invalid_request', `parent_id: there is no workspace ${parent_id}`)
  if (parent_id === id || isBelow(parent_id, id, workspaces.parentOf))
    throw new Refused('invalid_request', `parent_id: ${parent_id} is below ${id}`)
}
