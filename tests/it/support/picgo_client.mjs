// Uploads files by PicGo, each kind of host as its plugins speak to it.
// usage: node picgo_client.mjs <node_modules> <folder for its files> <steps as JSON>, a step being
// {bed: its name and settings, files, remove: whether to delete them again}; prints a line of JSON: for each step what it
// made of the answers, and what it told its user.
import { createRequire } from 'node:module'
import { writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'

const [modules, folder, steps] = process.argv.slice(2)
const require = createRequire(modules + '/')
const { PicGo } = require('picgo')

writeFileSync(`${folder}/config.json`, JSON.stringify({ picBed: {}, picgoPlugins: {}, silent: true }))
const picgo = new PicGo(`${folder}/config.json`)
picgo.use(require('picgo-plugin-lankong'), 'lankong')
picgo.use(require('picgo-plugin-web-uploader'), 'web-uploader')

let told = []
let heard
const tell = (text) => {
  told.push(text)
  heard?.()
}
picgo.on('notification', (notification) => tell(`${notification.title}: ${notification.body}`))
picgo.on('failed', (error) => tell(`failed: ${error.message}`))
// A plugin may stumble over what the program makes of an answer: lankong reads twice as JSON what deleting answers.
process.on('unhandledRejection', (error) => tell(`unhandled: ${error.message}`))

const results = []
for (const { bed: [name, settings], files, remove } of JSON.parse(steps)) {
  told = []
  heard = undefined
  picgo.setConfig({ picBed: { current: name, uploader: name, [name]: settings } })
  const done = await picgo.upload(files).catch((error) => error)
  const output = Array.isArray(done) ? done.map(({ imgUrl, id, fileName }) => ({ imgUrl, id, fileName })) : []
  if (remove) {
    const answered = new Promise((resolve) => (heard = resolve))
    picgo.emit('remove', output.map((item) => ({ ...item, type: name })), {})
    await Promise.race([answered, setTimeout(20000)])
  }
  results.push({ output, told })
}
console.log(JSON.stringify(results))
process.exit(0)
