/** What a route answers instead of a result: a sentence for people, and a code for programs. */
import type { JsonObject } from '../runner.js'

const statusOf = {
  invalid_request: 400,
  invalid_json: 400,
  self_delegation: 400,
  method_unsupported: 400,
  missing_token: 401,
  invalid_token: 401,
  not_authorized: 403,
  not_found: 404,
  method_not_allowed: 405,
  key_reused: 409,
  conflict: 409,
  too_large: 413,
  media_type: 415,
  unreachable: 502,
  queue_full: 503,
  too_many: 503,
  unavailable: 503,
  platform_unavailable: 503,
} as const

export type PlatformErrorCode = keyof typeof statusOf

/** Thrown inside a route, and answered by the handler; nothing of the request stays. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly code: PlatformErrorCode
  readonly detail: JsonObject

  constructor(code: PlatformErrorCode, message: string, detail: JsonObject = {}) {
    super(message)
    this.code = code
    this.detail = detail
  }

  get status(): number {
    return statusOf[this.code]
  }
}
