// sharp's side of the comparisons of quality: makes references, encodes, and decodes everybody's results.
// A command a line: `prepare FILE WIDTH OUT.png`, `encode PNG FORMAT QUALITY EFFORT TIMES OUT` (answers CPU milliseconds
// and bytes), `decode FILE OUT.png`.
import { readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import sharp from 'sharp'

sharp.concurrency(1)
sharp.cache(false)
const png = { compressionLevel: 1 }
for await (const line of createInterface({ input: process.stdin })) {
  const [command, file, ...rest] = line.split(' ')
  if (command === 'prepare') {
    const [width, out] = rest
    const made = sharp(file).rotate().flatten({ background: '#fff' }).toColourspace('srgb')
    const info = await made.resize({ width: +width, withoutEnlargement: true }).removeAlpha().png(png).toFile(out)
    console.log(`${info.width} ${info.height}`)
  } else if (command === 'encode') {
    const [format, quality, effort, times, out] = rest
    const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true })
    const raw = { width: info.width, height: info.height, channels: info.channels }
    const options = format === 'jpeg' ? { quality: +quality } : { quality: +quality, effort: +effort }
    if (format === 'avif') options.chromaSubsampling = '4:2:0'
    const before = process.cpuUsage()
    let made
    for (let i = 0; i < +times; i++) made = await sharp(data, { raw }).toFormat(format, options).toBuffer()
    const spent = process.cpuUsage(before)
    writeFileSync(out, made)
    console.log(`${((spent.user + spent.system) / 1000 / times).toFixed(3)} ${made.length}`)
  } else {
    await sharp(readFileSync(file)).toColourspace('srgb').removeAlpha().png(png).toFile(rest[0])
    console.log('ok')
  }
}
