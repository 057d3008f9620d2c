// URLs as unpic and @nuxt/image make them for IPX, with the picture that each has to be.
// usage: node urls.mjs <folder that has node_modules> <server> <server that takes URLs> <URL of a picture>
// prints JSON: [{ by, of, url, width?, height?, format?, accept? }]
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [tools, server, fetching, elsewhere] = process.argv.slice(2)
const load = path => import(pathToFileURL(join(tools, 'node_modules', path)).href)
const unpic = await load('unpic/esm/mod.js')
const ipx = await load('unpic/esm/src/providers/ipx.js')
const { createImage } = await load('@nuxt/image/dist/runtime/image.js')
const provider = (await load('@nuxt/image/dist/runtime/providers/ipx.js')).default

const all = []
const add = (by, of, url, [width, height, format, accept]) =>
  all.push({ by, of: JSON.stringify(of), url, width, height, format, accept })
const baseURL = `${server}/_ipx`
const [avif, webp, old] = ['image/avif,image/webp,*/*', 'image/webp,*/*', '*/*']
const photo = '/photo.jpg' // 640×427
const strange = ['/sub/photo.jpg', '/a folder/größe & mehr, 100% #1?.jpg', '/w_100/photo.jpg', "/it's (1)+[2]=3;@!$*~.jpg"]

// unpic: its provider for IPX, alone and by the function that knows all providers.
for (const [src, operations, expected] of [
  [photo, {}, [640, 427, 'jpg', old]],
  [photo, { width: 300 }, [300, 200, 'avif', avif]],
  [photo, { width: 300 }, [300, 200, 'webp', webp]],
  [photo, { width: '300' }, [300, 200]],
  [photo, { width: 300.4 }, [300, 200]],
  [photo, { height: 200 }, [300, 200]],
  [photo, { width: 200, height: 200 }, [200, 200]],
  [photo, { width: 2000 }, [640, 427]],
  [photo, { width: 1000, height: 1000 }, [427, 427]],
  [photo, { quality: 40 }, [640, 427]],
  [photo, { width: 300, height: 300, quality: 75, format: 'webp' }, [300, 300, 'webp']],
  ...['jpeg', 'jpg', 'png', 'webp', 'avif'].map(format => [photo, { width: 64, format }, [64, 43, format.replace('jpeg', 'jpg')]]),
  [photo, { w: 100, q: 50, f: 'png' }, [100, 67, 'png']],
  [photo, { s: '120x80', fit: 'contain' }, [120, 80]],
  // What unpic is given is a URL already.
  ...strange.map(src => [src.split('/').map(encodeURIComponent).join('/'), { width: 100, height: 50, format: 'png' }, [100, 50, 'png']]),
  ['demo', { width: 400, format: 'jpg' }, [400, 300, 'jpg']],
  ['/demo', { width: 400, height: 400 }, [400, 400]],
]) {
  add('unpic ipx.generate', { src, operations }, ipx.generate(src, { ...operations }, { baseURL }), expected)
  add('unpic ipx.generate', { src, operations }, ipx.generate(src, { ...operations }, { baseURL: `${baseURL}/` }), expected)
  add('unpic ipx.transform', { src, operations }, ipx.transform(src, { ...operations }, { baseURL }), expected)
  const { width, height, quality, format, ...rest } = operations
  const url = unpic.transformUrl({ url: src, provider: 'ipx', width, height, quality, format }, { ipx: rest }, { ipx: { baseURL } })
  if (!Object.keys(rest).length) add('unpic transformUrl', { src, operations }, url, expected)
}
// A URL that is one of ours is read and made again.
const before = ipx.generate(photo, { width: 300, format: 'png' }, { baseURL })
for (const [operations, expected] of [[{ width: 100 }, [100, 67, 'png']], [{ format: 'webp' }, [300, 200, 'webp']], [{}, [300, 200, 'png']]]) {
  add('unpic ipx.transform again', operations, ipx.transform(before, operations, { baseURL }), expected)
}
// Found by its path, without a provider; what is not said anew is forgotten then.
for (const [operations, expected] of [[{ width: 100 }, [100, 67]], [{ format: 'webp' }, [640, 427, 'webp']]]) {
  add('unpic transformUrl', operations, unpic.transformUrl({ url: before, ...operations }), expected)
}
add('unpic ipx.generate elsewhere', elsewhere, ipx.generate(elsewhere, { width: 320 }, { baseURL: `${fetching}/_ipx` }), [320, 214])

