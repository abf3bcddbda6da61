import {
  existsSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { idOf, manualClock, open, polite, quick, temporaryFolder } from './support.js'

const day = 24 * 3600
const idNumber = (n: number): string => `deleg_${String(n).padStart(20, '0')}`

describe('what children leave to be read', () => {
  const clock = manualClock()

  function put(path: string, ageDays: number): void {
    writeFileSync(path, 'kept')
    const at = clock.now() - ageDays * day
    utimesSync(path, at, at)
  }

  function putFolder(path: string, ageDays: number, ...files: readonly number[]): void {
    mkdirSync(path)
    for (const [index, age] of files.entries()) put(join(path, `task-${index}.log`), age)
    const at = clock.now() - ageDays * day
    utimesSync(path, at, at)
  }

  async function afterAWhile(folders: { spill: string; transcripts: string }) {
    const { spill: spillFolder, transcripts: folder } = folders
    const delegator = await open({ clock, spillFolder, transcripts: { folder }, maxUnits: 9 })
    await delegator.dispatch({ goal: 'a', runner: quick })
    return delegator
  }

  it('P10: is kept for a week, and what is not ours for ever', async () => {
    const spill = temporaryFolder()
    const elsewhere = join(temporaryFolder(), 'precious')
    put(elsewhere, 30)
    put(join(spill, `${idNumber(1)}-0.txt`), 8)
    put(join(spill, `${idNumber(2)}-12.txt`), 6)
    put(join(spill, 'notes.txt'), 30)
    const link = join(spill, `${idNumber(3)}-0.txt`)
    symlinkSync(elsewhere, link)
    lutimesSync(link, 0, 0)
    const transcripts = temporaryFolder()
    putFolder(join(transcripts, idNumber(4)), 8, 8, 7.5)
    putFolder(join(transcripts, idNumber(5)), 8, 8, 1)
    putFolder(join(transcripts, 'mine'), 30, 30)
    await afterAWhile({ spill, transcripts })
    expect(readdirSync(spill)).toHaveLength(4)
    clock.advance(1_000)
    await expect.poll(() => existsSync(join(transcripts, idNumber(4)))).toBe(false)
    expect(readdirSync(spill).sort()).toEqual([`${idNumber(2)}-12.txt`, 'notes.txt'])
    expect(readdirSync(transcripts)).toEqual(expect.arrayContaining([idNumber(5), 'mine']))
    expect(existsSync(elsewhere)).toBe(true)
  })

  it('P10: of a unit that lives it stays, however old', async () => {
    const transcripts = temporaryFolder()
    const spill = temporaryFolder()
    const delegator = await afterAWhile({ spill, transcripts })
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: polite }))
    put(join(spill, `${id}-0.txt`), 8)
    // Looked at last.
    putFolder(join(transcripts, idNumber(9)), 8, 8)
    clock.advance(1_000)
    await expect.poll(() => existsSync(join(transcripts, idNumber(9)))).toBe(false)
    expect(readdirSync(spill)).toEqual([`${id}-0.txt`])
  })
})
