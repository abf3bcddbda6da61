/** One end, told to whoever asks, before it comes or after. A promise is made for those alone: most ask for none. */
export class Ending<End> {
  #end: End | Error | null = null
  #waiting: (() => void)[] = []

  /** Rejects with an end that is an error. */
  get promise(): Promise<End> {
    return new Promise((resolve, reject) => {
      const tell = (): void => {
        if (this.#end instanceof Error) reject(this.#end)
        else if (this.#end !== null) resolve(this.#end)
      }
      if (this.#end === null) this.#waiting.push(tell)
      else tell()
    })
  }

  set(end: End | Error): void {
    this.#end = end
    for (const tell of this.#waiting) tell()
    this.#waiting = []
  }
}
