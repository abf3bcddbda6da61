/** `quick` returns; anything else says who it is, and hears nothing any more. */
export default function runner({ goal }, ctx) {
  if (goal === 'quick') return { summary: 'ran' }
  ctx.progress({ pid: process.pid })
  for (;;);
}
