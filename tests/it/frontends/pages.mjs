// Makes the pages of `examples/` out of the components there, each with its own framework.
// usage: node pages.mjs <folder that has node_modules> <examples> <pixedge.js> <output>; writes <output>/<framework>.html
import { cp, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [tools, examples, script, output] = process.argv.slice(2)
process.env.NODE_ENV = 'production'
const require = createRequire(join(tools, 'any.js'))
const [src, alt] = ['demo', 'A harbour']

// Modules find their packages from where they are.
const work = await mkdtemp(join(tmpdir(), 'frontends-'))
await symlink(join(tools, 'node_modules'), join(work, 'node_modules'))
await writeFile(join(work, 'package.json'), '{"type":"module"}')
await cp(script, join(work, 'pixedge.js'))

const source = name => readFile(join(examples, name), 'utf8')
/** Runs a module that was made, and gives what it exports. */
const run = async (name, code) => {
  await writeFile(join(work, name), code)
  return import(pathToFileURL(join(work, name)).href)
}
const named = (name, from) => run(`${name}.js`, `export { ${name} } from '${from}'`)

const jsx = async name => {
  const ts = require('typescript')
  const { outputText } = ts.transpileModule(await source(name), {
    compilerOptions: { jsx: ts.JsxEmit.ReactJSX, module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  })
  return outputText
}
const react = component => {
  const { createElement } = require('react')
  return require('react-dom/server').renderToStaticMarkup(createElement(component, { src, alt }))
}

/** A single-file component as a module that renders on a server. */
const vue = async (text, id) => {
  const { compileScript, parse } = require('vue/compiler-sfc')
  const { descriptor } = parse(text, { filename: `${id}.vue` })
  return compileScript(descriptor, { id, inlineTemplate: true, templateOptions: { ssr: true } }).content
}
const rendered = (component, setup = () => {}) => {
  const app = require('vue').createSSRApp(component, { src, alt })
  setup(app)
  return require('vue/server-renderer').renderToString(app)
}

/** @nuxt/image with what Nuxt would put in place of its virtual modules: the options of the example's nuxt.config. */
const nuxtImage = async () => {
  const config = await source('nuxt/nuxt.config.ts')
  const { image } = (await run('nuxt.config.mjs', `const defineNuxtConfig = config => config\n${config}`)).default
  const runtime = join(work, 'runtime')
  await cp(join(tools, 'node_modules/@nuxt/image/dist/runtime'), runtime, { recursive: true })
  await writeFile(join(work, 'imports.js'), `
    const app = {}
    export const useNuxtApp = () => app
    export const useRuntimeConfig = () => ({ app: { baseURL: '/' } })
    export const useHead = () => {}
    export const useRequestEvent = () => undefined
    export { useImage } from './runtime/composables.js'`)
  // What the module itself writes: its defaults, and the configured provider.
  await writeFile(join(work, 'options.js'), `
    import ipx from './runtime/providers/ipx.js'
    export const imageOptions = ${JSON.stringify({
      provider: image.provider, presets: {}, domains: [], alias: {}, densities: [1, 2], format: ['webp'],
      screens: { xs: 320, sm: 640, md: 768, lg: 1024, xl: 1280, xxl: 1536, '2xl': 1536 },
    })}
    imageOptions.providers = { ipx: { setup: ipx, defaults: ${JSON.stringify(image.ipx)} } }`)
  const up = file => '../'.repeat(file.split('/').length)
  for (const file of await readdir(runtime, { recursive: true })) {
    if (!/^(components\/NuxtImg\.vue|(utils\/)?\w+\.js|providers\/ipx\.js)$/.test(file)) continue
    let text = await readFile(join(runtime, file), 'utf8')
    if (file.endsWith('.vue')) text = await vue(text, 'NuxtImg')
    text = text
      .replaceAll('"#imports"', `"${up(file)}imports.js"`)
      .replaceAll('"#build/image-options.mjs"', `"${up(file)}options.js"`)
      .replace(/from "(\.\.?\/[\w/]+)"/g, 'from "$1.js"')
    await writeFile(join(runtime, file.replace('.vue', '.js')), text)
  }
  return (await import(pathToFileURL(join(runtime, 'components/NuxtImg.js')).href)).default
}

const frameworks = {
  react: async () => react((await run('react.js', await jsx('react/Photo.jsx'))).default),

  // Next puts the configured loader in the place of its own.
  next: async () => {
    const loader = (await run('image-loader.js', await source('next/image-loader.js'))).default
    const place = require.resolve('next/dist/shared/lib/image-loader')
    require.cache[place] = { id: place, filename: place, loaded: true, exports: { __esModule: true, default: loader } }
    // As its bundler resolves it.
    const code = (await jsx('next/Photo.jsx')).replace("import Image from 'next/image'", `
      import { createRequire } from 'node:module'
      const { Image } = createRequire(${JSON.stringify(join(tools, 'any.js'))})('next/dist/client/image-component')`)
    return react((await run('next.js', code)).default)
  },

  unpic: async () => react((await run('unpic.js', await jsx('unpic/Photo.jsx'))).default),

  vue: async () => rendered((await run('vue.js', await vue(await source('vue/Photo.vue'), 'Photo'))).default),

  nuxt: async () => {
    const image = await nuxtImage()
    const photo = (await run('nuxt.js', await vue(await source('nuxt/Photo.vue'), 'Photo'))).default
    return rendered(photo, app => app.component('NuxtImg', image))
  },

  svelte: async () => {
    const { compile } = await named('compile', 'svelte/compiler')
    const { js } = compile(await source('svelte/Photo.svelte'), { generate: 'server', filename: 'Photo.svelte' })
    const photo = (await run('svelte.js', js.code)).default
    const { render } = await named('render', 'svelte/server')
    return render(photo, { props: { src, alt } }).body
  },

  // Compiled by Astro's compiler; of its runtime, which comes with all of Astro, the five functions that this needs.
  astro: async () => {
    const { transform } = await named('transform', '@astrojs/compiler')
    await writeFile(join(work, 'astro-runtime.js'), `
      const escaped = value => String(value).replace(/&/g, '&#38;').replace(/"/g, '&#34;')
      export const render = (texts, ...values) => texts.map((text, i) => text + [values[i] ?? ''].flat(9).join('')).join('')
      export const createComponent = make => make
      export const addAttribute = (value, name) => \` \${name}="\${escaped(value)}"\`
      export const spreadAttributes = all => Object.entries(all).map(([name, value]) => addAttribute(value, name)).join('')
      export const [createAstro, createMetadata, maybeRenderHead] = [() => {}, () => {}, () => '']
      export const [Fragment, renderComponent, renderHead, unescapeHTML, renderSlot, mergeSlots, defineStyleVars,
        defineScriptVars, renderTransition, createTransitionScope, renderScript] = []`)
    const { code } = await transform(await source('astro/Photo.astro'), { internalURL: './astro-runtime.js', sourcemap: false })
    const photo = (await run('astro.js', code)).default
    return photo({ createAstro: props => ({ props }) }, { src, alt }, {})
  },

  eleventy: async () => {
    const codes = {}
    const config = { addShortcode: (name, code) => { codes[name] = code } }
    ;(await run('eleventy.config.js', await source('eleventy/eleventy.config.js'))).default(config)
    return codes.photo(src, alt)
  },
}

const page = (name, body) => `<!doctype html>
<!-- Made from the component beside it; see examples/README.md. -->
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>pixedge in ${name}</title>
<style>img { max-width: 100%; height: auto }</style>
</head>
<body>
${body.replace(/<!--.*?-->/g, '').trim()}
</body>
</html>
`

try {
  for (const [name, body] of Object.entries(frameworks)) {
    await writeFile(join(output, `${name}.html`), page(name, await body()))
  }
} finally {
  await rm(work, { recursive: true })
}
