/**
 * URLs of pictures, in fewer than two kilobytes and without dependencies.
 *
 * The names that are exported here build URLs of the server that the module was loaded from. In a copy, or for another
 * server or for a source, make them with the default export:
 *
 *     import pixedge from './pixedge.js'
 *     const { url, srcset } = pixedge('https://img.example.com', 'samples')
 *
 * What cannot be a URL is a `TypeError`; whether an option exists and what it may be is for the server to say.
 */

/** What is wanted, as in a URL (`w_300,h_200/a_90`) or as options of one step (`{ w: 300, h: 200 }`). */
export type Spec = string | Options

/** A candidate of a `srcset`: a width in pixels, or a density. */
export type Size = number | `${number}x`

/** `<source>` elements, in the order in which a browser is to try them. */
export interface Source {
  type: string
  srcset: string
}

/** What of `<picture>` depends on the server; `sizes`, `alt`, `width` and `height` are yours. */
export interface Picture {
  sources: Source[]
  img: { src: string; srcset: string }
}

export interface Pixedge {
  /**
   * The URL of one picture.
   *
   * `src` is an id of the library; of a source it is a path there, or a whole URL that the source may fetch.
   */
  url(src: string, spec?: Spec): string

  /**
   * The value of `srcset`, by default for widths of 320 to 1920 pixels.
   *
   * The size is put into a spec of one step; in one of several it goes where `{}` stands: `w_{}/a_90`.
   */
  srcset(src: string, spec?: Spec, sizes?: Size[]): string

  /** What a `<picture>` needs, by default for AVIF and WebP before whatever the browser takes. */
  picture(src: string, spec?: Spec, sizes?: Size[], formats?: string[]): Picture

  /** The default export of `images.loaderFile` in next.config.js, or the property `loader` of `<Image>`. */
  nextLoader(props: { src: string; width: number; quality?: number }): string

  /** A transformer of unpic. What it knows no word for is passed on as an option: `{ width: 300, blur: 5 }`. */
  unpicTransformer(
    src: string | URL,
    operations: {
      width?: number | string
      height?: number | string
      quality?: number | string
      format?: string
    } & { [option: string]: Value },
    options?: unknown,
  ): string
}

/** `base` is a server's address or a path on this one, `source` the name of one of its sources; without it, the library. */
export default function pixedge(base: string, source?: string): Pixedge

export const url: Pixedge['url']
export const srcset: Pixedge['srcset']
export const picture: Pixedge['picture']
export const nextLoader: Pixedge['nextLoader']
export const unpicTransformer: Pixedge['unpicTransformer']

/** What is `null` or `undefined` is left out. */
export type Value = string | number | boolean | null | undefined

/** Every option and its other names. Their order makes no difference. */
export interface Options {
{{options}}}
