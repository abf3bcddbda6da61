import { transientMemoryStore } from '../../src/index.js'
import { memoryStoreContract } from '../contract/memory-store.js'

memoryStoreContract('in memory', (options) => Promise.resolve(transientMemoryStore(options)))
