// A server with TLS in front of one without, for clients that speak nothing else.
// usage: node tls_front.mjs <folder with key.pem and cert.pem> <server's port> <its own port>
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { request } from 'node:http'

const [folder, port, own] = process.argv.slice(2)
const options = { key: readFileSync(`${folder}/key.pem`), cert: readFileSync(`${folder}/cert.pem`) }
const server = createServer(options, (asked, answer) => {
  const { method, url, headers } = asked
  const inner = request({ host: '127.0.0.1', port, method, path: url, headers }, (got) => {
    answer.writeHead(got.statusCode, got.headers)
    got.pipe(answer)
  })
  inner.on('error', () => answer.destroy())
  asked.pipe(inner)
})
server.listen(Number(own), '127.0.0.1')
