import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { open as openFile, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.js'
import { sqliteLedger } from '../../src/ledger/sqlite-ledger.js'
import { draftOf, endOf, eventOf, ownerOf } from '../contract/ledger.js'
import { createManualClock } from '../support/manual-clock.js'

describe("durability 'power'", () => {
  let folder = ''
  let files: FileHandle
  let opened: Ledger[] = []

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hermes-power-'))
    const probe = await openFile(join(folder, 'probe'), 'w')
    files = Object.getPrototypeOf(probe) as FileHandle
    await probe.close()
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await Promise.all(opened.map((ledger) => ledger.close()))
    opened = []
    rmSync(folder, { recursive: true, force: true })
  })

  async function open(durability: 'process' | 'power'): Promise<Ledger> {
    const ledger = await sqliteLedger(join(folder, 'state.db'), { durability })({
      clock: createManualClock(),
      random: () => 0.5,
    })
    opened.push(ledger)
    await ledger.join(ownerOf('a'))
    return ledger
  }
  const failOnce = (): unknown =>
    vi
      .spyOn(files, 'datasync')
      .mockRejectedValueOnce(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }))
  const ioError = expect.objectContaining({ name: 'DelegationError', code: 'LEDGER_IO' }) as unknown

  it('P3: syncs the folder, once, when it is opened, so that the names are as safe as what they name', async () => {
    const sync = vi.spyOn(files, 'sync')
    await open('process')
    expect(sync).not.toHaveBeenCalled()
    const ledger = await open('power')
    await ledger.publish('a', eventOf(draftOf('u1')))
    expect(sync).toHaveBeenCalledTimes(1)
  })

  it('that cannot be had from the start is LEDGER_IO', async () => {
    vi.spyOn(files, 'sync').mockRejectedValueOnce(new Error('EIO: i/o error, fsync'))
    await expect(open('power')).rejects.toEqual(ioError)
  })

  it('P3: a sync that fails is LEDGER_IO to who published, who cannot rely on it', async () => {
    const ledger = await open('power')
    failOnce()
    await expect(ledger.publish('a', eventOf(draftOf('u1')))).rejects.toEqual(ioError)
    await ledger.publish('a', eventOf(draftOf('u2')))
  })

  it('P3: a sync that fails keeps the end aside, tells the fault, and loses nothing', async () => {
    const ledger = await open('power')
    const draft = draftOf('u1')
    const admission = await ledger.admit('a', draft, [])
    if (admission.status !== 'admitted') throw new Error(admission.status)
    failOnce()
    expect(await ledger.settle(admission.hold, endOf(draft))).toMatchObject({ won: true, fault: ioError })
    const sideFiles = (): string[] => readdirSync(folder).filter((name) => name.includes('.unsettled.'))
    expect(sideFiles()).toHaveLength(1)
    await expect.poll(sideFiles, { timeout: 10_000 }).toEqual([])
    const { claims } = await ledger.claim('a', { all: true }, 9, 60)
    expect(claims.map(({ eventId }) => eventId)).toEqual(['u1'])
    expect((await ledger.get('u1'))?.late).toEqual([])
  })
})
