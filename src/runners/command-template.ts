/** From a template and a task to the arguments of a program. What is put in stays within its argument: no shell reads it. */

/** What a template may name. */
export const placeholders = [
  'goal',
  'context',
  'prompt',
  'prompt_file',
  'model',
  'max_iterations',
  'workdir',
  'session',
] as const

export type Placeholder = (typeof placeholders)[number]

/** An empty value is a missing one. */
export type TemplateValues = Readonly<Record<Placeholder, string>>

/**
 * The program and its arguments. A list within the list is left out as a whole when one of its placeholders is empty:
 * `['agent', ['--model', '{model}'], '{goal}']`. `{{word}}` stands for `{word}` itself.
 */
export type CommandTemplate = readonly (string | readonly string[])[]

const pattern = /\{\{(\w+)\}\}|\{(\w+)\}/g

/** Every name between single braces, known or not. */
export function namesIn(text: string): readonly string[] {
  return [...text.matchAll(pattern)].flatMap(([, , name]) => name ?? [])
}

/** True when some part of the templates names the placeholder. */
export function uses(templates: readonly (string | undefined)[], name: Placeholder): boolean {
  return templates.some((text) => text !== undefined && namesIn(text).includes(name))
}

/** One pass: braces in a value are text. The names were checked when the runner was made. */
export function fill(text: string, values: TemplateValues): string {
  return text.replace(pattern, (_whole, literal: string | undefined, name: string | undefined) =>
    literal === undefined ? values[name as Placeholder] : `{${literal}}`,
  )
}

/** The arguments, program first. */
export function fillAll(template: CommandTemplate, values: TemplateValues): readonly string[] {
  return template.flatMap((part) => {
    if (typeof part === 'string') return [fill(part, values)]
    const isMissing = part.some((text) => namesIn(text).some((name) => values[name as Placeholder] === ''))
    return isMissing ? [] : part.map((text) => fill(text, values))
  })
}
