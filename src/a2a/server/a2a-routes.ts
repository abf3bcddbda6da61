/** A2A over HTTP: the card, JSON-RPC (1.0 and 0.3) and HTTP+JSON (1.0), on the SDK's transports. */
import {
  A2A_VERSION_HEADER,
  AgentCard as AgentCardCodec,
  Extensions,
  HTTP_EXTENSION_HEADER,
} from '@a2a-js/sdk'
import { LegacyJsonRpcTransportHandler, LegacyRestTransportHandler } from '@a2a-js/sdk/compat/v0_3/server'
import {
  JsonRpcTransportHandler,
  ServerCallContext,
  validateVersion,
  type A2ARequestHandler,
} from '@a2a-js/sdk/server'
import type { AgentCard } from '@a2a-js/sdk'
import { readTraceContext } from '../../index.js'
import { checkContentType } from './content-type.js'
import { paths } from './card.js'
import type { Callers } from './callers.js'
import { sendEvents } from './event-stream.js'
import { HttpProblem, readBody, sendJson, type Exchange, type Routes } from './http-server.js'
import { signalKey, traceKey } from './request-handler.js'
import { answerRest } from './rest.js'

export interface A2ARoutesOptions {
  readonly card: AgentCard
  readonly handler: A2ARequestHandler
  readonly callers: Callers
  readonly maxBodyBytes: number
}

/** Who sends no version speaks 0.3: later ones have to say so. */
const legacyVersion = '0.3'

export function createA2ARoutes(options: A2ARoutesOptions): Routes {
  const { card, handler, callers, maxBodyBytes } = options
  const modern = new JsonRpcTransportHandler(handler)
  const legacy = new LegacyJsonRpcTransportHandler(handler)

  /** @throws {HttpProblem} 401 */
  function contextOf({ request, response, signal }: Exchange): ServerCallContext {
    const caller = callers.byAuthorization(request.headers.authorization)
    if (caller === null) {
      response.setHeader('www-authenticate', 'Bearer')
      throw new HttpProblem(401, 'the token is missing, or not known')
    }
    return new ServerCallContext({
      user: { isAuthenticated: true, userName: caller.name },
      requestedVersion: versionOf(request),
      requestedExtensions: Extensions.parseServiceParameter(headerOf(request, HTTP_EXTENSION_HEADER)),
      state: new Map<string, unknown>([
        [signalKey, signal],
        [traceKey, readTraceContext((name) => headerOf(request, name))],
      ]),
    })
  }

  async function jsonRpc(exchange: Exchange): Promise<void> {
    const { request, response } = exchange
    const context = contextOf(exchange)
    const isLegacy = context.requestedVersion === legacyVersion
    const errorOf = (error: unknown) =>
      isLegacy
        ? LegacyJsonRpcTransportHandler.mapToLegacyJSONRPCError(error)
        : JsonRpcTransportHandler.mapToJSONRPCError(error)
    let id: unknown = null
    const failure = (error: unknown) => ({ jsonrpc: '2.0', id, error: errorOf(error) })
    try {
      checkContentType(request.headers['content-type'], ['application/json'])
      validateVersion(context.requestedVersion, card, 'JSONRPC')
      const text = await readBody(request, maxBodyBytes)
      id = idOf(text)
      const answer = await (isLegacy ? legacy : modern).handle(text, context)
      if (Symbol.asyncIterator in answer) await sendEvents(exchange, answer, failure)
      else sendJson(response, 200, answer)
    } catch (error) {
      if (error instanceof HttpProblem || response.headersSent) throw error
      sendJson(response, 200, failure(error))
    }
  }

  async function sendCard({ request, response }: Exchange): Promise<void> {
    const isLegacy = versionOf(request) === legacyVersion
    const context = new ServerCallContext({ requestedVersion: versionOf(request) })
    // The SDK makes a card of 0.3 only where an authenticated caller asks for the extended one: it is the same.
    const own = { ...handler, getAuthenticatedExtendedAgentCard: () => Promise.resolve(card) }
    const modernCard = AgentCardCodec.toJSON(card) as { readonly supportedInterfaces: unknown }
    const shown = isLegacy
      ? {
          ...(await new LegacyRestTransportHandler(own).getAuthenticatedExtendedAgentCard(context)),
          supportedInterfaces: modernCard.supportedInterfaces,
        }
      : modernCard
    response.setHeader('vary', A2A_VERSION_HEADER)
    response.setHeader('cache-control', 'public, max-age=300')
    sendJson(response, 200, shown)
  }

  return async (exchange) => {
    const { request, url } = exchange
    const { method } = request
    if (url.pathname === paths.card || url.pathname === paths.legacyCard) {
      if (method !== 'GET') throw new HttpProblem(405, 'a card is read with GET')
      await sendCard(exchange)
    } else if (url.pathname === paths.jsonRpc) {
      if (method !== 'POST') throw new HttpProblem(405, 'JSON-RPC is sent with POST')
      await jsonRpc(exchange)
    } else if (url.pathname.startsWith(`${paths.rest}/`)) {
      await answerRest(exchange, { handler, card, contextOf, maxBodyBytes })
    } else return false
    return true
  }
}

function versionOf(request: Exchange['request']): string {
  const version = headerOf(request, A2A_VERSION_HEADER)?.trim()
  return version === undefined || version === '' ? legacyVersion : version
}

function headerOf(request: Exchange['request'], name: string): string | undefined {
  const value = request.headers[name.toLowerCase()]
  return Array.isArray(value) ? value.join(', ') : value
}

/** For an error of which the transport knows nothing. */
function idOf(text: string): unknown {
  try {
    const { id } = JSON.parse(text) as { readonly id?: unknown }
    return typeof id === 'string' || typeof id === 'number' ? id : null
  } catch {
    // What cannot be read has no id; the transport says so.
    return null
  }
}
