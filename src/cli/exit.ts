/**
 * How the process ends. Node waits for its worker threads before it exits, and a thread inside a synchronous native
 * call does not come back before the call does: `process.exit` would hang for as long. WASI's `proc_exit` is C's own
 * `exit`, which waits for no thread; it is used then, and only then.
 */

/** As much of it as is used: its types come with those of a browser only. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => object
}

let mayJoinThreads = true

/** From now on the process ends without waiting for its threads: one of them cannot be stopped (P6). */
export function leaveThreadsBehind(): void {
  mayJoinThreads = false
}

/** Ends the process once what was printed is out. */
export async function exitProcess(code: number): Promise<void> {
  process.exitCode = code
  await Promise.all([process.stdout, process.stderr].map(flushed))
  if (mayJoinThreads) process.exit(code)
  await exitAtOnce(code)
}

/** Ends the process now, whatever its threads do and whether or not anybody reads what it printed. */
export async function exitAtOnce(code: number): Promise<never> {
  try {
    // Its experimental warning is nothing to the user of a command.
    process.removeAllListeners('warning')
    const { WASI } = await import('node:wasi')
    const wasi = new WASI({ version: 'preview1', returnOnExit: false })
    const { WebAssembly: api } = globalThis as unknown as { WebAssembly: WebAssemblyApi }
    wasi.start(
      new api.Instance(new api.Module(exitModule(code)), { wasi_snapshot_preview1: wasi.wasiImport }),
    )
  } catch {
    // A platform without WASI: the exit code is lost, but nobody waits for the thread.
  }
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => undefined)
}

/** Resolves as well when nobody reads any more. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableEnded) resolve()
    else stream.write('', () => resolve())
  })
}

/** `(func (export "_start") (call $proc_exit (i32.const code)))`, and the memory that WASI asks for. */
function exitModule(code: number): Uint8Array {
  const text = (words: string): number[] => [words.length, ...Buffer.from(words)]
  const section = (id: number, bytes: readonly number[]): number[] => [id, bytes.length, ...bytes]
  const body = [0, 0x41, ...signedLeb(code), 0x10, 0, 0x0b]
  const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
  const types = section(1, [2, 0x60, 1, 0x7f, 0, 0x60, 0, 0])
  const imports = section(2, [1, ...text('wasi_snapshot_preview1'), ...text('proc_exit'), 0, 0])
  const functions = section(3, [1, 1])
  const memory = section(5, [1, 0, 1])
  const exports = section(7, [2, ...text('memory'), 2, 0, ...text('_start'), 0, 1])
  const codes = section(10, [1, body.length, ...body])
  return Uint8Array.from([...header, ...types, ...imports, ...functions, ...memory, ...exports, ...codes])
}

/** An exit code in WebAssembly's signed LEB128; from 0 up. */
function signedLeb(value: number): number[] {
  const low = value & 0x7f
  const rest = value >> 7
  return rest === 0 && (low & 0x40) === 0 ? [low] : [low | 0x80, ...signedLeb(rest)]
}