// @nuxt/image: $img as components call it, with the provider as `nuxt.config` sets it up.
const nuxt = (base, domains = []) => createImage({
  provider: 'ipx', presets: { card: { modifiers: { width: 128, height: 96, format: 'webp' } } }, alias: {}, domains, densities: [1, 2],
  screens: { xs: 320, sm: 640, md: 768, lg: 1024, xl: 1280, xxl: 1536, '2xl': 1536 },
  providers: { ipx: { setup: provider, defaults: { baseURL: `${base}/_ipx` } } }, nuxt: { baseURL: '/' },
})
const $img = nuxt(server)
const both = { width: 200, height: 200 }
for (const [src, modifiers, expected] of [
  [photo, {}, [640, 427, 'jpg', old]],
  [photo, { width: 300 }, [300, 200, 'avif', avif]],
  [photo, { width: '300px' }, [300, 200]],
  [photo, { height: 200 }, [300, 200]],
  [photo, { width: 800 }, [640, 427]],
  [photo, { width: 800, enlarge: true }, [800, 534]],
  [photo, both, [200, 200]],
  ...['cover', 'contain', 'fill'].map(fit => [photo, { ...both, fit }, [200, 200]]),
  [photo, { ...both, fit: 'inside' }, [200, 133]],
  [photo, { ...both, fit: 'outside' }, [300, 200]],
  ...['jpeg', 'jpg', 'png', 'webp', 'avif', 'gif', 'tiff'].map(format =>
    [photo, { width: 64, format }, [64, 43, format.replace('jpeg', 'jpg')]]),
  ...['1', 75, '100'].map(quality => [photo, { width: 64, quality, format: 'webp' }, [64, 43, 'webp']]),
  ...['#ff0000', 'ff0000', '#f00', 'red', 'transparent', '#ff000080'].map(background =>
    [photo, { ...both, fit: 'contain', background, format: 'png' }, [200, 200, 'png']]),
  ...['top', 'right top', 'right', 'right bottom', 'bottom', 'left bottom', 'left', 'left top', 'center', 'centre',
    'north', 'southeast', 'entropy', 'attention'].map(position => [photo, { width: 100, height: 100, position }, [100, 100]]),
  [photo, { rotate: 90 }, [427, 640]],
  [photo, { rotate: 180, width: 100 }, [100, 67]],
  [photo, { extract: '10_20_100_80' }, [100, 80]],
  [photo, { crop: '10_20_100_80' }, [100, 80]],
  [photo, { extend: '10_20_10_20', background: '#336699' }, [680, 447]],
  [photo, { trim: 10 }, []],
  [photo, { width: 100, kernel: 'nearest' }, [100, 67]],
  [photo, { width: 10, height: 10, quality: 50, blur: 3 }, [10, 10]],
  ...Object.entries({ flip: true, flop: true, grayscale: true, negate: true, blur: 5, sharpen: 2, median: 3, gamma: 2, tint: '#00DC82' })
    .map(([name, value]) => [photo, { width: 64, [name]: value }, [64, 43]]),
  ['/animated.gif', { animated: true, format: 'webp', width: 16 }, [16, undefined, 'webp']],
  ['/drawing.svg', { width: 60, format: 'png' }, [60, 40, 'png']],
  ...strange.map(src => [src, { width: 100, height: 50, format: 'png' }, [100, 50, 'png']]),
  ['demo', { width: 400, height: 400, format: 'jpeg' }, [400, 400, 'jpg']],
]) {
  add('@nuxt/image', { src, modifiers }, $img(src, { ...modifiers }), expected)
}
add('@nuxt/image preset', {}, $img.card(photo), [128, 96, 'webp'])

// Everything in a srcset, of a source whose policy is the default one.
const host = new URL(elsewhere).host
const far = nuxt(fetching, [host])
for (const options of [
  { sizes: 'xs:100vw sm:50vw md:400px' }, { sizes: '100vw md:50vw' }, { densities: 'x1 x2 x3', modifiers: { width: 100 } },
  { sizes: 'sm:100vw lg:640px', modifiers: { width: 640, height: 480, fit: 'cover', quality: 80, format: 'webp' } },
]) {
  const { src, srcset } = far.getSizes(elsewhere, { modifiers: {}, ...options })
  for (const url of [src, ...srcset.split(', ').map(candidate => candidate.split(' ')[0])]) {
    add('@nuxt/image getSizes', options, url, [undefined, undefined, options.modifiers?.format])
  }
}
const { transformBaseImageProps } = await load('@unpic/core/dist/base.mjs')
for (const layout of ['constrained', 'fixed', 'fullWidth']) {
  const transformer = (src, operations) => ipx.generate(src, { ...operations }, { baseURL: `${fetching}/_ipx` })
  const size = layout === 'fullWidth' ? { height: 400 } : { width: 600, height: 400 }
  const { src, srcset } = transformBaseImageProps({ src: elsewhere, layout, ...size, transformer })
  for (const url of [src, ...srcset.split(/,\s+/).map(candidate => candidate.split(' ')[0])]) {
    add('@unpic/core', { layout }, url, [])
  }
}
console.log(JSON.stringify(all))
