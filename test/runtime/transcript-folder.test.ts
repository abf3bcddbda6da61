import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fixture, idOf, open, quick, temporaryFolder } from './support.js'

const text = (path: string): string => readFileSync(path, 'utf8')

describe('the folder of transcripts', () => {
  it('has a manifest and a file for each child as soon as a unit is dispatched, for this user alone', async () => {
    const folder = temporaryFolder()
    const delegator = await open({ transcripts: { folder }, maxConcurrentChildren: 1 })
    const sessionKey = 'agent:main:cli:dm:local'
    const goals = ['one', 'two']
    const id = idOf(await delegator.dispatchBatch({ goals, sessionKey, runner: quick }))
    const own = join(folder, id)
    await expect.poll(() => statSync(join(own, 'task-1.log')).mode & 0o777).toBe(0o600)
    const manifest: unknown = JSON.parse(text(join(own, 'manifest.json')))
    expect(manifest).toEqual({
      delegation_id: id,
      session_key: sessionKey,
      dispatched_at: expect.any(Number) as number,
      goals,
      transcripts: ['task-0.log', 'task-1.log'],
    })
    expect(statSync(own).mode & 0o777).toBe(0o700)
    expect(statSync(join(own, 'manifest.json')).mode & 0o777).toBe(0o600)
    await delegator.wait(id)
  })

  it('that cannot be made costs the transcripts, and not the unit', async () => {
    const file = join(temporaryFolder(), 'in-the-way')
    writeFileSync(file, '')
    const delegator = await open({ transcripts: { folder: file } })
    const id = idOf(await delegator.dispatch({ goal: 'x', runner: fixture('echo') }))
    expect((await delegator.wait(id)).status).toBe('completed')
  })
})
