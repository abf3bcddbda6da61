/** The thread that looks at schemas before anything is admitted: one of them may take for ever. */
import { parentPort, workerData } from 'node:worker_threads'
import type { JsonObject } from '../core/json.js'
import { schemaProblem } from './json-schema.js'

const schemas = workerData as readonly JsonObject[]
const problems = schemas.map((schema) => schemaProblem(schema))
parentPort?.postMessage(problems)
