import pixedge from './pixedge.js'

const { url, srcset } = pixedge('http://127.0.0.1:8080')

export default function (config) {
  config.addShortcode('photo', (src, alt, sizes = '100vw') =>
    `<img src="${url(src, 'w_960')}" srcset="${srcset(src)}" sizes="${sizes}" alt="${alt}">`)
}
