// What the declarations allow and what they refuse; compiled, never run.
import pixedge, { nextLoader, picture, srcset, unpicTransformer, url } from './pixedge.js'
import type { Options, Picture } from './pixedge.js'

const one: string = url('demo')
const two: string = url('demo', 'w_300,f_webp')
const three: string = url('demo', { w: 300, format: 'webp', gray: true, h: undefined })
const options: Options = { width: 300, ar: '16:9' }
const list: string = srcset('demo', options, [320, 640]) + srcset('demo', 'w_100', ['1x', '2.5x'])
const { sources, img }: Picture = picture('demo', '', undefined, ['avif'])
const markup: string[] = [...sources.map(({ type, srcset }) => type + srcset), img.src, img.srcset]

const samples = pixedge('https://img.example.com', 'samples')
const loader: (props: { src: string; width: number; quality?: number }) => string = samples.nextLoader
const transformer: (src: string | URL, operations: { width?: number; blur?: number }) => string = unpicTransformer
export const all = [one, two, three, list, markup, loader, transformer, nextLoader({ src: 'demo', width: 640 })]

// @ts-expect-error a misspelt option
url('demo', { widht: 300 })
// @ts-expect-error a size is a number or a density
srcset('demo', '', ['320px'])
// @ts-expect-error a server is needed
pixedge()
// @ts-expect-error no such function
samples.image('demo')
