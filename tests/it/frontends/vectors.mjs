// Builds every URL of the shared vectors with the module for browsers and compares it byte for byte.
// usage: node vectors.mjs <pixedge.js> <url-vectors.jsonl>; prints how many there were
import { deepStrictEqual } from 'node:assert'
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [script, vectors] = process.argv.slice(2)
// As a module, whatever stands around it.
const work = await mkdtemp(join(tmpdir(), 'vectors-'))
await copyFile(script, join(work, 'pixedge.mjs'))
const { default: pixedge } = await import(pathToFileURL(join(work, 'pixedge.mjs')).href)
await rm(work, { recursive: true })

const build = ({ call, base, source, src, spec, sizes, formats, operations }) => {
  const made = pixedge(base, source ?? undefined)
  switch (call) {
    case 'url': return made.url(src, spec)
    case 'srcset': return made.srcset(src, spec, sizes)
    case 'picture': return made.picture(src, spec, sizes, formats)
    case 'next': return made.nextLoader({ src, ...operations })
    case 'unpic': return made.unpicTransformer(src, operations)
  }
}

const lines = (await readFile(vectors, 'utf8')).trimEnd().split('\n')
for (const line of lines) {
  const { out, ...vector } = JSON.parse(line)
  let built
  try {
    built = build(vector)
  } catch (error) {
    if (!(error instanceof TypeError && error.message.startsWith('pixedge: wrong '))) throw error
    built = null
  }
  deepStrictEqual(built, out, line)
}
console.log(lines.length)
