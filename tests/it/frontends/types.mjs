// Checks types.ts against the declarations as a server sends them.
// usage: node types.mjs <folder that has node_modules> <types.ts> <pixedge.d.ts>; prints what is wrong
import { createRequire } from 'node:module'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const [tools, usage, declarations] = process.argv.slice(2)
const ts = createRequire(join(tools, 'any.js'))('typescript')
const work = await mkdtemp(join(tmpdir(), 'types-'))
await copyFile(usage, join(work, 'types.ts'))
await copyFile(declarations, join(work, 'pixedge.d.ts'))
const program = ts.createProgram([join(work, 'types.ts')], {
  strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler, types: [],
})
const wrong = ts.getPreEmitDiagnostics(program)
console.log(ts.formatDiagnostics(wrong, { getCanonicalFileName: name => name, getCurrentDirectory: () => work, getNewLine: () => '\n' }))
await rm(work, { recursive: true })
