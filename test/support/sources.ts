import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Files below `folder` (from the project's root) that end in `ending`, as paths from the root. */
export function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name))
    .sort()
}

export const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** What a source file imports: `static` and `dynamic` apart, types left out. Relative ones as paths from the root. */
export function importsOf(path: string): { specifier: string; isDynamic: boolean; isType: boolean }[] {
  const text = read(path)
  const found = []
  for (const [, type, specifier] of text.matchAll(
    /^(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm,
  )) {
    found.push({ specifier: at(path, specifier ?? ''), isDynamic: false, isType: type !== undefined })
  }
  for (const [, specifier] of text.matchAll(/\bimport\('([^']+)'\)/g)) {
    found.push({ specifier: at(path, specifier ?? ''), isDynamic: true, isType: /:\s*import\(/.test(text) })
  }
  return found
}

/** Its functions and methods; one without a name goes by that of what it is assigned to. */
export function functionsOf(path: string): { name: string; lines: number }[] {
  const source = ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true)
  const lineOf = (position: number): number => source.getLineAndCharacterOfPosition(position).line
  const found: { name: string; lines: number }[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node)) {
      const owner = node.name ?? (ts.isVariableDeclaration(node.parent) ? node.parent.name : null)
      const lines = lineOf(node.end) - lineOf(node.getStart()) + 1
      found.push({ name: owner?.getText() ?? 'a nameless function', lines })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function at(from: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier
  return relative(root, resolve(join(root, dirname(from)), specifier)).replace(/\.js$/, '.ts')
}
