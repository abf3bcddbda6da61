#!/usr/bin/env node
import { exitProcess } from '../dist/cli/exit.js'
import { main } from '../dist/cli/main.js'

await exitProcess(await main(process.argv.slice(2)))
