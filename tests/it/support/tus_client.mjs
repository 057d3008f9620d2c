// Uploads files by tus-js-client through proxies that cut every connection after some bytes or some milliseconds.
// usage: node tus_client.mjs <module> <server's port> <toxiproxy> <token> <seed> <file…>; prints a line of JSON a file.
import { createRequire } from 'node:module'
import { readFile } from 'node:fs/promises'

const [module, upstream, toxiproxy, token, seed, ...files] = process.argv.slice(2)
const tus = createRequire(module + '/')('tus-js-client')

let state = Number(seed)
const random = (from, to) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return from + Math.floor((state / 2 ** 32) * (to - from))
}
const admin = async (method, path, body) => {
  const answer = await fetch(toxiproxy + path, { method, body: body && JSON.stringify(body) })
  if (!answer.ok && answer.status !== 404) throw new Error(`${path}: ${await answer.text()}`)
  return answer.status === 404 || answer.status === 204 ? null : answer.json()
}

// Every connection until the next call is cut after so much, in one of two ways: closed, or reset.
const cutAt = async (proxy, size) => {
  await admin('DELETE', `/proxies/${proxy}/toxics/cut`)
  const toxic = random(0, 4)
    ? { type: 'limit_data', attributes: { bytes: random(2000, Math.max(4000, size)) } }
    : { type: 'reset_peer', attributes: { timeout: random(1, 60) } }
  await admin('POST', `/proxies/${proxy}/toxics`, { name: 'cut', stream: 'upstream', toxicity: 1, ...toxic })
}

const upload = async (proxy, endpoint, file) => {
  const bytes = await readFile(file)
  const begun = Date.now()
  let cuts = 0
  const wanted = random(1, 4)
  await cutAt(proxy, bytes.length)
  const done = await new Promise((resolve, reject) => {
    const upload = new tus.Upload(bytes, {
      endpoint,
      chunkSize: random(0, 3) ? Infinity : Math.ceil(bytes.length / 3),
      retryDelays: Array(60).fill(1),
      headers: { authorization: `Bearer ${token}` },
      metadata: { filename: file.split('/').pop(), filetype: 'image/png' },
      onShouldRetry: () => {
        cuts += 1
        const next = cuts < wanted
          ? cutAt(proxy, bytes.length)
          : admin('DELETE', `/proxies/${proxy}/toxics/cut`)
        next.catch(reject)
        return true
      },
      onError: reject,
      onSuccess: ({ lastResponse }) =>
        resolve({ url: upload.url, image: lastResponse.getHeader('Pixedge-Image') ?? null }),
    })
    upload.start()
  })
  await admin('DELETE', `/proxies/${proxy}/toxics/cut`)
  console.log(JSON.stringify({ file, cuts, ms: Date.now() - begun, ...done }))
}

const workers = [0, 1, 2, 3].map(async (worker) => {
  const proxy = `p${worker}`
  const made = await admin('POST', '/proxies', {
    name: proxy, listen: '127.0.0.1:0', upstream: `127.0.0.1:${upstream}`, enabled: true,
  })
  const endpoint = `http://${made.listen}/v1/uploads`
  while (files.length > 0) await upload(proxy, endpoint, files.pop())
})
await Promise.all(workers)
