// Uploads files by PicGo, each kind of host as its plugins speak to it.
// usage: node picgo_client.mjs <node_modules> <folder for its files> <configuration as JSON> <keep|remove> <file…>;
// prints one line of JSON: what it made of the answers, and what it told its user.
import { createRequire } from 'node:module'
import { writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'

const [modules, folder, config, then, ...files] = process.argv.slice(2)
const require = createRequire(modules + '/')
const { PicGo } = require('picgo')

writeFileSync(`${folder}/config.json`, JSON.stringify({ ...JSON.parse(config), silent: true }))
const picgo = new PicGo(`${folder}/config.json`)
picgo.use(require('picgo-plugin-lankong'), 'lankong')
picgo.use(require('picgo-plugin-web-uploader'), 'web-uploader')

const told = []
let heard
picgo.on('notification', (notification) => {
  told.push(`${notification.title}: ${notification.body}`)
  heard?.()
})
// A plugin may stumble over what the program makes of an answer: lankong reads twice as JSON what deleting answers.
process.on('unhandledRejection', (error) => {
  told.push(`unhandled: ${error.message}`)
  heard?.()
})
picgo.on('failed', (error) => told.push(`failed: ${error.message}`))

let done
try {
  done = await picgo.upload(files)
} catch (error) {
  done = error
}
const output = Array.isArray(done) ? done.map(({ imgUrl, id, fileName }) => ({ imgUrl, id, fileName })) : []
if (then === 'remove') {
  const answered = new Promise((resolve) => (heard = resolve))
  picgo.emit('remove', done.map((item) => ({ ...item, type: 'lankong' })), {})
  await Promise.race([answered, setTimeout(20000)])
}
console.log(JSON.stringify({ output, told }))
process.exit(0)
