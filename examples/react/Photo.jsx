import pixedge from './pixedge.js'

const { picture } = pixedge('http://127.0.0.1:8080')

export default function Photo({ src, alt, sizes = '100vw' }) {
  const { sources, img } = picture(src)
  return (
    <picture>
      {sources.map(({ type, srcset }) => <source key={type} type={type} srcSet={srcset} sizes={sizes} />)}
      <img src={img.src} srcSet={img.srcset} sizes={sizes} alt={alt} />
    </picture>
  )
}
