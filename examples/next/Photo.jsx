import Image from 'next/image'

export default function Photo({ src, alt, sizes = '100vw' }) {
  return <Image src={src} alt={alt} width={1600} height={1200} sizes={sizes} />
}
