// The other side of run.py: sharp on one file, as often as standard input asks; answers the CPU milliseconds.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import sharp from 'sharp'

const [file, width, format, quality] = process.argv.slice(2)
sharp.concurrency(1)
sharp.cache(false)
const input = readFileSync(file)
const options = format === 'webp' ? { quality: +quality, effort: 4 } : { quality: +quality }
for await (const line of createInterface({ input: process.stdin })) {
  const before = process.cpuUsage()
  let bytes = 0
  for (let i = 0; i < Number(line); i++) {
    const made = await sharp(input).rotate().resize({ width: +width, withoutEnlargement: true }).toFormat(format, options).toBuffer()
    bytes = made.length
  }
  const spent = process.cpuUsage(before)
  console.log(`${((spent.user + spent.system) / 1000).toFixed(3)} ${bytes}`)
}
