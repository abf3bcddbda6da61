/** The front of `hermes-delegate/platform`. */
export { createPlatform } from './create-platform.js'
export { servePlatform } from './serve-platform.js'

export type { Platform } from './create-platform.js'
export type { PlatformOptions } from './options.js'
export type { PlatformErrorCode } from './refusal.js'
export type { ServedPlatform, ServePlatformOptions } from './serve-platform.js'
export type { AddressRules } from './workspace-http.js'
