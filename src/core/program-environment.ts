/** What a program sees of the host's environment: enough to run and to find its own files, and no secret. */
export interface CommandEnvironment {
  /** Names of variables of the host that are handed on as well. One that is not set there is left out. */
  readonly pass?: readonly string[]
  /** Variables with their values. They come last. */
  readonly set?: Readonly<Record<string, string>>
}

const always = [
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TERM', 'TMPDIR', 'TZ', 'LANG', 'LC_ALL', 'LC_CTYPE'],
  ...['XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_STATE_HOME', 'XDG_CACHE_HOME', 'XDG_RUNTIME_DIR'],
  // Windows starts next to nothing without these.
  ...['SystemRoot', 'ComSpec', 'PATHEXT', 'USERPROFILE', 'APPDATA', 'LOCALAPPDATA', 'TEMP', 'TMP'],
] as const

type Variables = Readonly<Record<string, string | undefined>>

/** The environment of a program, from that of the host: what is listed here, what `pass` names, and `set`. Pure. */
export function programEnvironment(
  { pass = [], set = {} }: CommandEnvironment,
  host: Variables,
): Record<string, string> {
  const handedOn = [...always, ...pass].flatMap((name) => {
    const value = host[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return { ...Object.fromEntries(handedOn), ...set }
}
