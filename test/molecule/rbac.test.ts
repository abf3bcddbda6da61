import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { permissionsOf, rbacFrom } from '../../src/molecule/rbac.js'

const folder = mkdtempSync(join(tmpdir(), 'hermes-rbac-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function written(text: string): string {
  const path = join(folder, 'config.yaml')
  writeFileSync(path, text)
  return path
}

const mayDelegate = (given: Parameters<typeof permissionsOf>[0]): boolean =>
  permissionsOf(given).allows('delegate')

describe('roles (M47-M49)', () => {
  it.each([
    ['admin', true, true],
    ['operator', true, true],
    ['read-only', false, false],
    ['no-delegation', false, true],
    ['no-approval', true, false],
    ['memory-readonly', false, false],
    ['__proto__', false, false],
    ['nobody', false, false],
  ])('%s: delegate %s, approve %s', (role, delegate, approve) => {
    const { allows } = permissionsOf({ roles: [role] })
    expect([allows('delegate'), allows('approve')]).toEqual([delegate, approve])
  })

  it('the default is operator, an empty list grants nothing, and the first grant of many counts', () => {
    expect(mayDelegate({})).toBe(true)
    expect(mayDelegate({ roles: [] })).toBe(false)
    expect(mayDelegate({ roles: ['nobody', 'read-only', 'operator'] })).toBe(true)
  })

  it('a role with actions of its own has those alone; admin has all', () => {
    const allowedActions = { operator: ['approve'], admin: [], own: ['delegate'] }
    expect(mayDelegate({ roles: ['operator'], allowedActions })).toBe(false)
    expect(mayDelegate({ roles: ['own'], allowedActions })).toBe(true)
    expect(mayDelegate({ roles: ['admin'], allowedActions })).toBe(true)
  })
})

describe('from a file', () => {
  it('reads roles and custom permissions, and has the default without them', () => {
    const text = 'name: x\nrbac:\n  roles: [researcher]\n  allowed_actions: { researcher: [delegate] }\n'
    expect(permissionsOf(rbacFrom(written(text)))).toMatchObject({ roles: ['researcher'] })
    expect(mayDelegate(rbacFrom(written(text)))).toBe(true)
    expect(mayDelegate(rbacFrom(written('rbac: { roles: [read-only] }')))).toBe(false)
    expect(mayDelegate(rbacFrom(written('name: x\n')))).toBe(true)
  })

  it.each([
    'rbac: [',
    '',
    'rbac: operator',
    'rbac: { roles: admin }',
    'rbac: { role: [admin] }',
    'rbac:',
    'rbac: null',
    'rbac: {}',
    'rbac: []',
    'rbac: [operator]',
    'rbac: { roles: }',
    'rbac: { roles: ~ }',
    'rbac: { roles: null, allowed_actions: { own: [delegate] } }',
    'rbac: { roles: [] }',
    'rbac: { roles: [operator], allowed_actions: null }',
    'rbac: { roles: [operator], allowed_actions: [] }',
    '- rbac',
    'rbac: { allowed_actions: { a: delegate } }',
  ])('B23: %j grants nothing', (text) => {
    expect(mayDelegate(rbacFrom(written(text)))).toBe(false)
  })

  it('B23: a file that is not there grants nothing', () => {
    const { roles, allows } = permissionsOf(rbacFrom(join(folder, 'none.yaml')))
    expect([roles, allows('memory.read'), allows('delegate')]).toEqual([[], false, false])
  })
})
